//! The mutant audit: what became of the mutants of each operator, and how the share of wrong
//! programs that pass falls with the number of hidden cases.

use plotters::prelude::*;

use super::Svg;
use super::counts::{draw_counts, thousands};
use super::panel::{Area, page, panel};
use super::style::{BLUE, GRAY, LABEL, ORANGE, SKY, SOFT_INK, VERMILLION, bold, dark, ink};
use crate::base::Result;
use crate::data::{HiddenCaseReport, OperatorCounts};

/// The figure of an audit.
pub fn mutant_figure(report: &HiddenCaseReport) -> Result<Svg> {
    let total = report.total();
    let (accepted, wrong) = (thousands(total.accepted), thousands(total.accepted + total.refused));
    let title = format!("Hidden cases accept {accepted} of {wrong} wrong programs");
    let subtitle = format!(
        "Mutants of {} atoms and {} composites, one change each; equivalent: the same on all hidden cases and {} fresh inputs",
        report.atoms.n_problems,
        report.composites.n_problems,
        thousands(report.config.mutants.fresh_inputs)
    );
    let footer = format!("tier {}, seed {}: the same on every machine", report.tier, report.seed);
    Svg::draw(|area| {
        let (left, right) = page(area, &title, &subtitle, &footer)?.split_horizontally(58.percent_width());
        draw_operators(&left, report)?;
        draw_cases(&right, report)
    })
}

/// How many mutants of each operator were refused, are no mutants, or were missed.
fn draw_operators(area: &Area<'_>, report: &HiddenCaseReport) -> Result<()> {
    let counts = report.by_operator().into_iter().map(|(operator, counts)| (operator.name(), counts));
    let (names, counts): (Vec<&str>, Vec<OperatorCounts>) = counts.chain([("all", report.total())]).unzip();
    let heads = [
        (["refused", ""], SKY),
        (["equivalent to", "the reference"], GRAY),
        (["wrong, yet", "accepted"], VERMILLION),
    ];
    let cell = |row: usize, column: usize| {
        let OperatorCounts { mutants, refused, equivalent, accepted, .. } = counts[row];
        let part = [refused, equivalent, accepted][column];
        Some((part, heads[column].1, part as f64 / mutants as f64)).filter(|_| part > 0)
    };
    let (operators, all) = names.split_at(names.len() - 1);
    let groups = [("operator", operators), ("", all)];
    draw_counts(area, "What became of the mutants", [60, 24, 140], (&groups, &heads), cell)?;
    Ok(())
}

/// Share of wrong mutants that pass, by how many hidden cases are asked; logarithmic.
fn draw_cases(area: &Area<'_>, report: &HiddenCaseReport) -> Result<()> {
    let goal = report.config.goal;
    let lines = [
        ("atoms", report.atoms.shares_by_cases(), ORANGE),
        ("composites", report.composites.shares_by_cases(), BLUE),
    ];
    let most = lines.iter().map(|(_, shares, _)| shares.len() - 1).max().unwrap_or(1).max(1);
    let positive = lines.iter().flat_map(|(_, shares, _)| shares).filter(|share| **share > 0.0);
    let least = positive.fold(goal.max(1e-6) / 10.0, |least, share| share.min(least));
    let floor = 0.999 * 10f64.powf(least.log10().floor());
    let axes = (0.0..most as f64, (floor..1.0).log_scale());
    let mut panel = panel(area, "How many hidden cases it takes", [84, 40, 54, 100], axes)?;
    panel.y_axis("wrong mutants accepted (%)", 8, |share| format!("{}", (share * 1e6).round() / 1e4))?;
    for tick in (0..=most).step_by(most.div_ceil(8)) {
        panel.x_tick(tick as f64, &[&tick.to_string()])?;
    }
    panel.level(floor, SOFT_INK, 1)?;
    panel.x_title("hidden cases asked, in their order")?;
    if goal > 0.0 {
        panel.level(goal, VERMILLION, 2)?;
        let above = (8, panel.at(0.0, goal).1 - 13);
        panel.text(&format!("goal: under {}%", goal * 100.0), above, &ink(LABEL, dark(VERMILLION)))?;
    }
    for (row, (name, shares, color)) in lines.iter().enumerate() {
        let seen = shares.iter().enumerate().filter(|(_, share)| **share > 0.0);
        let seen: Vec<(f64, f64)> = seen.map(|(cases, share)| (cases as f64, *share)).collect();
        panel.line(seen.iter().copied(), *color, 3)?;
        for (x, y) in seen {
            panel.dot(x, y, 4, *color)?;
        }
        // Zero has no place on this scale: the end of the line says where it is reached.
        let end = match shares.iter().position(|share| *share == 0.0) {
            Some(cases) => format!("{name}: none with {cases} cases or more"),
            None => format!("{name}: {:.2}% with all cases", shares.last().unwrap_or(&1.0) * 100.0),
        };
        let at = (12, panel.size.1 - 44 + 24 * row as i32);
        panel.text(&end, at, &bold(LABEL, dark(*color)))?;
    }
    Ok(())
}

//! The mutant audit: what became of the mutants of each operator, and how the share of wrong
//! programs that pass falls with the number of hidden cases.

use itertools::Itertools;
use plotters::prelude::*;

use super::Svg;
use super::labels::text_width;
use super::panel::{Area, page, panel};
use super::style::{
    BEFORE, BLUE, CENTERED, GRAY, INK, LABEL, ORANGE, SKY, SOFT_INK, VERMILLION, bold, dark, ink, tint,
};
use crate::base::Result;
use crate::data::{HiddenCaseReport, MutantReport, OperatorCounts};

/// The figure of an audit.
pub fn mutant_figure(report: &HiddenCaseReport) -> Result<Svg> {
    let all = report.together();
    let total = all.total();
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
        draw_operators(&left, &all)?;
        draw_cases(&right, report)
    })
}

/// One bar an operator, all bars of one length: shares of its mutants, with their numbers inside.
fn draw_operators(area: &Area<'_>, report: &MutantReport) -> Result<()> {
    let counts = report.by_operator.iter().map(|(operator, counts)| (operator.name(), *counts));
    let rows: Vec<(&str, OperatorCounts)> = counts.chain([("all", report.total())]).collect();
    let axes = (0.0..1.0, rows.len() as f64 - 0.28..0.0);
    let panel = panel(area, "What became of the mutants", [84, 60, 24, 148], axes)?;
    let colors = [SKY, GRAY, VERMILLION];
    let names = ["refused", "equivalent to the reference", "wrong, yet accepted"];
    panel.key(&names.into_iter().map(str::to_owned).zip(colors).collect_vec(), 42)?;
    for (row, (name, counts)) in rows.iter().enumerate() {
        let middle = panel.at(0.0, row as f64 + 0.36).1;
        let style = if *name == "all" { bold(LABEL, INK) } else { ink(LABEL, INK) };
        panel.text(name, (-10, middle), &style.pos(BEFORE))?;
        let parts = [counts.refused, counts.equivalent, counts.accepted];
        let (mut before, mut beside) = (0, panel.size.0 + 8);
        for (part, color) in parts.into_iter().zip(colors).filter(|(part, _)| *part > 0) {
            let edge = |count: usize, y: f64| panel.at(count as f64 / counts.mutants.max(1) as f64, y);
            let (left, top) = edge(before, row as f64);
            before += part;
            let (right, bottom) = edge(before, row as f64 + 0.72);
            // A single accepted mutant of thousands must be seen.
            let right = right.max(left + 4);
            panel.mark(Rectangle::new([(left, top), (right - 1, bottom)], tint(color, 0.6).filled()))?;
            let text = thousands(part);
            if text_width(&text, LABEL) + 8.0 < f64::from(right - left) {
                panel.text(&text, ((left + right) / 2, middle), &ink(LABEL, INK).pos(CENTERED))?;
            } else {
                panel.text(&text, (beside, middle), &ink(LABEL, dark(color)))?;
                beside += text_width(&text, LABEL) as i32 + 12;
            }
        }
    }
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

/// `12345` as `12,345`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}

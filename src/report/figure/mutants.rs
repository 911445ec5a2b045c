//! The mutant audit: what became of the mutants of each operator, and how the share of wrong
//! programs that pass falls with the number of hidden cases.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, RGBColor};
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Canvas, Ink, Panel};
use super::style;
use crate::base::error::Result;
use crate::data::audit::{HiddenCaseReport, MutantReport, OperatorCounts};
use crate::data::synth::mutate::Operator;

const REFUSED: RGBColor = style::SKY;
const EQUIVALENT: RGBColor = style::GRAY;
const ACCEPTED: RGBColor = style::VERMILLION;

/// Draws both panels.
pub fn draw_mutants<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    report: &HiddenCaseReport,
) -> Result<()> {
    let canvas = Canvas::new(area)?;
    let (width, height) = canvas.size();
    let all = report.together();
    let total = all.total();
    let top = canvas.title(
        &format!(
            "Hidden cases accept {} of {} wrong programs",
            thousands(total.accepted),
            thousands(total.accepted + total.refused)
        ),
        &format!(
            "Mutants of {} atoms and {} composites, one change each; equivalent: the same on all hidden cases and {} fresh inputs",
            report.atoms.n_problems,
            report.composites.n_problems,
            thousands(report.config.mutants.fresh_inputs)
        ),
    )?;
    let panel = |left: i32, right: i32| Panel {
        canvas: &canvas,
        left,
        top: top + 78,
        right,
        bottom: height - 66,
        x: (0.0, 1.0),
        y: (0.0, 1.0),
    };
    draw_operators(&panel(148, width * 53 / 100), &all)?;
    draw_cases(panel(width * 53 / 100 + 176, width - 40), report)
}

/// One bar an operator, all bars of one length: shares of its mutants, with their numbers inside.
fn draw_operators<DB: DrawingBackend>(panel: &Panel<'_, DB>, report: &MutantReport) -> Result<()> {
    let canvas = panel.canvas;
    canvas.text("What became of the mutants", (30, panel.top - 66), Ink::new(style::PANEL_TITLE).bold())?;
    let key = [
        ("refused", REFUSED),
        ("equivalent to the reference", EQUIVALENT),
        ("wrong, yet accepted", ACCEPTED),
    ];
    panel.key(&key.map(|(name, color)| (name.to_owned(), color)), panel.top - 38)?;
    let rows: Vec<(&str, OperatorCounts)> = Operator::ALL
        .iter()
        .filter_map(|operator| Some((operator.name(), *report.by_operator.get(operator)?)))
        .chain([("all", report.total())])
        .collect();
    let tall = f64::from(panel.bottom + 40 - panel.top) / rows.len() as f64;
    for (row, (name, counts)) in rows.iter().enumerate() {
        let top = panel.top + (tall * row as f64).round() as i32;
        let bottom = panel.top + (tall * (row as f64 + 0.72)).round() as i32;
        let middle = (top + bottom) / 2;
        let ink = Ink::new(style::TICK).at(HPos::Right, VPos::Center);
        let ink = if *name == "all" { ink.bold() } else { ink };
        canvas.text(name, (panel.left - 10, middle), ink)?;
        let parts = [(counts.refused, REFUSED), (counts.equivalent, EQUIVALENT), (counts.accepted, ACCEPTED)];
        let mut before = 0;
        let mut beside = panel.right + 8;
        for (part, color) in parts.into_iter().filter(|(part, _)| *part > 0) {
            let share = |count: usize| count as f64 / counts.mutants.max(1) as f64;
            let left = panel.px(share(before));
            before += part;
            // A single accepted mutant of thousands must be seen.
            let right = panel.px(share(before)).max(left + 4);
            canvas.rect((left, top), (right - 1, bottom), style::tint(color, 0.6), true)?;
            let text = thousands(part);
            if super::labels::text_width(&text, style::LABEL) + 8.0 < f64::from(right - left) {
                let ink = Ink::new(style::LABEL).at(HPos::Center, VPos::Center);
                canvas.text(&text, ((left + right) / 2, middle), ink)?;
            } else {
                canvas.text(&text, (beside, middle), Ink::new(style::LABEL).color(style::dark(color)))?;
                beside += super::labels::text_width(&text, style::LABEL) as i32 + 12;
            }
        }
    }
    Ok(())
}

/// Share of wrong mutants that pass, by how many hidden cases are asked; logarithmic.
fn draw_cases<DB: DrawingBackend>(mut panel: Panel<'_, DB>, report: &HiddenCaseReport) -> Result<()> {
    let lines = [
        ("atoms", report.atoms.shares_by_cases(), style::ORANGE),
        ("composites", report.composites.shares_by_cases(), style::BLUE),
    ];
    let most = lines.iter().map(|(_, shares, _)| shares.len() - 1).max().unwrap_or(1).max(1);
    let positive = lines.iter().flat_map(|(_, shares, _)| shares).filter(|share| **share > 0.0);
    let least = positive.fold(report.config.goal.max(1e-6) / 10.0, |least, share| share.min(least));
    let floor = least.log10().floor();
    panel.x = (0.0, most as f64);
    panel.y = (floor, 0.0);
    panel.panel_title("How many hidden cases it takes", 66)?;
    let decades: Vec<f64> = (floor as i32..=0).map(f64::from).collect();
    panel.y_axis("wrong mutants accepted (%)", &decades, |power| {
        let percent = 100.0 * 10f64.powf(power);
        if percent >= 1.0 { format!("{percent:.0}") } else { format!("{percent}") }
    })?;
    for tick in (0..=most).step_by(most.div_ceil(8)) {
        panel.x_tick(tick as f64, &[&tick.to_string()])?;
    }
    panel.x_title("hidden cases asked, in their order", 46)?;
    if report.config.goal > 0.0 {
        let y = panel.py(report.config.goal.log10());
        panel.canvas.line(&[(panel.left, y), (panel.right, y)], style::VERMILLION, 2)?;
        let ink = Ink::new(style::LABEL).color(style::dark(style::VERMILLION)).at(HPos::Left, VPos::Bottom);
        let text = format!("goal: under {}%", report.config.goal * 100.0);
        panel.canvas.text(&text, (panel.left + 8, y - 5), ink)?;
    }
    for (row, (name, shares, color)) in lines.iter().enumerate() {
        let seen: Vec<(f64, f64)> = shares
            .iter()
            .enumerate()
            .filter(|(_, share)| **share > 0.0)
            .map(|(cases, share)| (cases as f64, share.log10()))
            .collect();
        panel.curve(&seen, *color, 3)?;
        for (x, y) in &seen {
            panel.canvas.dot((panel.px(*x), panel.py(*y)), 4, *color)?;
        }
        // Zero has no place on this scale: the end of the line says where it is reached.
        let zero = shares.iter().position(|share| *share == 0.0);
        let end = match zero {
            Some(cases) => format!("{name}: none with {cases} cases or more"),
            None => format!("{name}: {:.2}% with all cases", shares.last().unwrap_or(&1.0) * 100.0),
        };
        let at = (panel.left + 12, panel.bottom - 44 + 24 * row as i32);
        let ink = Ink::new(style::LABEL).bold().color(style::dark(*color));
        panel.canvas.text(&end, at, ink)?;
    }
    Ok(())
}

/// `12345` as `12,345`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1234567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}

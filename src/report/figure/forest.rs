//! All clauses at a glance: what was found, how well it is known, what was asked for, the verdict.

use itertools::Itertools;
use plotters::prelude::*;

use super::panel::{Area, Panel, page, panel};
use super::style::*;
use crate::base::Result;
use crate::report::claims::{ClaimsReport, JudgedClause, JudgedFinding, Measured, Role, Ruling};
use crate::report::frame::Decode;

/// Pixels of a row; of a finding's first one, more.
const ROW: u32 = 30;
/// Pixels of the texts to the left of the marks, and to the right.
const TEXTS: [u32; 2] = [540, 170];

/// What stands in a row.
enum Row<'a> {
    Finding(String, Ruling),
    Clause(&'a JudgedClause),
}

fn rows(report: &ClaimsReport) -> Vec<Row<'_>> {
    let of_finding = |found: &JudgedFinding| {
        let number = found.finding.number;
        let clauses = report.clauses.iter().filter(move |judged| judged.clause.finding == number);
        let clauses = clauses.sorted_by_key(|judged| judged.clause.role as u8).map(Row::Clause);
        [Row::Finding(format!("Finding {number}: {}", found.ruling), found.ruling)].into_iter().chain(clauses)
    };
    report.findings.iter().flat_map(of_finding).collect()
}

/// Height of the page in pixels.
pub(super) fn height(report: &ClaimsReport) -> u32 {
    rows(report).len() as u32 * ROW + 230
}

/// Draws the page.
pub(super) fn draw(report: &ClaimsReport, source: &str, area: &Area<'_>) -> Result<()> {
    let rows = rows(report);
    let counts = report.findings.iter().counts_by(|found| found.ruling);
    let title = counts.into_iter().sorted().map(|(ruling, count)| format!("{count} {ruling}")).join(", ");
    let title = format!("The paper's {} findings, re-executed: {title}", report.findings.len());
    let decided = report.clauses.iter().filter_map(JudgedClause::interval);
    let seeds = decided.map(|found| found.n_seeds).max().unwrap_or(0);
    let level = 100.0 * report.level;
    let plural = if seeds == 1 { "" } else { "s" };
    let subtitle = format!(
        "Differences in pass rate, {seeds} seed{plural}; bars: {level:.0}% interval over seeds and problems (crossed random effects)"
    );
    let room = page(area, &title, &subtitle, source)?;

    let clauses = report.clauses.iter();
    let ends = clauses.clone().flat_map(JudgedClause::deciding).filter_map(|of| of.interval.as_ref().ok());
    let all = ends.flat_map(|found| [found.low, found.high]).filter(|end| end.is_finite());
    let all = all.chain(clauses.map(|judged| judged.clause.threshold)).chain([0.0]);
    let (low, high) = all.minmax().into_option().unwrap_or((0.0, 0.0));
    let (low, high) = (low - 0.02, high + 0.02);
    let margins = [40, TEXTS[1], 66, TEXTS[0]];
    let panel = panel(&room, "", margins, (low..high, 0.0..rows.len() as f64))?;
    let bottom = panel.size.1;
    let step = if high - low > 0.9 { 20 } else { 10 };
    for tick in (-100..=100).step_by(step).filter(|tick| (low..high).contains(&(f64::from(*tick) / 100.0))) {
        let x = panel.at(f64::from(tick) / 100.0, 0.0).0;
        let color = if tick == 0 { SOFT_INK } else { GRID };
        panel.sheet.draw(&PathElement::new([(x, 0), (x, bottom)], color.stroke_width(1)))?;
        panel.x_tick(
            f64::from(tick) / 100.0,
            &[&if tick == 0 { "0".to_owned() } else { format!("{tick:+}") }],
        )?;
    }
    panel.x_title("difference (percentage points)")?;
    legend(&panel)?;
    for (at, row) in rows.iter().enumerate() {
        let y = (rows.len() - at) as f64 - 0.5;
        match row {
            Row::Finding(text, ruling) => {
                let middle = panel.at(low, y).1;
                panel.text(
                    text,
                    (-(TEXTS[0] as i32) + 30, middle + 4),
                    &bold(PANEL_TITLE, dark(color_of(*ruling))),
                )?;
            }
            Row::Clause(judged) => clause(&panel, judged, y)?,
        }
    }
    Ok(())
}

/// Which mark is which.
fn legend<CT: plotters::coord::CoordTranslate<From = (f64, f64)>>(panel: &Panel<'_, CT>) -> Result<()> {
    let y = -18;
    panel.sheet.draw(&Circle::new((6, y), 6, INK.filled()))?;
    panel.text("likeliest answer", (18, y), &ink(LABEL, INK))?;
    panel.diamond((160, y), 7, INK)?;
    panel.text("sampled", (174, y), &ink(LABEL, INK))?;
    panel.sheet.draw(&PathElement::new([(256, y - 9), (256, y + 9)], INK.stroke_width(3)))?;
    panel.text("asked for at least", (266, y), &ink(LABEL, INK))
}

/// One row: marks with their intervals, the threshold between them, name and verdict beside.
fn clause<CT: plotters::coord::CoordTranslate<From = (f64, f64)>>(
    panel: &Panel<'_, CT>,
    judged: &JudgedClause,
    y: f64,
) -> Result<()> {
    let asked = &judged.clause;
    let (_, color) = arm_style(asked.arm());
    let at = panel.at(asked.threshold, y);
    let tint = if asked.role == Role::Report { SOFT_INK } else { INK };
    panel.sheet.draw(&PathElement::new([(at.0, at.1 - 13), (at.0, at.1 + 13)], tint.stroke_width(3)))?;
    for Measured { metric, interval, .. } in judged.deciding() {
        let Ok(found) = interval else { continue };
        let aside = if *metric == Decode::Greedy { -6 } else { 6 };
        let [low, middle, high] = [found.low, found.value, found.high].map(|x| panel.at(x, y).0);
        let level = at.1 + aside;
        panel.sheet.draw(&PathElement::new([(low, level), (high, level)], color.stroke_width(3)))?;
        match metric {
            Decode::Greedy => panel.sheet.draw(&Circle::new((middle, level), 5, color.filled()))?,
            _ => panel.diamond((middle, level), 6, color)?,
        }
    }
    let role = if asked.role == Role::Required { String::new() } else { format!(" ({})", asked.role) };
    let left = -(TEXTS[0] as i32) + 44;
    panel.text(&format!("{}{role}", asked.label()), (left, at.1), &ink(LABEL, tint))?;
    let verdict = match asked.role {
        Role::Report => String::new(),
        _ => judged.ruling.to_string(),
    };
    panel.text(&verdict, (panel.size.0 + 14, at.1), &ink(LABEL, dark(color_of(judged.ruling))))
}

fn color_of(ruling: Ruling) -> RGBColor {
    match ruling {
        Ruling::Supported => super::style::GREEN,
        Ruling::Refuted => VERMILLION,
        Ruling::Inconclusive => GRAY,
        Ruling::NotJudged => SOFT_INK,
    }
}

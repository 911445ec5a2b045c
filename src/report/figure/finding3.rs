//! Finding 3: over-fitting. Left: how the gap between training prompts and unseen problems grows
//! with SFT epochs, RL from the base beside it. Right: the pass rates behind the gaps.

use itertools::Itertools;
use plotters::prelude::*;

use super::labels::text_width;
use super::panel::{Area, page, panel, percent};
use super::style::{self, CENTERED, LABEL, SOFT_INK, arm_style, dark, set_style, tint};
use super::{Evidence, Series, nothing_run, seeds_text};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Interval, Quantity, stage_number};
use crate::study::Prompts;

const SFT: &str = "sft-more";
const RL: &str = "rl-base";
const TRAIN: Set = Set::CompositeATrain;
/// Where the gap goes to, and what it is called.
const TEST: [(Set, &str); 2] =
    [(Set::CompositeB, "to B: target"), (Set::CompositeAHeldOut, "to A: new chains")];

/// One quantity over SFT epochs, and the same for RL from the base at its end.
struct Line {
    sft: Series,
    rl: Option<Interval>,
}

impl Line {
    /// `quantity` of a cell, at every evaluation of SFT and at the end of RL.
    fn of(evidence: &Evidence, set: Set, label: String, quantity: impl Fn(Cell) -> Quantity) -> Result<Line> {
        let stages = evidence.scores.stages(SFT)?.into_iter();
        let epochs = stages
            .filter(|stage| stage_number(stage) > 0)
            .map(|stage| (stage_number(&stage) as f64, quantity(Cell { stage, ..Cell::at_end(SFT, set) })));
        let sft = evidence.series((label, set_style(set, Prompts::Train).1), epochs)?;
        Ok(Line { sft, rl: evidence.interval(&quantity(Cell::at_end(RL, set)))? })
    }

    fn intervals(&self) -> impl Iterator<Item = &Interval> {
        self.sft.intervals().chain(&self.rl)
    }
}

/// Draws both panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let gap = |(set, label): (Set, &str)| {
        Line::of(evidence, set, label.to_owned(), |cell| Quantity::gap(&cell, TRAIN, set))
    };
    let gaps: Vec<Line> = TEST.into_iter().map(gap).collect::<Result<_>>()?;
    let rate = |set| Line::of(evidence, set, set_style(set, Prompts::Train).0.join(": "), Quantity::Rate);
    let sets = [TRAIN].into_iter().chain(TEST.map(|(set, _)| set));
    let rates: Vec<Line> = sets.map(rate).collect::<Result<_>>()?;
    if rates.iter().all(|line| line.intervals().next().is_none()) {
        return Err(nothing_run(3));
    }
    let seeds = seeds_text(gaps.iter().flat_map(Line::intervals));
    let subtitle = format!("{seeds}; sampled at temperature 1");
    let title = "Finding 3: over-fitting of SFT, and RL without SFT";
    let (left, right) =
        page(area, title, &subtitle, &evidence.source)?.split_horizontally(50.percent_width());

    let low = gaps.iter().flat_map(Line::intervals).map(|found| found.low).fold(0.0, f64::min);
    let high = gaps.iter().flat_map(Line::intervals).map(|found| found.high).fold(0.1, f64::max);
    let title = ["Generalization gap: trained on minus unseen", "gap in pass rate (percentage points)"];
    draw_lines(&left, title, low * 1.1..(high * 1.1).min(1.0), &gaps)?;
    draw_lines(&right, ["The pass rates behind it", "pass rate, temperature 1 (%)"], 0.0..1.0, &rates)
}

/// Lines over epochs, with RL from the base in a strip of its own at the right.
fn draw_lines(
    area: &Area<'_>,
    [title, y_title]: [&str; 2],
    y: std::ops::Range<f64>,
    lines: &[Line],
) -> Result<()> {
    let epochs = lines.iter().flat_map(|line| line.sft.points.iter().map(|(epochs, _)| *epochs));
    let epochs: Vec<f64> = epochs.sorted_by(f64::total_cmp).dedup().collect();
    let (first, last) = (epochs.first().copied().unwrap_or(1.0), epochs.last().copied().unwrap_or(2.0));
    let x = (first * 0.84..last.max(first + 1.0) * 1.19).log_scale();
    let mut panel = panel(area, title, [50, 220, 54, 86], (x, y))?;
    panel.y_axis(y_title, 6, percent)?;
    panel.level(0.0, SOFT_INK, 1)?;
    let mut free_from = i32::MIN;
    for epoch in epochs {
        // Labels of close epochs would touch: only the first of them is written.
        let text = epoch.to_string();
        let (x, half) = (panel.at(epoch, 1.0).0, (text_width(&text, LABEL) / 2.0) as i32 + 3);
        if x - half >= free_from {
            panel.x_tick(epoch, &[&text])?;
            free_from = x + half;
        }
    }
    panel.x_title("SFT epochs (log scale)")?;
    // The strip of RL from the base: the same vertical scale, nothing horizontal.
    let (width, height) = panel.size;
    let (rl_color, center) = (arm_style(RL).1, width + 44);
    let strip = [(width + 14, 0), (width + 74, height)];
    panel.mark(Rectangle::new(strip, tint(rl_color, 0.08).filled()))?;
    for (row, text) in ["RL from", "the base"].into_iter().enumerate() {
        let ink = style::ink(LABEL, dark(rl_color)).pos(CENTERED);
        panel.text(text, (center, height + 16 + 19 * row as i32), &ink)?;
    }
    let mut ends = Vec::new();
    for (index, Line { sft, rl }) in lines.iter().enumerate() {
        panel.estimates(sft, |epochs| epochs)?;
        if let Some(rl) = rl {
            let x = center + (index as i32 * 2 - (lines.len() as i32 - 1)) * 9;
            let [low, value, high] = [rl.low, rl.value, rl.high].map(|rate| panel.at(last, rate).1);
            panel.mark(ErrorBar::new_vertical(x, low, value, high, sft.color.stroke_width(2), 9))?;
            panel.diamond((x, value), 7, sft.color)?;
        }
        let end = rl.as_ref().or(sft.points.last().map(|(_, found)| found));
        ends.extend(end.map(|end| (sft.label.clone(), end.value, sft.color)));
    }
    panel.end_labels(&ends, 90)
}

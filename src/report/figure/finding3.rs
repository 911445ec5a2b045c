//! Finding 3: over-fitting. Left: how the gap between training prompts and unseen problems grows
//! with SFT epochs, RL from the base beside it. Right: the pass rates behind the gaps.

use itertools::Itertools;
use plotters::prelude::*;

use super::labels::text_width;
use super::panel::{Area, page, panel, percent};
use super::style::{self, CENTERED, LABEL, SOFT_INK, arm_style, dark, set_style, tint};
use super::{Evidence, nothing_run, seeds_text};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Interval, Quantity, stage_number};
use crate::study::{FINAL_STAGE, Prompts};

const SFT: &str = "sft-more";
const RL: &str = "rl-base";
const TRAIN: Set = Set::CompositeATrain;
const TEST: [Set; 2] = [Set::CompositeB, Set::CompositeAHeldOut];

/// One quantity over SFT epochs, and the same for RL from the base at its end.
struct Line {
    /// The set whose rate (or gap to the training prompts) this is.
    set: Set,
    sft: Vec<(u64, Interval)>,
    rl: Option<Interval>,
}

impl Line {
    /// `quantity` of a cell, at every evaluation of SFT and at the end of RL.
    fn of(evidence: &Evidence, set: Set, quantity: impl Fn(Cell) -> Quantity) -> Result<Line> {
        let found = |arm: &str, stage: &str| {
            let cell = Cell { stage: stage.to_owned(), ..Cell::at_end(arm, set) };
            evidence.interval(&quantity(cell))
        };
        let mut sft = Vec::new();
        for stage in evidence.scores.stages(SFT)?.iter().filter(|stage| stage_number(stage) > 0) {
            sft.extend(found(SFT, stage)?.map(|found| (stage_number(stage), found)));
        }
        Ok(Line { set, sft, rl: found(RL, FINAL_STAGE)? })
    }

    fn intervals(&self) -> impl Iterator<Item = &Interval> {
        self.sft.iter().map(|(_, found)| found).chain(&self.rl)
    }
}

/// Draws both panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let gap = |set| Line::of(evidence, set, |cell| Quantity::gap(&cell, TRAIN, set));
    let gaps: Vec<Line> = TEST.into_iter().map(gap).collect::<Result<_>>()?;
    let rate = |set| Line::of(evidence, set, Quantity::Rate);
    let rates: Vec<Line> = [TRAIN].into_iter().chain(TEST).map(rate).collect::<Result<_>>()?;
    if rates.iter().all(|line| line.intervals().next().is_none()) {
        return Err(nothing_run(3));
    }
    let subtitle = format!("{}; sampled at temperature 1", seeds_text(gaps.iter().flat_map(Line::intervals)));
    let title = "Finding 3: over-fitting of SFT, and RL without SFT";
    let (left, right) =
        page(area, title, &subtitle, &evidence.source)?.split_horizontally(50.percent_width());

    let low = gaps.iter().flat_map(Line::intervals).map(|found| found.low).fold(0.0, f64::min);
    let high = gaps.iter().flat_map(Line::intervals).map(|found| found.high).fold(0.1, f64::max);
    let to =
        |set| if set == Set::CompositeB { "to B: target".to_owned() } else { "to A: new chains".to_owned() };
    let title = ["Generalization gap: trained on minus unseen", "gap in pass rate (percentage points)"];
    draw_lines(&left, title, low * 1.1..(high * 1.1).min(1.0), &gaps, to)?;
    let title = ["The pass rates behind it", "pass rate, temperature 1 (%)"];
    draw_lines(&right, title, 0.0..1.0, &rates, |set| set_style(set, Prompts::Train).0.join(": "))
}

/// Lines over epochs, with RL from the base in a strip of its own at the right.
fn draw_lines(
    area: &Area<'_>,
    [title, y_title]: [&str; 2],
    y: std::ops::Range<f64>,
    lines: &[Line],
    label: impl Fn(Set) -> String,
) -> Result<()> {
    let epochs = lines.iter().flat_map(|line| line.sft.iter().map(|(epochs, _)| *epochs));
    let epochs: Vec<f64> = epochs.sorted().dedup().map(|epochs| epochs.max(1) as f64).collect();
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
    for (index, line) in lines.iter().enumerate() {
        let color = set_style(line.set, Prompts::Train).1;
        panel.line(line.sft.iter().map(|(epochs, found)| (*epochs as f64, found.value)), color, 3)?;
        for (epochs, found) in &line.sft {
            panel.estimate(*epochs as f64, found, color)?;
        }
        if let Some(rl) = &line.rl {
            let x = center + (index as i32 * 2 - (lines.len() as i32 - 1)) * 9;
            let [low, value, high] = [rl.low, rl.value, rl.high].map(|rate| panel.at(last, rate).1);
            panel.mark(ErrorBar::new_vertical(x, low, value, high, color.stroke_width(2), 9))?;
            panel.diamond((x, value), 7, color)?;
        }
        let end = line.rl.as_ref().or(line.sft.last().map(|(_, found)| found));
        ends.extend(end.map(|end| (label(line.set), end.value, color)));
    }
    panel.end_labels(&ends, 90)
}

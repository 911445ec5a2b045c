//! Finding 3: over-fitting. Left: how the gap between training prompts and unseen problems grows
//! with SFT epochs, RL from the base beside it. Right: the pass rates behind the gaps.

use std::ops::Range;

use plotters::prelude::*;

use super::by_set::RATE;
use super::panel::{Area, panel, percent};
use super::style::{SOFT_INK, arm_style, set_style};
use super::{Evidence, Series};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Quantity, stage_number};
use crate::study::Prompts;

const SFT: &str = "sft-more";
const RL: &str = "rl-base";
const TRAIN: Set = Set::CompositeATrain;
/// Where the gap goes to, and what it is called.
const TEST: [(Set, &str); 2] =
    [(Set::CompositeB, "to B: target"), (Set::CompositeAHeldOut, "to A: new chains")];

/// The horizontal axis: epochs of SFT, logarithmic, and to their right a strip for RL from the base.
struct Epochs<'a> {
    /// Number and name of every evaluated stage.
    stages: Vec<(f64, &'a str)>,
}

impl Epochs<'_> {
    /// 0 is the first epoch and 1 the last.
    fn at(&self, share: f64) -> f64 {
        let first = self.stages.first().map_or(1.0, |(epoch, _)| *epoch);
        let last = self.stages.last().map_or(2.0, |(epoch, _)| epoch.max(first + 1.0));
        first * (last / first).powf(share)
    }

    /// `quantity` of a cell, at every evaluation of SFT; and at the end of RL, in the strip, where it
    /// stands `aside` from the middle.
    fn lines(
        &self,
        evidence: &Evidence,
        (set, label, aside): (Set, &str, f64),
        quantity: impl Fn(Cell) -> Quantity,
    ) -> Result<[Series; 2]> {
        let style = (label.to_owned(), set_style(set, Prompts::Train).1);
        let at_stage = |(epoch, stage): &(f64, &str)| {
            (*epoch, quantity(Cell { stage: (*stage).to_owned(), ..Cell::at_end(SFT, set) }))
        };
        let sft = evidence.series(style.clone(), self.stages.iter().map(at_stage))?;
        let rl = [(self.at(RL_AT + aside), quantity(Cell::at_end(RL, set)))];
        Ok([sft, evidence.series(style, rl)?])
    }
}

/// The middle of the strip, and half its width.
const RL_AT: f64 = 1.22;
const RL_HALF: f64 = 0.12;

/// Draws both panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let stages = evidence.scores.stages(SFT).into_iter();
    let stages = stages.map(|stage| (stage_number(stage) as f64, stage)).filter(|(epoch, _)| *epoch > 0.0);
    let epochs = Epochs { stages: stages.collect() };
    let gap = |(set, label), aside| {
        epochs.lines(evidence, (set, label, aside), |cell| Quantity::gap(&cell, TRAIN, set))
    };
    let gaps = [gap(TEST[0], -0.04)?, gap(TEST[1], 0.04)?].concat();
    let rate = |set, aside| {
        let label = set_style(set, Prompts::Train).0.join(": ");
        epochs.lines(evidence, (set, &label, aside), Quantity::Rate)
    };
    let rates = [rate(TRAIN, -0.06)?, rate(TEST[0].0, 0.0)?, rate(TEST[1].0, 0.06)?].concat();
    let title = "Finding 3: over-fitting of SFT, and RL without SFT";
    let room = evidence.page(area, title, "sampled at temperature 1", &[&gaps, &rates])?;
    let (left, right) = room.split_horizontally(50.percent_width());

    let found = || gaps.iter().flat_map(|line| &line.points);
    let low = found().map(|point| point.low).fold(0.0, f64::min);
    let high = found().map(|point| point.high).fold(0.1, f64::max);
    let title = ["Generalization gap: trained on minus unseen", "gap in pass rate (percentage points)"];
    draw_lines(&left, title, low * 1.1..(high * 1.1).min(1.0), &epochs, &gaps)?;
    draw_lines(&right, ["The pass rates behind it", RATE], 0.0..1.0, &epochs, &rates)
}

fn draw_lines(
    area: &Area<'_>,
    [title, y_title]: [&str; 2],
    y: Range<f64>,
    epochs: &Epochs,
    lines: &[Series],
) -> Result<()> {
    let (from, to) = (epochs.at(RL_AT - RL_HALF), epochs.at(RL_AT + RL_HALF));
    let strip = [(from, y.start), (to, y.end)];
    let mut panel = panel(area, title, [50, 146, 54, 86], ((epochs.at(-0.05)..to).log_scale(), y))?;
    panel.draw(Rectangle::new(strip, arm_style(RL).1.mix(0.08).filled()))?;
    panel.y_axis(y_title, 6, percent)?;
    panel.level(0.0, SOFT_INK, 1)?;
    let mut free_from = i32::MIN;
    for (epoch, _) in &epochs.stages {
        // Labels of close epochs would touch: only the first of them is written.
        let x = panel.at(*epoch, 1.0).0;
        if x >= free_from {
            panel.x_tick(*epoch, &[&epoch.to_string()])?;
            free_from = x + 26;
        }
    }
    panel.x_tick(epochs.at(RL_AT), &["RL from", "the base"])?;
    panel.x_title("SFT epochs (log scale)")?;
    lines.iter().try_for_each(|line| panel.estimates(line))?;
    // Named where RL ends or, without RL, SFT.
    let ends = lines.chunks(2).flat_map(|both| both.iter().rev().find(|line| !line.points.is_empty()));
    panel.end_labels(ends, 14)
}

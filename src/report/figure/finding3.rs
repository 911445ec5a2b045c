//! Finding 3: over-fitting. Left: how the gap between training prompts and unseen problems grows
//! with SFT, RL from the base beside it. Right: the pass rates behind the gaps.

use std::ops::Range;

use itertools::Itertools;
use plotters::prelude::*;

use super::by_set::RATE;
use super::panel::{Area, panel, percent};
use super::style::{SOFT_INK, arm_style, set_style};
use super::{Evidence, Series};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Quantity, stage_number};
use crate::study::{FINAL_STAGE, Prompts};

/// One after the other.
const SFT: [&str; 2] = ["sft-start", "sft-more"];
const RL: &str = "rl-base";
const TRAIN: Set = Set::CompositeATrain;
/// Where the gap goes to, and what it is called.
const TEST: [(Set, &str); 2] =
    [(Set::CompositeB, "to B: target"), (Set::CompositeAHeldOut, "to A: new chains")];

/// The strip for RL from the base, to the right of SFT's steps, which are spread over 0..1 by their
/// logarithm: its middle and half its width.
const STRIP: (f64, f64) = (1.22, 0.12);

/// A place on the horizontal axis, and what stands there of SFT: steps, arm and stage.
type Tick<'a> = (f64, u64, &'a str, &'a str);

/// Draws both panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let (mut stages, mut before) = (Vec::new(), 0);
    for arm in SFT {
        let trained = evidence.steps(arm)?;
        let steps = |stage| if stage == FINAL_STAGE { before + trained } else { stage_number(stage) };
        stages.extend(evidence.scores.stages(arm).into_iter().map(|stage| (steps(stage), arm, stage)));
        before += trained;
    }
    stages.retain(|(steps, ..)| *steps > 0);
    let first = stages.first().map_or(1, |(steps, ..)| *steps);
    let last = stages.last().map_or(2, |(steps, ..)| (*steps).max(first + 1));
    let place = |steps: u64| (steps as f64 / first as f64).log(last as f64 / first as f64);
    let ticks: Vec<Tick> =
        stages.iter().map(|(steps, arm, stage)| (place(*steps), *steps, *arm, *stage)).collect();
    // At every evaluation of SFT; and at the end of RL, `aside` from the middle of the strip.
    let lines = |set, label: &str, aside: f64, quantity: &dyn Fn(Cell) -> Quantity| {
        let style = (label.to_owned(), set_style(set, Prompts::Train).1);
        let at_end = |arm| Cell::at_end(arm, set);
        let sft =
            ticks.iter().map(|(x, _, arm, stage)| (*x, Cell { stage: (*stage).to_owned(), ..at_end(arm) }));
        let sft = evidence.series(style.clone(), sft.map(|(x, cell)| (x, quantity(cell))))?;
        Ok([sft, evidence.series(style, [(STRIP.0 + aside, quantity(at_end(RL)))])?])
    };
    let gap = |(set, label), aside| lines(set, label, aside, &|cell| Quantity::gap(&cell, TRAIN, set));
    let rate = |set, aside| -> Result<[Series; 2]> {
        lines(set, &set_style(set, Prompts::Train).0.join(": "), aside, &Quantity::Rate)
    };
    let gaps = [gap(TEST[0], -0.04)?, gap(TEST[1], 0.04)?].concat();
    let rates = [rate(TRAIN, -0.06)?, rate(TEST[0].0, 0.0)?, rate(TEST[1].0, 0.06)?].concat();
    let path = stages.iter().map(|(_, arm, stage)| evidence.in_target(arm, stage));
    let path = path.flatten_ok().collect::<Result<Vec<f64>>>()?;
    let best = path.iter().copied().reduce(f64::max);
    let title = match (best, path.last(), evidence.in_target(RL, FINAL_STAGE)?) {
        (Some(best), Some(&end), Some(rl)) => format!(
            "Finding 3: SFT goes from {}% to {}% of the target domain, RL alone to {}%",
            percent(best),
            percent(end),
            percent(rl)
        ),
        _ => "Finding 3: over-fitting of SFT, and RL without SFT".to_owned(),
    };
    let room = evidence.page(area, &title, "sampled at temperature 1", &[&gaps, &rates])?;
    let (left, right) = room.split_horizontally(50.percent_width());

    let found = || gaps.iter().flat_map(|line| &line.points);
    let low = found().map(|point| point.low).fold(0.0, f64::min);
    let high = found().map(|point| point.high).fold(0.1, f64::max);
    let title = ["Generalization gap: trained on minus unseen", "gap in pass rate (percentage points)"];
    draw_lines(&left, title, low * 1.1..(high * 1.1).min(1.0), &ticks, &gaps)?;
    draw_lines(&right, ["The pass rates behind it", RATE], 0.0..1.0, &ticks, &rates)
}

fn draw_lines(
    area: &Area<'_>,
    [title, y_title]: [&str; 2],
    y: Range<f64>,
    ticks: &[Tick],
    lines: &[Series],
) -> Result<()> {
    let (middle, half) = STRIP;
    let strip = [(middle - half, y.start), (middle + half, y.end)];
    let mut panel = panel(area, title, [50, 146, 54, 86], (-0.05..middle + half, y))?;
    panel.draw(Rectangle::new(strip, arm_style(RL).1.mix(0.08).filled()))?;
    panel.y_axis(y_title, 6, percent)?;
    panel.level(0.0, SOFT_INK, 1)?;
    let mut free_from = f64::NEG_INFINITY;
    for (x, steps, ..) in ticks {
        // Labels of steps close together would touch: only the first of them is written.
        if *x >= free_from {
            panel.x_tick(*x, &[&steps.to_string()])?;
            free_from = x + 0.12;
        }
    }
    panel.x_tick(middle, &["RL from", "the base"])?;
    panel.x_title("SFT steps (log scale)")?;
    lines.iter().try_for_each(|line| panel.estimates(line))?;
    // Named where RL ends or, without RL, SFT.
    let ends = lines.chunks(2).flat_map(|both| both.iter().rev().find(|line| !line.points.is_empty()));
    panel.end_labels(ends, 14)
}

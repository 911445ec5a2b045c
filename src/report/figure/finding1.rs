//! Finding 1: what SFT has to see. Left: pass rate by arm and set. Right: how it grows with the
//! number of composites in the mix.

use itertools::Itertools;
use plotters::prelude::*;

use super::panel::{Area, page, panel, percent};
use super::style::{self, LABEL, SOFT_INK, arm_style, dark, set_style, tint};
use super::{Evidence, Series, nothing_run, seeds_text};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Decode, Quantity};
use crate::study::Prompts;

const ARMS: [&str; 4] = ["base", "sft-atoms", "sft-composites", "sft-mix-64"];
const SETS: [Set; 5] =
    [Set::AtomBase, Set::CompositeATrain, Set::CompositeAHeldOut, Set::CompositeC, Set::CompositeB];
/// Composites beside the atoms, and the arm that saw them.
const SWEEP: [(u32, &str); 5] =
    [(0, "sft-atoms"), (4, "sft-mix-4"), (16, "sft-mix-16"), (64, "sft-mix-64"), (256, "sft-mix-256")];
const SWEEP_SETS: [Set; 4] = [Set::AtomBase, Set::CompositeAHeldOut, Set::CompositeC, Set::CompositeB];

/// Draws both panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let of_arm = |arm: &&str, decode| {
        let rate = |set| Quantity::Rate(Cell { decode, ..Cell::at_end(arm, set) });
        evidence.series(arm_style(arm), SETS.into_iter().enumerate().map(|(at, set)| (at as f64, rate(set))))
    };
    let both = |arm| Ok((of_arm(arm, Decode::Sampled)?, of_arm(arm, Decode::Greedy)?));
    let mut arms: Vec<(Series, Series)> = ARMS.iter().map(both).collect::<Result<_>>()?;
    arms.retain(|(sampled, _)| !sampled.points.is_empty());
    let of_set = |set: Set| {
        let ([what, new], color) = set_style(set, Prompts::Train);
        let label = if set == Set::AtomBase { what.to_owned() } else { format!("{what}: {new}") };
        let rate = |(count, arm)| (sweep_position(count), Quantity::Rate(Cell::at_end(arm, set)));
        evidence.series((label, color), SWEEP.map(rate))
    };
    let mut sweep: Vec<Series> = SWEEP_SETS.into_iter().map(of_set).collect::<Result<_>>()?;
    sweep.retain(|line| !line.points.is_empty());
    if arms.is_empty() && sweep.is_empty() {
        return Err(nothing_run(1));
    }
    let subtitle =
        format!("{}; equal numbers of SFT steps", seeds_text(arms.iter().flat_map(|arm| arm.0.intervals())));
    let title = "Finding 1: what SFT has to see to compose functions";
    let room = page(area, title, &subtitle, &evidence.source)?;
    let (left, right) = room.split_horizontally(62.percent_width());
    draw_bars(&left, &arms)?;
    draw_sweep(&right, &sweep)
}

/// A bar an arm and set, and a diamond for its greedy answers.
fn draw_bars(area: &Area<'_>, arms: &[(Series, Series)]) -> Result<()> {
    let axes = (0.0..SETS.len() as f64, 0.0..1.0);
    let mut panel = panel(area, "Pass rate by training data and problem set", [84, 24, 54, 86], axes)?;
    panel.y_axis("pass rate, temperature 1 (%)", 6, percent)?;
    let key = arms.iter().map(|(arm, _)| (arm.label.clone(), arm.color));
    panel.key(&key.sorted_by_key(|(label, _)| label.len() > 24).collect_vec(), 42)?;
    let share = 0.8 / arms.len().max(1) as f64;
    for (place, (sampled, greedy)) in arms.iter().enumerate() {
        let color = sampled.color;
        for (column, found) in &sampled.points {
            let left = column + 0.1 + share * place as f64;
            let (left, right) = (left + 0.01, left + share - 0.01);
            panel.draw(Rectangle::new([(left, 0.0), (right, found.value)], tint(color, 0.75).filled()))?;
            let middle = (left + right) / 2.0;
            panel.interval(middle, (found.low, found.high), dark(color))?;
            if let Some(greedy) = greedy.at(*column) {
                panel.diamond(panel.at(middle, greedy.value), 5, dark(color))?;
            }
        }
    }
    panel.level(0.0, SOFT_INK, 1)?;
    for (column, set) in SETS.into_iter().enumerate() {
        panel.x_tick(column as f64 + 0.5, &set_style(set, Prompts::Train).0)?;
    }
    if arms.iter().any(|(_, greedy)| !greedy.points.is_empty()) {
        let at = (panel.size.0 - 140, -68);
        panel.diamond(at, 5, SOFT_INK)?;
        panel.text("greedy decoding", (at.0 + 12, at.1), &style::ink(LABEL, SOFT_INK))?;
    }
    Ok(())
}

/// 0 at 0, then one unit for each factor of four from 4 on.
fn sweep_position(composites: u32) -> f64 {
    if composites == 0 { 0.0 } else { f64::from(composites).log(4.0) }
}

fn draw_sweep(area: &Area<'_>, sweep: &[Series]) -> Result<()> {
    let mut panel = panel(area, "How many composites are enough?", [84, 146, 54, 72], (-0.3..4.2, 0.0..1.0))?;
    panel.y_axis("pass rate, temperature 1 (%)", 6, percent)?;
    panel.level(0.0, SOFT_INK, 1)?;
    for (count, _) in SWEEP {
        panel.x_tick(sweep_position(count), &[&count.to_string()])?;
    }
    panel.x_title("composites beside the atoms")?;
    for (index, line) in sweep.iter().enumerate() {
        // A few pixels to the side, so that intervals at one x do not hide each other.
        let shift = (index as f64 - (sweep.len() as f64 - 1.0) / 2.0) * 0.07;
        panel.estimates(line, |x| x + shift)?;
    }
    let end = |line: &Series| Some((line.label.clone(), line.points.last()?.1.value, line.color));
    panel.end_labels(&sweep.iter().filter_map(end).collect_vec(), 8)
}

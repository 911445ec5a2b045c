//! Finding 1: what SFT has to see. Left: pass rate by arm and set. Right: how it grows with the
//! number of composites in the mix.

use itertools::Itertools;
use plotters::prelude::*;

use super::panel::{Area, page, panel, percent};
use super::style::{self, LABEL, SOFT_INK, arm_style, dark, set_style, tint};
use super::{Evidence, nothing_run, seeds_text};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Decode, Interval};
use crate::study::Prompts;

const ARMS: [&str; 4] = ["base", "sft-atoms", "sft-composites", "sft-mix-64"];
const SETS: [Set; 5] =
    [Set::AtomBase, Set::CompositeATrain, Set::CompositeAHeldOut, Set::CompositeC, Set::CompositeB];
/// Composites beside the atoms, and the arm that saw them.
const SWEEP: [(u32, &str); 5] =
    [(0, "sft-atoms"), (4, "sft-mix-4"), (16, "sft-mix-16"), (64, "sft-mix-64"), (256, "sft-mix-256")];
const SWEEP_SETS: [Set; 4] = [Set::AtomBase, Set::CompositeAHeldOut, Set::CompositeC, Set::CompositeB];

/// One arm on one set.
struct Bar {
    arm: &'static str,
    column: usize,
    sampled: Interval,
    greedy: Option<Interval>,
}

/// One set: number of composites, pass rate.
type SweepLine = (Set, Vec<(u32, Interval)>);

/// Draws both panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let mut bars = Vec::new();
    for (arm, (column, set)) in ARMS.into_iter().cartesian_product(SETS.into_iter().enumerate()) {
        let cell = Cell::at_end(arm, set);
        if let Some(sampled) = evidence.rate(cell.clone())? {
            let greedy = evidence.rate(Cell { decode: Decode::Greedy, ..cell })?;
            bars.push(Bar { arm, column, sampled, greedy });
        }
    }
    let mut sweep: Vec<SweepLine> = SWEEP_SETS.map(|set| (set, Vec::new())).to_vec();
    for (set, points) in &mut sweep {
        for (count, arm) in SWEEP {
            points.extend(evidence.rate(Cell::at_end(arm, *set))?.map(|found| (count, found)));
        }
    }
    sweep.retain(|(_, points)| !points.is_empty());
    if bars.is_empty() && sweep.is_empty() {
        return Err(nothing_run(1));
    }
    let seeds = seeds_text(bars.iter().map(|bar| &bar.sampled));
    let subtitle = format!("{seeds}; equal numbers of SFT steps");
    let room =
        page(area, "Finding 1: what SFT has to see to compose functions", &subtitle, &evidence.source)?;
    let (left, right) = room.split_horizontally(62.percent_width());
    draw_bars(&left, &bars)?;
    draw_sweep(&right, &sweep)
}

fn draw_bars(area: &Area<'_>, bars: &[Bar]) -> Result<()> {
    let axes = (0.0..SETS.len() as f64, 0.0..1.0);
    let mut panel = panel(area, "Pass rate by training data and problem set", [84, 24, 54, 86], axes)?;
    panel.y_axis("pass rate, temperature 1 (%)", 6, percent)?;
    let arms: Vec<&str> = bars.iter().map(|bar| bar.arm).dedup().collect();
    let key = arms.iter().map(|arm| arm_style(arm)).sorted_by_key(|(label, _)| label.len() > 24);
    panel.key(&key.collect_vec(), 42)?;
    let share = 0.8 / arms.len().max(1) as f64;
    for bar in bars {
        let place = arms.iter().position(|arm| *arm == bar.arm).unwrap_or(0);
        let left = bar.column as f64 + 0.1 + share * place as f64;
        let (left, right) = (left + 0.01, left + share - 0.01);
        let color = arm_style(bar.arm).1;
        panel.draw(Rectangle::new([(left, 0.0), (right, bar.sampled.value)], tint(color, 0.75).filled()))?;
        let middle = (left + right) / 2.0;
        panel.interval(middle, (bar.sampled.low, bar.sampled.high), dark(color))?;
        if let Some(greedy) = &bar.greedy {
            panel.diamond(panel.at(middle, greedy.value), 5, dark(color))?;
        }
    }
    panel.level(0.0, SOFT_INK, 1)?;
    for (column, set) in SETS.into_iter().enumerate() {
        panel.x_tick(column as f64 + 0.5, &set_style(set, Prompts::Train).0)?;
    }
    if bars.iter().any(|bar| bar.greedy.is_some()) {
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

fn draw_sweep(area: &Area<'_>, sweep: &[SweepLine]) -> Result<()> {
    let mut panel = panel(area, "How many composites are enough?", [84, 146, 54, 72], (-0.3..4.2, 0.0..1.0))?;
    panel.y_axis("pass rate, temperature 1 (%)", 6, percent)?;
    panel.level(0.0, SOFT_INK, 1)?;
    for (count, _) in SWEEP {
        panel.x_tick(sweep_position(count), &[&count.to_string()])?;
    }
    panel.x_title("composites beside the atoms")?;
    let mut ends = Vec::new();
    for (index, (set, points)) in sweep.iter().enumerate() {
        let ([what, new], color) = set_style(*set, Prompts::Train);
        // A few pixels to the side, so that intervals at one x do not hide each other.
        let shift = (index as f64 - (sweep.len() as f64 - 1.0) / 2.0) * 0.07;
        let at = |count: u32| sweep_position(count) + shift;
        panel.line(points.iter().map(|(count, found)| (at(*count), found.value)), color, 3)?;
        for (count, found) in points {
            panel.estimate(at(*count), found, color)?;
        }
        let label = if *set == Set::AtomBase { what.to_owned() } else { format!("{what}: {new}") };
        ends.extend(points.last().map(|(_, found)| (label, found.value, color)));
    }
    panel.end_labels(&ends, 8)
}

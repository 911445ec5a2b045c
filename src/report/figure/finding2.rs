//! Finding 2: what RL adds to SFT. Left: before and after, against SFT continued for as many
//! samples. Right: reward and distance from the start while RL runs.

use itertools::Itertools;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;

use super::panel::{Area, page, panel, percent};
use super::style::{self, GRID, LABEL, SOFT_INK, arm_style, set_style, tint};
use super::{Evidence, Series, nothing_run, seeds_text};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, CurvePoint, Quantity, curve};
use crate::study::Prompts;

/// The first is the start of the others.
const ARMS: [&str; 5] = ["sft-start", "sft-more", "rl-shuffled", "rl-format", "sft-rl"];
const SETS: [(Set, Prompts); 5] = [
    (Set::CompositeATrain, Prompts::Train),
    (Set::CompositeATrain, Prompts::HeldOut),
    (Set::CompositeAHeldOut, Prompts::Train),
    (Set::CompositeC, Prompts::Train),
    (Set::CompositeB, Prompts::Train),
];
const CURVES: [&str; 4] = ["sft-rl", "rl-base", "rl-shuffled", "rl-format"];
/// Steps of the running mean that the curves are smoothed with.
const SMOOTHING: usize = 10;

/// An arm and what it logged.
type Curve = (&'static str, Vec<CurvePoint>);

/// Draws the three panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let of_arm = |arm| {
        let rate = |(set, prompts)| Quantity::Rate(Cell { prompts, ..Cell::at_end(arm, set) });
        let rates = SETS.into_iter().enumerate().map(|(column, of)| (column as f64, rate(of)));
        evidence.series(arm_style(arm), rates)
    };
    let mut arms: Vec<Series> = ARMS.into_iter().map(of_arm).collect::<Result<_>>()?;
    arms.retain(|arm| !arm.points.is_empty());
    let logged = |name: &str| -> Result<Vec<Curve>> {
        let of_arm = |arm| Ok((arm, curve(&evidence.metrics, arm, "rl", name, SMOOTHING)?));
        CURVES.into_iter().map(of_arm).filter_ok(|(_, points)| !points.is_empty()).collect()
    };
    let (rewards, kls) = (logged("reward_mean")?, logged("kl_to_reference")?);
    if arms.is_empty() && rewards.is_empty() {
        return Err(nothing_run(2));
    }
    let subtitle = format!(
        "{}; RL and continued SFT start from the same model",
        seeds_text(arms.iter().flat_map(Series::intervals))
    );
    let room = page(area, "Finding 2: what RL on the same prompts adds to SFT", &subtitle, &evidence.source)?;
    let (left, right) = room.split_horizontally(55.percent_width());
    draw_rates(&left, &arms)?;

    let several = rewards.iter().flat_map(|(_, points)| points).any(|point| point.n_seeds > 1);
    let bands = if several { "; bands: lowest to highest seed" } else { "; 1 seed" };
    let note = format!("running mean of {SMOOTHING} steps{bands}");
    right.draw_text(&note, &style::ink(LABEL, SOFT_INK), (40, 42))?;
    let (above, below) = right.split_vertically(59.percent_height());
    draw_curves(&above, "While RL runs", [84, 170, 10, 100], &rewards, "mean reward")?;
    draw_curves(&below, "", [10, 170, 54, 100], &kls, "KL (nats/token)")
}

/// A dot an arm and set, each linked to the first arm's.
fn draw_rates(area: &Area<'_>, arms: &[Series]) -> Result<()> {
    let axes = (0.0..SETS.len() as f64, 0.0..1.0);
    let mut panel = panel(area, "Pass rate before and after, by problem set", [84, 20, 54, 86], axes)?;
    panel.y_axis("pass rate, temperature 1 (%)", 6, percent)?;
    panel.key(&arms.iter().map(|arm| (arm.label.clone(), arm.color)).collect_vec(), 42)?;
    panel.level(0.0, SOFT_INK, 1)?;
    for (column, (set, prompts)) in SETS.into_iter().enumerate() {
        panel.line([(column as f64, 0.0), (column as f64, 1.0)], GRID, 1)?;
        panel.x_tick(column as f64 + 0.5, &set_style(set, prompts).0)?;
    }
    let gap = 0.66 / (arms.len().max(2) - 1) as f64;
    let Some(first) = arms.first() else { return Ok(()) };
    for (index, arm) in arms.iter().enumerate().skip(1) {
        for (column, end) in &arm.points {
            if let Some(start) = first.at(*column) {
                let link = [(column + 0.17, start.value), (column + 0.17 + gap * index as f64, end.value)];
                panel.line(link, tint(arm.color, 0.55), 2)?;
            }
        }
    }
    for (index, arm) in arms.iter().enumerate() {
        for (column, found) in &arm.points {
            panel.estimate(column + 0.17 + gap * index as f64, found, arm.color)?;
        }
    }
    Ok(())
}

/// Curves over RL steps. The upper panel has the title and the arms' names, the lower one the axis.
fn draw_curves(
    area: &Area<'_>,
    title: &str,
    around: [u32; 4],
    curves: &[Curve],
    y_title: &str,
) -> Result<()> {
    let all = || curves.iter().flat_map(|(_, points)| points);
    let last = all().map(|point| point.step).fold(0.0, f64::max) + 1.0;
    let high = all().map(|point| point.high).fold(0.001, f64::max);
    let low = all().map(|point| point.low).fold(0.0, f64::min);
    let named = !title.is_empty();
    let mut panel = panel(area, title, around, (0.0..last, low * 1.08..high * 1.08))?;
    panel.y_axis(y_title, if named { 6 } else { 4 }, |value| format!("{}", (value * 1e6).round() / 1e6))?;
    panel.level(0.0, SOFT_INK, 1)?;
    let mut ends = Vec::new();
    for (arm, points) in curves {
        let (label, color) = arm_style(arm);
        if points.iter().any(|point| point.n_seeds > 1) {
            let upper = points.iter().map(|point| (point.step, point.high));
            let lower = points.iter().rev().map(|point| (point.step, point.low));
            panel.draw(Polygon::new(upper.chain(lower).collect_vec(), color.mix(0.18).filled()))?;
        }
        panel.line(points.iter().map(|point| (point.step, point.mean)), color, 3)?;
        if let Some(end) = points.last() {
            // Lines that end early keep a thin link to their label.
            panel.line([(end.step, end.mean), (last, end.mean)], tint(color, 0.35), 1)?;
            ends.push((label, end.mean, color));
        }
    }
    if named {
        return panel.end_labels(&ends, 16);
    }
    for step in panel.chart.as_coord_spec().x_spec().key_points(6) {
        panel.x_tick(step, &[&format!("{step:.0}")])?;
    }
    panel.x_title("RL step")
}

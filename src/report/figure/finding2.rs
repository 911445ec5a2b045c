//! Finding 2: what RL adds to SFT. Left: before and after, against SFT continued for as many
//! samples. Right: reward and distance from the start while RL runs.

use itertools::Itertools;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;

use super::panel::{Area, page, panel, percent};
use super::style::{self, GRID, LABEL, SOFT_INK, arm_style, set_style, tint};
use super::{Evidence, nothing_run, seeds_text};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, CurvePoint, Interval, curve};
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

/// An arm and its pass rate on each of [`SETS`].
type ArmRates = (&'static str, Vec<Option<Interval>>);
/// An arm and what it logged.
type Curve = (&'static str, Vec<CurvePoint>);

/// Draws the three panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let rates = |arm| {
        let rate = |(set, prompts)| evidence.rate(Cell { prompts, ..Cell::at_end(arm, set) });
        Ok((arm, SETS.into_iter().map(rate).collect::<Result<_>>()?))
    };
    let mut arms: Vec<ArmRates> = ARMS.into_iter().map(rates).collect::<Result<_>>()?;
    arms.retain(|(_, rates)| rates.iter().any(Option::is_some));
    let logged = |name: &str| -> Result<Vec<Curve>> {
        let of_arm = |arm| Ok((arm, curve(&evidence.metrics, arm, "rl", name, SMOOTHING)?));
        CURVES.into_iter().map(of_arm).filter_ok(|(_, points)| !points.is_empty()).collect()
    };
    let (rewards, kls) = (logged("reward_mean")?, logged("kl_to_reference")?);
    if arms.is_empty() && rewards.is_empty() {
        return Err(nothing_run(2));
    }
    let seeds = seeds_text(arms.iter().flat_map(|(_, rates)| rates.iter().flatten()));
    let subtitle = format!("{seeds}; RL and continued SFT start from the same model");
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

fn draw_rates(area: &Area<'_>, arms: &[ArmRates]) -> Result<()> {
    let axes = (0.0..SETS.len() as f64, 0.0..1.0);
    let mut panel = panel(area, "Pass rate before and after, by problem set", [84, 20, 54, 86], axes)?;
    panel.y_axis("pass rate, temperature 1 (%)", 6, percent)?;
    panel.key(&arms.iter().map(|(arm, _)| arm_style(arm)).collect_vec(), 42)?;
    panel.level(0.0, SOFT_INK, 1)?;
    let gap = 0.66 / (arms.len().max(2) - 1) as f64;
    for (column, (set, prompts)) in SETS.into_iter().enumerate() {
        let edge = column as f64;
        panel.line([(edge, 0.0), (edge, 1.0)], GRID, 1)?;
        panel.x_tick(edge + 0.5, &set_style(set, prompts).0)?;
        let at = |index: usize| edge + 0.17 + gap * index as f64;
        let start = arms.first().and_then(|(_, rates)| rates[column]);
        for (index, (arm, rates)) in arms.iter().enumerate().skip(1) {
            if let (Some(start), Some(end)) = (start, rates[column]) {
                let link = [(at(0), start.value), (at(index), end.value)];
                panel.line(link, tint(arm_style(arm).1, 0.55), 2)?;
            }
        }
        for (index, (arm, rates)) in arms.iter().enumerate() {
            if let Some(found) = &rates[column] {
                panel.estimate(at(index), found, arm_style(arm).1)?;
            }
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
    let last = all().map(|point| point.step).max().unwrap_or(0) as f64 + 1.0;
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
            let upper = points.iter().map(|point| (point.step as f64, point.high));
            let lower = points.iter().rev().map(|point| (point.step as f64, point.low));
            panel.draw(Polygon::new(upper.chain(lower).collect_vec(), color.mix(0.18).filled()))?;
        }
        panel.line(points.iter().map(|point| (point.step as f64, point.mean)), color, 3)?;
        if let Some(end) = points.last() {
            // Lines that end early keep a thin link to their label.
            panel.line([(end.step as f64, end.mean), (last, end.mean)], tint(color, 0.35), 1)?;
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

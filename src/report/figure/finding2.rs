//! Finding 2: what RL adds to SFT. Left: before and after, against SFT continued for as many
//! samples. Right: reward and distance from the start while RL runs.

use itertools::Itertools;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;

use super::by_set::draw_by_set;
use super::panel::{Area, panel, percent};
use super::style::{SOFT_INK, arm_style};
use super::{Evidence, Series};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Decode, curve};
use crate::study::{FINAL_STAGE, Prompts};

/// The first is the start of the others.
const ARMS: [&str; 5] = ["sft-start", "sft-more", "sft-tuned", "rl-shuffled", "sft-rl"];
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

/// Draws the three panels. What was not run is left out; an error where none of it was.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let rates = evidence.by_set(&ARMS, &SETS, Decode::Sampled)?;
    let logged = |name: &str| -> Result<Vec<Series>> {
        let of_arm = |arm| {
            let (label, color) = arm_style(arm);
            Ok(Series { label, color, points: curve(&evidence.metrics, arm, "rl", name, SMOOTHING)? })
        };
        CURVES.into_iter().map(of_arm).filter_ok(|curve| !curve.points.is_empty()).collect()
    };
    let (rewards, kls) = (logged("reward_mean")?, logged("kl_to_reference")?);
    let in_target = |arm: &str| evidence.in_target(arm, FINAL_STAGE);
    let title = match [in_target("sft-start")?, in_target("sft-tuned")?, in_target("sft-rl")?] {
        [Some(start), Some(tuned), Some(rl)] => format!(
            "Finding 2: RL takes the target domain from {}% to {}%, tuned SFT to {}%",
            percent(start),
            percent(rl),
            percent(tuned)
        ),
        _ => "Finding 2: what RL on the same prompts adds to SFT".to_owned(),
    };
    let note = format!("curves: running mean of {SMOOTHING} steps, bands from seed to seed");
    let (left, right) =
        evidence.page(area, &title, &note, &[&rates, &rewards])?.split_horizontally(55.percent_width());
    draw_by_set(&left, "Pass rate at the common start and after, by problem set", &SETS, &rates, &[])?;
    let (above, below) = right.split_vertically(50.percent_height());
    draw_curves(&above, ["Reward while RL runs", "mean reward"], &rewards)?;
    draw_curves(&below, ["Distance from the start of RL", "KL (nats/token)"], &kls)
}

/// Curves over RL steps; bands from the lowest seed to the highest.
fn draw_curves(area: &Area<'_>, [title, y_title]: [&str; 2], curves: &[Series]) -> Result<()> {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let last = all().map(|point| point.x).fold(0.0, f64::max) + 1.0;
    let high = all().map(|point| point.high).fold(0.001, f64::max);
    let low = all().map(|point| point.low).fold(0.0, f64::min);
    let mut panel = panel(area, title, [42, 170, 54, 100], (0.0..last, low * 1.08..high * 1.08))?;
    panel.y_axis(y_title, 7, |value| format!("{}", (value * 1e6).round() / 1e6))?;
    panel.level(0.0, SOFT_INK, 1)?;
    for step in panel.chart.as_coord_spec().x_spec().key_points(6) {
        panel.x_tick(step, &[&format!("{step:.0}")])?;
    }
    panel.x_title("RL step")?;
    for Series { color, points, .. } in curves {
        if points.iter().any(|point| point.n_seeds > 1) {
            let upper = points.iter().map(|point| (point.x, point.high));
            let lower = points.iter().rev().map(|point| (point.x, point.low));
            panel.draw(Polygon::new(upper.chain(lower).collect_vec(), color.mix(0.18).filled()))?;
        }
        panel.line(points.iter().map(|point| (point.x, point.value)), *color, 3)?;
    }
    panel.end_labels(curves, 16)
}

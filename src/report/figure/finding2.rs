//! Finding 2: what RL adds to SFT. Left: before and after, against SFT continued for as many
//! samples. Right: reward and distance from the start while RL runs.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};
use polars::prelude::DataFrame;

use super::canvas::{Canvas, Ink, Panel, percent, ticks};
use super::{seeds_text, style};
use crate::base::error::{Error, Result};
use crate::data::problem::Set;
use crate::report::frame::{Bootstrap, Cell, CurvePoint, Decode, Estimate, Quantity, Scores, curve};
use crate::study::store::{FINAL_STAGE, Prompts};

/// One arm's sampled pass rates, one a set; `None` where nothing was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmPoints {
    pub arm: String,
    pub points: Vec<Option<Estimate>>,
}

/// What one arm logged while RL ran.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardCurve {
    pub arm: String,
    /// Mean reward of the rollouts of a step, smoothed.
    pub reward: Vec<CurvePoint>,
    /// KL divergence to the frozen start, in nats a token.
    pub kl: Vec<CurvePoint>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Finding2 {
    pub sets: Vec<(Set, Prompts)>,
    /// The first is the start of the others.
    pub arms: Vec<ArmPoints>,
    pub curves: Vec<RewardCurve>,
}

impl Finding2 {
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
    pub const SMOOTHING: usize = 10;

    /// From frames made by [`crate::report::frame::outcomes`] and [`crate::report::frame::metrics`]. What was not
    /// run is left out; an error where none of it was.
    pub fn from_frames(outcomes: &DataFrame, metrics: &DataFrame, bootstrap: &Bootstrap) -> Result<Finding2> {
        let scores = Scores::new(outcomes)?;
        let rate = |arm: &str, (set, prompts): (Set, Prompts)| {
            let (arm, stage) = (arm.to_owned(), FINAL_STAGE.to_owned());
            let cell = Cell { arm, stage, set, prompts, decode: Decode::Sampled };
            scores.estimate(&Quantity::Rate(cell), bootstrap).ok()
        };
        let arms: Vec<ArmPoints> = Self::ARMS
            .into_iter()
            .map(|arm| {
                let points = Self::SETS.map(|set| rate(arm, set)).to_vec();
                ArmPoints { arm: arm.to_owned(), points }
            })
            .filter(|arm| arm.points.iter().any(Option::is_some))
            .collect();
        let mut curves = Vec::new();
        for arm in Self::CURVES {
            let reward = curve(metrics, arm, "rl", "reward_mean", Self::SMOOTHING)?;
            let kl = curve(metrics, arm, "rl", "kl_to_reference", Self::SMOOTHING)?;
            if !reward.is_empty() {
                curves.push(RewardCurve { arm: arm.to_owned(), reward, kl });
            }
        }
        if arms.is_empty() && curves.is_empty() {
            return Err(Error::Figure("finding 2: none of its arms was run".to_owned()));
        }
        Ok(Finding2 { sets: Self::SETS.to_vec(), arms, curves })
    }
}

/// Draws the three panels.
pub fn draw_finding2<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, data: &Finding2) -> Result<()> {
    let canvas = Canvas::new(area)?;
    let (width, height) = canvas.size();
    let estimates = data.arms.iter().flat_map(|arm| arm.points.iter().flatten());
    let top = canvas.title(
        "Finding 2: what RL on the same prompts adds to SFT",
        &format!("{}; RL and continued SFT start from the same model", seeds_text(estimates)),
    )?;
    let split = width * 55 / 100;
    draw_change(
        &Panel {
            canvas: &canvas,
            left: 86,
            top: top + 78,
            right: split - 20,
            bottom: height - 54,
            x: (0.0, data.sets.len().max(1) as f64),
            y: (0.0, 1.0),
        },
        data,
    )?;
    let middle = top + 78 + (height - 54 - top - 78) * 58 / 100;
    let steps = data.curves.iter().flat_map(|curve| curve.reward.iter().map(|point| point.step)).max();
    let x = (0.0, steps.unwrap_or(0) as f64 + 1.0);
    let (left, right) = (split + 88, width - 176);
    let points = |pick: fn(&RewardCurve) -> &Vec<CurvePoint>| {
        data.curves.iter().map(|curve| (curve.arm.as_str(), pick(curve))).collect::<Vec<_>>()
    };
    let rewards = points(|curve| &curve.reward);
    let panel =
        Panel { canvas: &canvas, left, top: top + 78, right, bottom: middle, x, y: y_range(&rewards, 0.1) };
    panel.panel_title("While RL runs", 66)?;
    let several = data.curves.iter().flat_map(|curve| &curve.reward).any(|point| point.n_seeds > 1);
    let bands = if several { "; bands: lowest to highest seed" } else { "; 1 seed" };
    let note = format!("running mean of {} steps{bands}", Finding2::SMOOTHING);
    let ink = Ink::new(style::LABEL).color(style::SOFT_INK);
    canvas.text(&note, (left - 48, top + 78 - 42), ink)?;
    draw_curves(&panel, &rewards, "mean reward", true)?;
    let kls = points(|curve| &curve.kl);
    let panel = Panel { top: middle + 30, bottom: height - 54, y: y_range(&kls, 0.001), ..panel };
    draw_curves(&panel, &kls, "KL (nats/token)", false)?;
    for tick in ticks(0.0, x.1, 5) {
        panel.x_tick(tick, &[&format!("{tick:.0}")])?;
    }
    panel.x_title("RL step", 42)
}

fn draw_change<DB: DrawingBackend>(panel: &Panel<'_, DB>, data: &Finding2) -> Result<()> {
    panel.panel_title("Pass rate before and after, by problem set", 66)?;
    panel.y_axis("pass rate, temperature 1 (%)", &[0.0, 0.25, 0.5, 0.75, 1.0], percent)?;
    let key: Vec<(String, _)> =
        data.arms.iter().map(|arm| (style::arm_label(&arm.arm), style::arm_color(&arm.arm))).collect();
    panel.key(&key, panel.top - 42)?;
    let gap = 0.66 / (data.arms.len().max(2) - 1) as f64;
    for (column, (set, prompts)) in data.sets.iter().enumerate() {
        panel.x_tick(column as f64 + 0.5, &style::set_lines(*set, *prompts))?;
        if column > 0 {
            let x = panel.px(column as f64);
            panel.canvas.line(&[(x, panel.top), (x, panel.bottom)], style::GRID, 1)?;
        }
        let at = |index: usize| panel.px(column as f64 + 0.17 + gap * index as f64);
        let point = |arm: &ArmPoints| arm.points.get(column).copied().flatten();
        let start = data.arms.first().and_then(point);
        for (index, arm) in data.arms.iter().enumerate() {
            if let (Some(start), Some(end), true) = (start, point(arm), index > 0) {
                let line = [(at(0), panel.py(start.value)), (at(index), panel.py(end.value))];
                panel.canvas.line(&line, style::tint(style::arm_color(&arm.arm), 0.55), 2)?;
            }
        }
        for (index, arm) in data.arms.iter().enumerate() {
            let Some(estimate) = point(arm) else { continue };
            let color = style::arm_color(&arm.arm);
            panel.interval(at(index), &estimate, color)?;
            panel.canvas.dot((at(index), panel.py(estimate.value)), 6, color)?;
        }
    }
    Ok(())
}

fn y_range(curves: &[(&str, &Vec<CurvePoint>)], least: f64) -> (f64, f64) {
    let all = || curves.iter().flat_map(|(_, points)| points.iter());
    let high = all().map(|point| point.high).fold(least, f64::max);
    let low = all().map(|point| point.low).fold(0.0, f64::min);
    (low * 1.08, high * 1.08)
}

fn draw_curves<DB: DrawingBackend>(
    panel: &Panel<'_, DB>,
    curves: &[(&str, &Vec<CurvePoint>)],
    title: &str,
    labels: bool,
) -> Result<()> {
    let marks = ticks(panel.y.0, panel.y.1, if labels { 5 } else { 3 });
    let decimals = match marks.get(1).zip(marks.first()).map(|(b, a)| b - a) {
        Some(step) if step > 0.0 => (-step.log10()).ceil().max(0.0) as usize + usize::from(fraction(step)),
        _ => 2,
    };
    panel.y_axis(title, &marks, |value| format!("{value:.decimals$}"))?;
    let mut ends = Vec::new();
    for (arm, points) in curves {
        let color = style::arm_color(arm);
        if points.iter().any(|point| point.n_seeds > 1) {
            let upper = points.iter().map(|p| (panel.px(p.step as f64), panel.py(p.high)));
            let lower = points.iter().rev().map(|p| (panel.px(p.step as f64), panel.py(p.low)));
            panel.canvas.polygon(&upper.chain(lower).collect::<Vec<_>>(), color, 0.18)?;
        }
        let line: Vec<(f64, f64)> = points.iter().map(|point| (point.step as f64, point.mean)).collect();
        panel.curve(&line, color, 3)?;
        if let (Some((x, y)), true) = (line.last(), labels) {
            // Lines that end early keep a thin link to their label.
            let from = (panel.px(*x), panel.py(*y));
            panel.canvas.line(&[from, (panel.right, from.1)], style::tint(color, 0.35), 1)?;
            ends.push((style::arm_label(arm), *y, color));
        }
    }
    panel.end_labels(&ends, panel.right + 16)
}

/// Whether a step such as 0.025 or 2.5 needs one more decimal than its size says.
fn fraction(step: f64) -> bool {
    let lead = step / 10f64.powf(step.log10().floor());
    (lead - lead.round()).abs() > 1e-6
}

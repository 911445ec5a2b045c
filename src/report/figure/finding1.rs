//! Finding 1: what SFT has to see. Left: pass rate by arm and set. Right: how it grows with the
//! number of composites in the mix.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};
use polars::prelude::DataFrame;

use super::canvas::{Canvas, Panel, percent};
use super::{seeds_text, style};
use crate::base::error::{Error, Result};
use crate::data::problem::Set;
use crate::report::frame::{Bootstrap, Cell, Decode, Estimate, Quantity, Scores};
use crate::study::store::{FINAL_STAGE, Prompts};

/// One bar: the sampled pass rate with its interval, and the greedy one as a mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    pub sampled: Estimate,
    pub greedy: Option<f64>,
}

/// One arm's bars, one a set; `None` where nothing was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmBars {
    pub arm: String,
    pub bars: Vec<Option<Bar>>,
}

/// Sampled pass rate on one set against the number of composites that SFT saw besides the atoms.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepLine {
    pub set: Set,
    /// (number of composites, pass rate), ascending.
    pub points: Vec<(u32, Estimate)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Finding1 {
    pub sets: Vec<(Set, Prompts)>,
    pub arms: Vec<ArmBars>,
    pub sweep: Vec<SweepLine>,
}

impl Finding1 {
    const ARMS: [&str; 4] = ["base", "sft-atoms", "sft-composites", "sft-mix-64"];
    const SETS: [(Set, Prompts); 5] = [
        (Set::AtomBase, Prompts::Train),
        (Set::CompositeATrain, Prompts::Train),
        (Set::CompositeAHeldOut, Prompts::Train),
        (Set::CompositeC, Prompts::Train),
        (Set::CompositeB, Prompts::Train),
    ];
    const SWEEP: [(u32, &str); 5] =
        [(0, "sft-atoms"), (4, "sft-mix-4"), (16, "sft-mix-16"), (64, "sft-mix-64"), (256, "sft-mix-256")];
    const SWEEP_SETS: [Set; 4] = [Set::AtomBase, Set::CompositeAHeldOut, Set::CompositeC, Set::CompositeB];

    /// From a frame made by [`crate::report::frame::outcomes`]. What was not run is left out; an error
    /// where none of it was.
    pub fn from_frames(outcomes: &DataFrame, bootstrap: &Bootstrap) -> Result<Finding1> {
        let scores = Scores::new(outcomes)?;
        let rate = |arm: &str, set, prompts, decode| {
            let cell = Cell { arm: arm.to_owned(), stage: FINAL_STAGE.to_owned(), set, prompts, decode };
            scores.estimate(&Quantity::Rate(cell), bootstrap).ok()
        };
        let arms: Vec<ArmBars> = Self::ARMS
            .into_iter()
            .map(|arm| {
                let bar = |(set, prompts)| {
                    Some(Bar {
                        sampled: rate(arm, set, prompts, Decode::Sampled)?,
                        greedy: rate(arm, set, prompts, Decode::Greedy).map(|greedy| greedy.value),
                    })
                };
                ArmBars { arm: arm.to_owned(), bars: Self::SETS.map(bar).to_vec() }
            })
            .filter(|arm| arm.bars.iter().any(Option::is_some))
            .collect();
        let sweep: Vec<SweepLine> = Self::SWEEP_SETS
            .into_iter()
            .map(|set| {
                let point = |(n, arm)| Some((n, rate(arm, set, Prompts::Train, Decode::Sampled)?));
                SweepLine { set, points: Self::SWEEP.into_iter().filter_map(point).collect() }
            })
            .filter(|line| !line.points.is_empty())
            .collect();
        if arms.is_empty() && sweep.is_empty() {
            return Err(Error::Figure("finding 1: none of its arms was run".to_owned()));
        }
        Ok(Finding1 { sets: Self::SETS.to_vec(), arms, sweep })
    }
}

/// Draws both panels.
pub fn draw_finding1<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, data: &Finding1) -> Result<()> {
    let canvas = Canvas::new(area)?;
    let (width, height) = canvas.size();
    let estimates = data.arms.iter().flat_map(|arm| arm.bars.iter().flatten()).map(|bar| &bar.sampled);
    let top = canvas.title(
        "Finding 1: what SFT has to see to compose functions",
        &format!("{}; equal numbers of SFT steps", seeds_text(estimates)),
    )?;
    let split = width * 62 / 100;
    draw_bars(
        &Panel {
            canvas: &canvas,
            left: 86,
            top: top + 78,
            right: split - 24,
            bottom: height - 66,
            x: (0.0, data.sets.len().max(1) as f64),
            y: (0.0, 1.0),
        },
        data,
    )?;
    draw_sweep(
        &Panel {
            canvas: &canvas,
            left: split + 62,
            top: top + 78,
            right: width - 146,
            bottom: height - 66,
            x: (-0.3, 4.2),
            y: (0.0, 1.0),
        },
        data,
    )
}

fn draw_bars<DB: DrawingBackend>(panel: &Panel<'_, DB>, data: &Finding1) -> Result<()> {
    panel.panel_title("Pass rate by training data and problem set", 66)?;
    panel.y_axis("pass rate, temperature 1 (%)", &[0.0, 0.25, 0.5, 0.75, 1.0], percent)?;
    let mut key: Vec<(String, _)> =
        data.arms.iter().map(|arm| (style::arm_label(&arm.arm), style::arm_color(&arm.arm))).collect();
    key.sort_by_key(|(label, _)| label.len() > 24);
    panel.key(&key, panel.top - 42)?;
    let share = 0.8 / data.arms.len().max(1) as f64;
    let mut any_greedy = false;
    for (column, (set, prompts)) in data.sets.iter().enumerate() {
        panel.x_tick(column as f64 + 0.5, &style::set_lines(*set, *prompts))?;
        for (index, arm) in data.arms.iter().enumerate() {
            let Some(bar) = arm.bars.get(column).copied().flatten() else { continue };
            let from = column as f64 + 0.1 + share * index as f64;
            let (left, right) = (panel.px(from) + 1, panel.px(from + share) - 1);
            let color = style::arm_color(&arm.arm);
            let (bottom, top) = (panel.py(0.0), panel.py(bar.sampled.value));
            panel.canvas.rect((left, top), (right, bottom), style::tint(color, 0.75), true)?;
            panel.interval((left + right) / 2, &bar.sampled, style::dark(color))?;
            if let Some(greedy) = bar.greedy {
                any_greedy = true;
                panel.canvas.diamond(((left + right) / 2, panel.py(greedy)), 5, style::dark(color))?;
            }
        }
    }
    if any_greedy {
        let at = (panel.right - 150, panel.top - 66);
        panel.canvas.diamond(at, 5, style::SOFT_INK)?;
        let ink = super::canvas::Ink::new(style::LABEL).color(style::SOFT_INK);
        panel.canvas.text("greedy decoding", (at.0 + 12, at.1), ink)?;
    }
    Ok(())
}

/// 0 at 0, then one unit for each factor of four from 4 on.
fn sweep_position(composites: u32) -> f64 {
    if composites == 0 { 0.0 } else { f64::from(composites).log(4.0).max(0.2) }
}

fn draw_sweep<DB: DrawingBackend>(panel: &Panel<'_, DB>, data: &Finding1) -> Result<()> {
    panel.panel_title("How many composites are enough?", 66)?;
    panel.y_axis("pass rate, temperature 1 (%)", &[0.0, 0.25, 0.5, 0.75, 1.0], percent)?;
    let mut counts: Vec<u32> =
        data.sweep.iter().flat_map(|line| line.points.iter().map(|(n, _)| *n)).collect();
    counts.sort_unstable();
    counts.dedup();
    for count in counts {
        panel.x_tick(sweep_position(count), &[&count.to_string()])?;
    }
    panel.x_title("composites beside the atoms (log scale from 4 on)", 46)?;
    let mut ends = Vec::new();
    for (index, line) in data.sweep.iter().enumerate() {
        let color = style::set_color(line.set);
        // A few pixels to the side, so that intervals at one x do not hide each other.
        let shift = (index as f64 - (data.sweep.len() as f64 - 1.0) / 2.0) * 0.07;
        let at = |n: u32| sweep_position(n) + shift;
        let points: Vec<(f64, f64)> = line.points.iter().map(|(n, e)| (at(*n), e.value)).collect();
        panel.curve(&points, color, 3)?;
        for (n, estimate) in &line.points {
            panel.interval(panel.px(at(*n)), estimate, color)?;
            panel.canvas.dot((panel.px(at(*n)), panel.py(estimate.value)), 5, color)?;
        }
        if let Some((_, last)) = line.points.last() {
            let [what, new] = style::set_lines(line.set, Prompts::Train);
            let label = if line.set == Set::AtomBase { what.to_owned() } else { format!("{what}: {new}") };
            ends.push((label, last.value, color));
        }
    }
    panel.end_labels(&ends, panel.right + 8)
}

//! Finding 3: over-fitting. Left: how the gap between training prompts and unseen problems grows
//! with SFT epochs, RL from the base beside it. Right: the pass rates behind the gaps.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};
use polars::prelude::DataFrame;

use super::canvas::{Canvas, Ink, Panel, percent, ticks};
use super::{seeds_text, style};
use crate::base::error::{Error, Result};
use crate::data::problem::Set;
use crate::report::frame::{Bootstrap, Cell, Decode, Estimate, Quantity, Scores, stage_number};
use crate::study::store::{FINAL_STAGE, Prompts};

/// What was measured after so many epochs of SFT.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochPoint {
    pub epochs: u64,
    pub estimate: Estimate,
}

/// One quantity over SFT epochs, and the same for RL from the base at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct GapLine {
    /// The set whose rate (or gap to the training prompts) this is.
    pub set: Set,
    pub sft: Vec<EpochPoint>,
    pub rl: Option<Estimate>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Finding3 {
    /// Pass rate on training prompts minus pass rate on the set.
    pub gaps: Vec<GapLine>,
    /// Pass rates, the training prompts among them.
    pub rates: Vec<GapLine>,
}

impl Finding3 {
    const SFT: &str = "sft-more";
    const RL: &str = "rl-base";
    const TRAIN: Set = Set::CompositeATrain;
    const TEST: [Set; 2] = [Set::CompositeB, Set::CompositeAHeldOut];

    /// From a frame made by [`crate::report::frame::outcomes`]. What was not run is left out; an error
    /// where none of it was.
    pub fn from_frames(outcomes: &DataFrame, bootstrap: &Bootstrap) -> Result<Finding3> {
        let scores = Scores::new(outcomes)?;
        let cell = |arm: &str, stage: &str, set| Cell {
            arm: arm.to_owned(),
            stage: stage.to_owned(),
            set,
            prompts: Prompts::Train,
            decode: Decode::Sampled,
        };
        let epochs: Vec<&str> =
            scores.stages(Self::SFT).into_iter().filter(|stage| stage_number(stage) > 0).collect();
        let line = |set: Set, quantity: &dyn Fn(&str, &str) -> Quantity| GapLine {
            set,
            sft: epochs
                .iter()
                .filter_map(|stage| {
                    let estimate = scores.estimate(&quantity(Self::SFT, stage), bootstrap).ok()?;
                    Some(EpochPoint { epochs: stage_number(stage), estimate })
                })
                .collect(),
            rl: scores.estimate(&quantity(Self::RL, FINAL_STAGE), bootstrap).ok(),
        };
        let gap =
            |set| line(set, &|arm, stage| Quantity::gap(&cell(arm, stage, Self::TRAIN), Self::TRAIN, set));
        let rate = |set| line(set, &|arm, stage| Quantity::Rate(cell(arm, stage, set)));
        let finding = Finding3 {
            gaps: Self::TEST.map(gap).to_vec(),
            rates: [Self::TRAIN].into_iter().chain(Self::TEST).map(rate).collect(),
        };
        if finding.rates.iter().all(|line| line.sft.is_empty() && line.rl.is_none()) {
            return Err(Error::Figure("finding 3: none of its arms was run".to_owned()));
        }
        Ok(finding)
    }
}

/// Draws both panels, each with RL from the base in a strip of its own at the right.
pub fn draw_finding3<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, data: &Finding3) -> Result<()> {
    let canvas = Canvas::new(area)?;
    let (width, height) = canvas.size();
    let estimates =
        data.gaps.iter().flat_map(|line| line.sft.iter().map(|point| &point.estimate).chain(&line.rl));
    let top = canvas.title(
        "Finding 3: over-fitting of SFT, and RL without SFT",
        &format!("{}; sampled at temperature 1", seeds_text(estimates)),
    )?;
    let half = width / 2;
    let bounds = data
        .gaps
        .iter()
        .flat_map(|line| line.sft.iter().map(|point| point.estimate).chain(line.rl))
        .fold((0.0f64, 0.1f64), |(low, high), estimate| (low.min(estimate.low), high.max(estimate.high)));
    let gaps = Panel {
        canvas: &canvas,
        left: 90,
        top: top + 60,
        right: half - 216,
        bottom: height - 66,
        x: (0.0, 1.0),
        y: (bounds.0 * 1.1, (bounds.1 * 1.1).min(1.0)),
    };
    gaps.panel_title("Generalization gap: trained on minus unseen", 40)?;
    let marks = ticks(gaps.y.0, gaps.y.1, 5);
    gaps.y_axis("gap in pass rate (percentage points)", &marks, percent)?;
    draw_lines(gaps, &data.gaps, &|set| match set {
        Set::CompositeB => "to B: target".to_owned(),
        _ => "to A: new chains".to_owned(),
    })?;
    let rates = Panel {
        canvas: &canvas,
        left: half + 76,
        top: top + 60,
        right: width - 222,
        bottom: height - 66,
        x: (0.0, 1.0),
        y: (0.0, 1.0),
    };
    rates.panel_title("The pass rates behind it", 40)?;
    rates.y_axis("pass rate, temperature 1 (%)", &[0.0, 0.25, 0.5, 0.75, 1.0], percent)?;
    draw_lines(rates, &data.rates, &|set| {
        let [what, new] = style::set_lines(set, Prompts::Train);
        format!("{what}: {new}")
    })
}

fn draw_lines<DB: DrawingBackend>(
    mut panel: Panel<'_, DB>,
    lines: &[GapLine],
    label: &dyn Fn(Set) -> String,
) -> Result<()> {
    let mut epochs: Vec<u64> =
        lines.iter().flat_map(|line| line.sft.iter().map(|point| point.epochs)).collect();
    epochs.sort_unstable();
    epochs.dedup();
    let position = |epochs: u64| (epochs.max(1) as f64).log2();
    let (first, last) = (epochs.first().copied().unwrap_or(1), epochs.last().copied().unwrap_or(2));
    panel.x = (position(first) - 0.25, position(last.max(first + 1)) + 0.25);
    let mut free_from = i32::MIN;
    for epoch in &epochs {
        // Labels of close epochs would touch: only the first of them is written.
        let text = epoch.to_string();
        let half = (super::labels::text_width(&text, style::TICK) / 2.0) as i32 + 3;
        let x = panel.px(position(*epoch));
        if x - half >= free_from {
            panel.x_tick(position(*epoch), &[&text])?;
            free_from = x + half;
        }
    }
    panel.x_title("SFT epochs (log scale)", 44)?;
    // The strip of RL from the base: the same vertical scale, nothing horizontal.
    let strip = (panel.right + 14, panel.right + 74);
    let color = style::arm_color(Finding3::RL);
    panel.canvas.rect((strip.0, panel.top), (strip.1, panel.bottom), style::tint(color, 0.08), true)?;
    let center = (strip.0 + strip.1) / 2;
    for (row, text) in ["RL from", "the base"].into_iter().enumerate() {
        let ink = Ink::new(style::TICK)
            .color(style::dark(color))
            .at(plotters::style::text_anchor::HPos::Center, plotters::style::text_anchor::VPos::Center);
        panel.canvas.text(text, (center, panel.bottom + 19 + 19 * row as i32), ink)?;
    }
    let mut ends = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let color = style::set_color(line.set);
        let shift = (index as i32 * 2 - (lines.len() as i32 - 1)) * 3;
        let points: Vec<(f64, f64)> =
            line.sft.iter().map(|point| (position(point.epochs), point.estimate.value)).collect();
        panel.curve(&points, color, 3)?;
        for point in &line.sft {
            let x = panel.px(position(point.epochs));
            panel.interval(x, &point.estimate, color)?;
            panel.canvas.dot((x, panel.py(point.estimate.value)), 5, color)?;
        }
        let end = line.sft.last().map(|point| point.estimate.value);
        if let Some(rl) = &line.rl {
            let x = center + shift * 3;
            panel.interval(x, rl, color)?;
            panel.canvas.diamond((x, panel.py(rl.value)), 7, color)?;
        }
        if let Some(value) = line.rl.map(|rl| rl.value).or(end) {
            ends.push((label(line.set), value, color));
        }
    }
    panel.end_labels(&ends, strip.1 + 16)
}

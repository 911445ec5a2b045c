//! Finding 1 along the length of SFT: what each mixture has of the target domain after so many steps.

use itertools::Itertools;
use plotters::prelude::*;

use super::panel::{Area, panel, percent};
use super::style::{GRAY, SOFT_INK, arm_style};
use super::{Evidence, Series};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Cell, Decode, Point, Quantity, stage_number};
use crate::study::FINAL_STAGE;

const ARMS: [&str; 6] =
    ["sft-atoms", "sft-composites", "sft-mix-16", "sft-mix-64", "sft-mix-256", "sft-broken"];
/// The pools that lack one kind.
const ALONE: [&str; 2] = ["sft-atoms", "sft-composites"];

/// Draws two panels: likeliest answers, and sampled ones. The base model is a level.
pub(super) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let panels = [(Decode::Greedy, "Likeliest answer"), (Decode::Sampled, "Sampled at temperature 1")];
    let mut drawn = Vec::new();
    for (decode, _) in panels {
        let cell = |arm: &str, stage: &str| {
            let stage = stage.to_owned();
            Quantity::Rate(Cell { stage, decode, ..Cell::at_end(arm, Set::CompositeB) })
        };
        let path = |arm: &&str| {
            let (stages, trained) = (evidence.scores.stages(arm), evidence.steps(arm)?);
            let place = |stage: &str| {
                let steps = if stage == FINAL_STAGE { trained } else { stage_number(stage) };
                (steps.max(1) as f64).log2()
            };
            evidence.series(arm_style(arm), stages.iter().map(|stage| (place(stage), cell(arm, stage))))
        };
        let lines: Vec<Series> = ARMS.iter().map(path).try_collect()?;
        let base = evidence.scores.if_run(&cell("base", FINAL_STAGE), &evidence.bootstrap)?;
        drawn.push((lines.into_iter().filter(|line| !line.points.is_empty()).collect_vec(), base));
    }
    let below = |label: &str| {
        drawn.iter().all(|(lines, base)| {
            let line = lines.iter().find(|line| line.label == label);
            let end = line.and_then(|line| line.points.last()).map(|end| end.value);
            end.zip(base.as_ref()).is_some_and(|(end, base)| end < base.value)
        })
    };
    let title = if ALONE.iter().all(|arm| below(&arm_style(arm).0)) {
        "SFT on one kind alone ends below the base model in the target domain"
    } else {
        "What SFT has of the target domain, step by step"
    };
    let lines = drawn.iter().map(|(lines, _)| lines.as_slice()).collect_vec();
    let room = evidence.page(area, title, "evaluations in the course of training, pass rate in B", &lines)?;
    let (left, right) = room.split_horizontally(50.percent_width());
    for (area, ((_, name), (lines, base))) in [left, right].iter().zip(panels.iter().zip(&drawn)) {
        let points = || lines.iter().flat_map(|line| &line.points);
        let high = points().map(|point| point.high).fold(0.2, f64::max);
        let (first, last) = points().map(|point| point.x).minmax().into_option().unwrap_or((0.0, 1.0));
        let axes = (first - 0.3..last + 0.2, 0.0..(high + 0.03).min(1.0));
        let mut chart = panel(area, name, [42, 198, 54, 80], axes)?;
        chart.y_axis("pass rate in the target domain (%)", 8, percent)?;
        for x in points().map(|point| point.x).sorted_by(f64::total_cmp).dedup() {
            chart.x_tick(x, &[&format!("{:.0}", x.exp2())])?;
        }
        chart.x_title("steps of SFT (doubling)")?;
        if let Some(base) = base {
            chart.level(base.value, GRAY, 2)?;
        }
        chart.level(0.0, SOFT_INK, 1)?;
        lines.iter().try_for_each(|line| chart.estimates(line))?;
        let of_base = base.iter().map(|base| {
            let end =
                Point { x: last, value: base.value, low: base.low, high: base.high, n_seeds: base.n_seeds };
            Series { label: arm_style("base").0, color: GRAY, points: vec![end] }
        });
        chart.end_labels(lines.iter().chain(&of_base.collect_vec()), 14)?;
    }
    Ok(())
}

//! What was learned against what carries over: the pass rate on training chains across, that in the target domain
//! up. SFT and RL are paths along their evaluations, other arms points.

use plotters::prelude::*;

use super::panel::{Area, panel, percent};
use super::style::*;
use super::{Evidence, Series};
use crate::base::Result;
use crate::data::Set;
use crate::report::frame::{Bootstrap, Cell, Decode, Interval, Point, Quantity, Scores};
use crate::study::FINAL_STAGE;

/// Arms one after another, whose evaluations are a path.
const PATHS: [&[&str]; 4] = [
    &["base", "sft-start", "sft-more"],
    &["sft-start", "sft-rl"],
    &["base", "rl-base"],
    &["sft-start", "rft"],
];
/// Arms of which only the end is shown.
const POINTS: [&str; 5] = ["sft-mix-64", "sft-tuned", "start-cooled", "rl-shuffled", "rl-group"];

/// Draws two panels: likeliest answers, and sampled ones.
pub(in crate::report) fn draw(evidence: &Evidence, area: &Area<'_>) -> Result<()> {
    let panels = [(Decode::Greedy, "Likeliest answer"), (Decode::Sampled, "Sampled at temperature 1")];
    let mut drawn = Vec::new();
    for (decode, _) in panels {
        let mut lines: Vec<(&str, Vec<Place>)> = Vec::new();
        for arms in PATHS {
            let last = arms[arms.len() - 1];
            if place(evidence, &evidence.scores, last, FINAL_STAGE, decode)?.is_some() {
                lines.push((last, path(evidence, arms, decode)?));
            }
        }
        for arm in POINTS {
            let place = place(evidence, &evidence.scores, arm, FINAL_STAGE, decode)?;
            lines.push((arm, place.into_iter().collect()));
        }
        lines.retain(|(_, path)| !path.is_empty());
        drawn.push(lines);
    }
    let ends = |lines: &[(&str, Vec<Place>)]| -> Vec<Series> {
        let end = |(arm, path): &(&str, Vec<Place>)| {
            let (label, color) = arm_style(arm);
            let point = |[x, y]: &Place| Point {
                x: x.value,
                value: y.value,
                low: y.low,
                high: y.high,
                n_seeds: y.n_seeds,
            };
            Series { label, color, points: path.last().map(point).into_iter().collect() }
        };
        lines.iter().map(end).collect()
    };
    let ends_of = |arm: &str| {
        drawn
            .iter()
            .map(|lines| lines.iter().find(|(of, _)| *of == arm)?.1.last())
            .collect::<Option<Vec<_>>>()
    };
    let reach = |place: &[Interval; 2]| place[1].value;
    let title = match (ends_of("sft-rl"), ends_of("sft-more")) {
        (Some(rl), Some(sft)) if rl.iter().zip(&sft).all(|(rl, sft)| reach(rl) > reach(sft)) => {
            "RL ends above long SFT in the target domain"
        }
        _ => "What SFT and RL learn, and how much of it reaches the target domain",
    };
    let room =
        evidence.page(area, title, "dots: evaluations in the course of training", &[&ends(&drawn[0])])?;
    let (left, right) = room.split_horizontally(50.percent_width());
    for (area, ((decode, name), lines)) in [left, right].iter().zip(panels.iter().zip(&drawn)) {
        let high = lines.iter().flat_map(|(_, path)| path).map(|[_, y]| y.high).fold(0.2, f64::max);
        let mut chart = panel(area, name, [42, 176, 54, 80], (0.0..1.0, 0.0..(high + 0.04).min(1.0)))?;
        chart.y_axis("pass rate in the target domain (%)", 8, percent)?;
        for tick in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
            chart.x_tick(tick, &[&percent(tick)])?;
        }
        chart.x_title("pass rate on training chains (%)")?;
        for (arm, path) in lines {
            let color = arm_style(arm).1;
            chart.line(path.iter().map(|[x, y]| (x.value, y.value)), color, 3)?;
            for [x, y] in path {
                chart.dot(x.value, y.value, 3, color)?;
            }
            if let Some([x, y]) = path.last() {
                let ([left, right], [low, high]) = ([x.low, x.high], [y.low, y.high]);
                chart.line([(left, y.value), (right, y.value)], color, 2)?;
                chart.line([(x.value, low), (x.value, high)], color, 2)?;
                chart.dot(x.value, y.value, 6, color)?;
            }
        }
        let mut labels = ends(lines);
        if let Some((arm, scores)) = &evidence.star
            && let Some([x, y]) = place(evidence, scores, arm, FINAL_STAGE, *decode)?
        {
            let color = arm_style(arm).1;
            chart.star(x.value, y.value, color)?;
            labels.extend(
                ends(&[(arm.as_str(), vec![[x, y]])])
                    .into_iter()
                    .map(|mine| Series { label: format!("yours: {}", mine.label), ..mine }),
            );
        }
        chart.end_labels(&labels, 14)?;
    }
    Ok(())
}

/// Pass rates on training chains and in the target domain.
type Place = [Interval; 2];

/// Along the evaluations of `arms`, from the end of the first on, or from its own first evaluation where it is
/// the only one.
fn path(evidence: &Evidence, arms: &[&str], decode: Decode) -> Result<Vec<Place>> {
    let mut found = Vec::new();
    for (index, arm) in arms.iter().enumerate() {
        for stage in evidence.scores.stages(arm) {
            if index > 0 || stage == FINAL_STAGE {
                found.extend(place(evidence, &evidence.scores, arm, stage, decode)?);
            }
        }
    }
    Ok(found)
}

/// Where an arm was at a stage; `None` where that was not run.
fn place(
    evidence: &Evidence,
    scores: &Scores,
    arm: &str,
    stage: &str,
    decode: Decode,
) -> Result<Option<Place>> {
    let bootstrap = Bootstrap { draws: 1, ..evidence.bootstrap }; // it is not shown
    let of = |set| {
        let cell = Cell { stage: stage.to_owned(), decode, ..Cell::at_end(arm, set) };
        scores.if_run(&Quantity::Rate(cell), &bootstrap)
    };
    Ok(of(Set::CompositeATrain)?.zip(of(Set::CompositeB)?).map(Into::into))
}

//! RL's razor: what an arm forgot against how far it has moved from the base model.

use itertools::Itertools;
use plotters::prelude::*;

use super::Series;
use super::panel::{Area, page, panel};
use super::style::{SOFT_INK, arm_style};
use crate::base::{Error, Result};
use crate::report::drift::Moved;
use crate::report::frame::Point;

/// The least that has a place on the axes, in nats a token.
const LEAST: f64 = 1e-3;

/// What is measured, what the axis says, and the KL divergence.
type Direction = (&'static str, &'static str, fn(&Moved) -> f64);

/// Draws two panels, one for each direction of the KL divergence. Both axes are logarithmic.
pub(super) fn draw(moved: &[Moved], source: &str, area: &Area<'_>) -> Result<()> {
    if moved.is_empty() {
        return Err(Error::Figure("no run measured its distance from the base model".to_owned()));
    }
    let seeds = moved.iter().map(|of| of.seed).unique().count();
    let by_arm = moved.iter().into_group_map_by(|of| of.arm.as_str());
    let mean = |of: fn(&Moved) -> f64| {
        let means = by_arm.iter().sorted_by_key(|(arm, _)| **arm);
        means.map(|(_, runs)| runs.iter().map(|run| of(run)).sum::<f64>() / runs.len() as f64).collect_vec()
    };
    let forgot = mean(|of| of.forgot);
    let [own, base] = [mean(|of| of.drift.kl_to_base), mean(|of| of.drift.kl_from_base)];
    let title = match ["sft-rl", "sft-more"].map(|arm| by_arm.get(arm).map(|runs| mean_of(runs))) {
        [Some(rl), Some(sft)] => {
            format!("RL forgot {rl:.3} nats a token of wild code, SFT on as many samples {sft:.3}")
        }
        _ => "What an arm forgot of wild code, by how far it has moved".to_owned(),
    };
    let subtitle = format!(
        "{seeds} seed{}: small dots; means: large ones; nats a token, logarithmic axes; rank correlations {:+.2}, {:+.2}",
        if seeds == 1 { "" } else { "s" },
        rank_correlation(&own, &forgot),
        rank_correlation(&base, &forgot)
    );
    let room = page(area, &title, &subtitle, source)?;
    let (left, right) = room.split_horizontally(50.percent_width());
    let directions: [Direction; 2] = [
        ("Measured on the arm's own answers", "KL from the arm to the base model", |of| of.drift.kl_to_base),
        ("Measured on the base model's answers", "KL from the base model to the arm", |of| {
            of.drift.kl_from_base
        }),
    ];
    for (area, (title, x_title, kl)) in [left, right].iter().zip(directions) {
        let place = |of: &Moved| (kl(of).max(LEAST), of.forgot.max(LEAST));
        let ends = |of: fn((f64, f64)) -> f64| {
            let (low, high) =
                moved.iter().map(|moved| of(place(moved))).minmax().into_option().unwrap_or((0.1, 1.0));
            (low / 1.3..high * 1.3).log_scale()
        };
        let mut chart =
            panel(area, title, [42, 202, 54, 86], (ends(|place| place.0), ends(|place| place.1)))?;
        let show = |value: f64| format!("{value}");
        chart.y_axis("forgotten: loss on wild code less the base model's", 8, show)?;
        for tick in [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0] {
            let (low, high) = moved.iter().map(|of| place(of).0).minmax().into_option().unwrap_or((0.1, 1.0));
            if (low / 1.3..high * 1.3).contains(&tick) {
                chart.x_tick(tick, &[&show(tick)])?;
            }
        }
        chart.level(chart_floor(moved), SOFT_INK, 1)?;
        chart.x_title(x_title)?;
        let mut means = Vec::new();
        for (arm, of_arm) in
            moved.iter().into_group_map_by(|of| of.arm.as_str()).into_iter().sorted_by_key(|(arm, _)| *arm)
        {
            let (label, color) = arm_style(arm);
            for of in &of_arm {
                let (x, y) = place(of);
                chart.dot(x, y, 2, color)?;
            }
            let mean = |of: fn((f64, f64)) -> f64| {
                (of_arm.iter().map(|moved| of(place(moved)).ln()).sum::<f64>() / of_arm.len() as f64).exp()
            };
            let (x, value) = (mean(|place| place.0), mean(|place| place.1));
            chart.dot(x, value, 6, color)?;
            let points = vec![Point { x, value, low: value, high: value, n_seeds: of_arm.len() }];
            means.push(Series { label, color, points });
        }
        chart.end_labels(&means, 14)?;
    }
    Ok(())
}

/// What runs forgot, on average.
fn mean_of(runs: &[&Moved]) -> f64 {
    runs.iter().map(|run| run.forgot).sum::<f64>() / runs.len() as f64
}

/// Where the vertical axis begins.
fn chart_floor(moved: &[Moved]) -> f64 {
    moved.iter().map(|of| of.forgot.max(LEAST)).fold(f64::INFINITY, f64::min) / 1.3
}

/// Spearman's: Pearson's correlation of the ranks. NaN of fewer than two arms.
fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ranks =
        |of: &[f64]| -> Vec<f64> { of.iter().map(|x| of.iter().filter(|y| *y < x).count() as f64).collect() };
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0; // of ranks without ties
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::rank_correlation;

    #[test]
    fn ranks_that_agree_correlate_fully() {
        let found = [[1.0, 4.0, 9.0], [9.0, 4.0, 1.0], [4.0, 1.0, 9.0]]
            .map(|b| rank_correlation(&[0.1, 0.2, 0.5], &b));
        assert_eq!(found, [1.0, -1.0, 0.5]);
    }
}

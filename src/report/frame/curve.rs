//! Training curves: one logged value over steps, averaged over seeds.

use std::collections::BTreeMap;

use itertools::{Itertools, izip};
use polars::prelude::*;
use statrs::statistics::Statistics;

use crate::base::Result;

/// A value and its range, over seeds or of its interval, at a place on a figure's horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f64,
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub n_seeds: usize,
}

/// The values logged as `name` by `arm` in `stage`, from a frame made by [`super::metric_frame`]: at
/// each step the mean, the lowest and the highest seed. Each seed is first smoothed by a running mean
/// over the last `window` logged steps; 1 is no smoothing. Values that are not finite are left out.
pub fn curve(metrics: &DataFrame, arm: &str, stage: &str, name: &str, window: usize) -> Result<Vec<Point>> {
    let is = |column: &str, value: &str| col(column).eq(lit(value));
    let wanted = is("arm", arm).and(is("stage", stage)).and(is("name", name)).and(col("value").is_finite());
    let logged = metrics.clone().lazy().filter(wanted);
    let logged = logged.sort(["seed", "step"], SortMultipleOptions::default()).collect()?;
    let seeds = logged.column("seed")?.u64()?.iter().flatten().collect_vec();
    let steps = logged.column("step")?.u64()?.iter().flatten();
    let values = logged.column("value")?.f64()?.iter().flatten().collect_vec();
    let mut by_step: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (row, seed, step) in izip!(0.., &seeds, steps) {
        let first = (row + 1_usize).saturating_sub(window.max(1));
        let recent = (first..=row).filter(|at| seeds[*at] == *seed).map(|at| values[at]);
        by_step.entry(step).or_default().push(recent.mean());
    }
    let point = |(step, values): (u64, Vec<f64>)| Point {
        x: step as f64,
        value: values.iter().mean(),
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        n_seeds: values.len(),
    };
    Ok(by_step.into_iter().map(point).collect())
}

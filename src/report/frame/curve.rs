//! Training curves: one logged value over steps, averaged over seeds.

use polars::prelude::*;

use crate::base::Result;

/// A logged value at one step, over the seeds that logged it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    pub step: u64,
    pub mean: f64,
    /// Lowest and highest seed.
    pub low: f64,
    pub high: f64,
    pub n_seeds: usize,
}

/// The values logged as `name` by `arm` in `stage`, from a frame made by [`super::metric_frame`].
/// Each seed is first smoothed by a running mean over the last `window` logged steps; 1 is no
/// smoothing. Values that are not finite are left out.
pub fn curve(
    metrics: &DataFrame,
    arm: &str,
    stage: &str,
    name: &str,
    window: usize,
) -> Result<Vec<CurvePoint>> {
    let wanted = col("arm").eq(lit(arm)).and(col("stage").eq(lit(stage))).and(col("name").eq(lit(name)));
    let by_seed_and_step = metrics
        .clone()
        .lazy()
        .filter(wanted.and(col("value").is_finite()))
        .sort(["seed", "step"], SortMultipleOptions::default());
    let mut logged = by_seed_and_step.collect()?;
    let seeds: Vec<u64> = logged.column("seed")?.u64()?.iter().flatten().collect();
    let values: Vec<f64> = logged.column("value")?.f64()?.iter().flatten().collect();
    let running_mean = |row: usize| {
        let first = (row + 1).saturating_sub(window.max(1));
        let recent: Vec<f64> =
            (first..=row).filter(|at| seeds[*at] == seeds[row]).map(|at| values[at]).collect();
        recent.iter().sum::<f64>() / recent.len() as f64
    };
    let smooth: Vec<f64> = (0..values.len()).map(running_mean).collect();
    logged.with_column(Column::new("value".into(), smooth))?;
    let value = || col("value");
    let summaries = [
        value().mean().alias("mean"),
        value().min().alias("low"),
        value().max().alias("high"),
        value().count().cast(DataType::Float64).alias("n_seeds"),
    ];
    let by_step = logged.lazy().group_by([col("step")]).agg(summaries);
    let points = by_step.sort(["step"], SortMultipleOptions::default()).collect()?;
    let steps: Vec<u64> = points.column("step")?.u64()?.iter().flatten().collect();
    let number = |name: &str, row: usize| -> Result<f64> {
        Ok(points.column(name)?.f64()?.get(row).unwrap_or(f64::NAN))
    };
    let point = |(row, step)| {
        let (mean, low, high) = (number("mean", row)?, number("low", row)?, number("high", row)?);
        Ok(CurvePoint { step, mean, low, high, n_seeds: number("n_seeds", row)? as usize })
    };
    steps.into_iter().enumerate().map(point).collect()
}

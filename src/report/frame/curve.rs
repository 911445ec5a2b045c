//! Training curves: one logged value over steps, averaged over seeds.

use itertools::izip;
use polars::prelude::*;

use crate::base::Result;

/// A logged value at one step, over the seeds that logged it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    pub step: f64,
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
    let logged = metrics.clone().lazy().filter(wanted.and(col("value").is_finite()));
    let mut logged = logged.sort(["seed", "step"], SortMultipleOptions::default()).collect()?;
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
    let by_step = logged.lazy().group_by([col("step").cast(DataType::Float64)]).agg(summaries);
    let points = by_step.sort(["step"], SortMultipleOptions::default()).collect()?;
    let number =
        |name: &str| -> Result<Vec<f64>> { Ok(points.column(name)?.f64()?.iter().flatten().collect()) };
    let columns =
        izip!(number("step")?, number("mean")?, number("low")?, number("high")?, number("n_seeds")?);
    let point = |(step, mean, low, high, n)| CurvePoint { step, mean, low, high, n_seeds: n as usize };
    Ok(columns.map(point).collect())
}

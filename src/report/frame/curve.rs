//! Training curves: one logged value over steps, averaged over seeds.

use std::collections::BTreeMap;

use polars::prelude::*;

use crate::base::error::Result;

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

/// The values logged as `name` by `arm` in `stage`, from a frame made by [`super::metrics`]. Each
/// seed is first smoothed by a running mean over the last `window` logged steps; 1 is no
/// smoothing. Values that are not finite are left out.
pub fn curve(
    metrics: &DataFrame,
    arm: &str,
    stage: &str,
    name: &str,
    window: usize,
) -> Result<Vec<CurvePoint>> {
    let (arms, stages, names) =
        (metrics.column("arm")?.str()?, metrics.column("stage")?.str()?, metrics.column("name")?.str()?);
    let (seeds, steps) = (metrics.column("seed")?.u64()?, metrics.column("step")?.u64()?);
    let values = metrics.column("value")?.f64()?;
    let mut by_seed: BTreeMap<u64, BTreeMap<u64, f64>> = BTreeMap::new();
    for row in 0..metrics.height() {
        let wanted =
            arms.get(row) == Some(arm) && stages.get(row) == Some(stage) && names.get(row) == Some(name);
        if let (true, Some(seed), Some(step), Some(value)) =
            (wanted, seeds.get(row), steps.get(row), values.get(row))
            && value.is_finite()
        {
            by_seed.entry(seed).or_default().insert(step, value);
        }
    }
    let mut by_step: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for logged in by_seed.values() {
        let logged: Vec<(u64, f64)> = logged.iter().map(|(step, value)| (*step, *value)).collect();
        for (index, (step, _)) in logged.iter().enumerate() {
            let recent = &logged[(index + 1).saturating_sub(window.max(1))..=index];
            let mean = recent.iter().map(|(_, value)| value).sum::<f64>() / recent.len() as f64;
            by_step.entry(*step).or_default().push(mean);
        }
    }
    Ok(by_step
        .into_iter()
        .map(|(step, values)| CurvePoint {
            step,
            mean: values.iter().sum::<f64>() / values.len() as f64,
            low: values.iter().copied().fold(f64::INFINITY, f64::min),
            high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            n_seeds: values.len(),
        })
        .collect())
}

//! What runs logged, and what is asked of it.
//!
//! [`Scores`] asks the outcomes (one row a problem and evaluation) for pass rates and estimates any
//! [`Quantity`] built from them (differences between arms, generalization gaps, the worst of several
//! arms) with a bootstrap over seeds and problems. Logged values are a polars frame, [`metric_frame`],
//! which [`curve`] asks for a training curve.

mod curve;
mod estimate;
mod pass_at_k;
mod scores;
#[cfg(test)]
pub(crate) mod tests;

use polars::df;
use polars::prelude::*;

use crate::base::Result;
use crate::study::MetricRow;

pub use curve::{Point, curve};
pub use estimate::{Bootstrap, Extreme, Interval, Quantity};
pub use pass_at_k::pass_at_k;
pub(crate) use scores::stage_number;
pub use scores::{Cell, Decode, Scores};

/// A row of a run's logs with the arm and the seed it is of.
pub type Labeled<Row> = (String, u64, Row);

/// One row a logged value. Columns: `arm`, `seed`, `stage`, `step`, `name`, `value`.
pub fn metric_frame(rows: &[Labeled<MetricRow>]) -> Result<DataFrame> {
    let logged = || {
        rows.iter().flat_map(|(arm, seed, row)| {
            row.values.iter().map(move |(name, value)| (arm.as_str(), *seed, row, name.as_str(), *value))
        })
    };
    Ok(df!(
        "arm" => logged().map(|(arm, ..)| arm).collect::<Vec<_>>(),
        "seed" => logged().map(|(_, seed, ..)| seed).collect::<Vec<_>>(),
        "stage" => logged().map(|(_, _, row, ..)| row.stage.as_str()).collect::<Vec<_>>(),
        "step" => logged().map(|(_, _, row, ..)| row.step as u64).collect::<Vec<_>>(),
        "name" => logged().map(|(_, _, _, name, _)| name).collect::<Vec<_>>(),
        "value" => logged().map(|(.., value)| value).collect::<Vec<_>>(),
    )?)
}

//! Runs as polars frames, and what is asked of them.
//!
//! [`outcome_frame`] and [`metric_frame`] are long tables, one row a problem-and-evaluation or a
//! logged value. [`Scores`] asks the first for pass rates and estimates any [`Quantity`] built from
//! them (differences between arms, generalization gaps, the worst of several arms) with a bootstrap
//! over seeds and problems; [`curve`] asks the second for a training curve.

mod curve;
mod estimate;
mod pass_at_k;
mod scores;
#[cfg(test)]
pub(crate) mod tests;

use polars::df;
use polars::prelude::*;

use crate::base::Result;
use crate::sandbox::CaseWord;
use crate::study::{MetricRow, OutcomeRow};

pub use curve::{CurvePoint, curve};
pub use estimate::{Bootstrap, Extreme, Interval, Quantity};
pub use pass_at_k::pass_at_k;
pub(crate) use scores::stage_number;
pub use scores::{Cell, Decode, Scores};

/// A row of a run's logs with the arm and the seed it is of.
pub type Labeled<Row> = (String, u64, Row);

/// One row a problem and evaluation. Columns: `arm`, `seed`, `stage`, `set`, `prompts`, `problem`,
/// `greedy_pass` (null where the sandbox failed), `samples`, `passed`.
pub fn outcome_frame(rows: &[Labeled<OutcomeRow>]) -> Result<DataFrame> {
    fn column<'a, T>(rows: &'a [Labeled<OutcomeRow>], cell: impl Fn(&'a OutcomeRow) -> T) -> Vec<T> {
        rows.iter().map(|(_, _, row)| cell(row)).collect()
    }
    Ok(df!(
        "arm" => rows.iter().map(|(arm, _, _)| arm.as_str()).collect::<Vec<_>>(),
        "seed" => rows.iter().map(|(_, seed, _)| *seed).collect::<Vec<_>>(),
        "stage" => column(rows, |row| row.stage.as_str()),
        "set" => column(rows, |row| row.set.name()),
        "prompts" => column(rows, |row| row.prompts.name()),
        "problem" => column(rows, |row| row.problem.as_str()),
        "greedy_pass" => column(rows, |row| row.greedy.map(|word| word == CaseWord::Pass)),
        "samples" => column(rows, |row| row.samples),
        "passed" => column(rows, |row| row.passed),
    )?)
}

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

//! Runs as polars frames, and pass rates with intervals.
//!
//! [`outcomes`] and [`metrics`] are long tables, one row a problem-and-evaluation or a logged
//! value; [`Scores`] indexes the first and estimates any [`Quantity`] built from pass rates
//! (differences between arms, generalization gaps, the worst of several arms) with a bootstrap
//! over seeds and problems; [`pass_rates`] is the table of all plain rates.

mod curve;
mod estimate;
mod pass_at_k;
mod scores;
#[cfg(test)]
pub(crate) mod tests;

use polars::df;
use polars::prelude::*;

use crate::base::error::Result;
use crate::sandbox::CaseWord;
use crate::study::store::{FinishedRun, MetricRow, OutcomeRow};

pub use curve::{CurvePoint, curve};
pub use estimate::{Bootstrap, Estimate, MissingData, Quantity};
pub use pass_at_k::pass_at_k;
pub(crate) use scores::stage_number;
pub use scores::{Cell, Decode, LAST_STAGE, Scores};

/// One row a problem and evaluation, over all `runs`. Columns: `arm`, `seed`, `stage`, `set`,
/// `prompts`, `problem`, `depth`, `greedy` (case word, null where the sandbox failed),
/// `greedy_pass` (bool or null), `samples`, `passed`.
pub fn outcomes(runs: &[FinishedRun]) -> Result<DataFrame> {
    let mut rows = Vec::new();
    for run in runs {
        let seed = run.record.seed;
        rows.extend(run.outcomes()?.into_iter().map(|row| (run.record.arm.clone(), seed, row)));
    }
    outcomes_from_rows(&rows)
}

/// [`outcomes`] from rows that are not (yet) in a store, each with its arm and seed.
pub fn outcomes_from_rows(rows: &[(String, u64, OutcomeRow)]) -> Result<DataFrame> {
    fn column<T>(rows: &[(String, u64, OutcomeRow)], cell: impl Fn(&OutcomeRow) -> T) -> Vec<T> {
        rows.iter().map(|(_, _, row)| cell(row)).collect()
    }
    let greedy: Vec<Option<&str>> = rows.iter().map(|(_, _, row)| row.greedy.map(CaseWord::name)).collect();
    let text =
        |cell: fn(&OutcomeRow) -> &str| -> Vec<&str> { rows.iter().map(|(_, _, row)| cell(row)).collect() };
    Ok(df!(
        "arm" => rows.iter().map(|(arm, _, _)| arm.as_str()).collect::<Vec<_>>(),
        "seed" => rows.iter().map(|(_, seed, _)| *seed).collect::<Vec<u64>>(),
        "stage" => text(|row| &row.stage),
        "set" => text(|row| row.set.name()),
        "prompts" => text(|row| row.prompts.name()),
        "problem" => text(|row| &row.problem),
        "depth" => column(rows, |row| row.depth as u32),
        "greedy" => greedy,
        "greedy_pass" => column(rows, |row| row.greedy.map(|word| word == CaseWord::Pass)),
        "samples" => column(rows, |row| row.samples),
        "passed" => column(rows, |row| row.passed),
    )?)
}

/// One row a logged value. Columns: `arm`, `seed`, `stage`, `step`, `name`, `value`.
pub fn metrics(runs: &[FinishedRun]) -> Result<DataFrame> {
    let mut rows = Vec::new();
    for run in runs {
        let seed = run.record.seed;
        rows.extend(run.metrics()?.into_iter().map(|row| (run.record.arm.clone(), seed, row)));
    }
    metrics_from_rows(&rows)
}

/// [`metrics`] from rows that are not (yet) in a store, each with its arm and seed.
pub fn metrics_from_rows(rows: &[(String, u64, MetricRow)]) -> Result<DataFrame> {
    let (mut arms, mut seeds, mut stages) = (Vec::new(), Vec::<u64>::new(), Vec::new());
    let (mut steps, mut names, mut values) = (Vec::<u64>::new(), Vec::new(), Vec::<f64>::new());
    for (arm, seed, row) in rows {
        for (name, value) in &row.values {
            arms.push(arm.as_str());
            seeds.push(*seed);
            stages.push(row.stage.as_str());
            steps.push(row.step as u64);
            names.push(name.as_str());
            values.push(*value);
        }
    }
    Ok(df!(
        "arm" => arms, "seed" => seeds, "stage" => stages, "step" => steps, "name" => names,
        "value" => values,
    )?)
}

/// The pass rate of every arm, stage, set and kind of prompts in `outcomes`, for each of
/// `decodes`, with its interval. Columns: `arm`, `stage`, `set`, `prompts`, `decode`,
/// `pass_rate`, `low`, `high`, `n_seeds`, `n_problems`.
///
/// With one seed the interval covers the choice of problems only: `n_seeds` says so.
pub fn pass_rates(outcomes: &DataFrame, decodes: &[Decode], bootstrap: &Bootstrap) -> Result<DataFrame> {
    let scores = Scores::new(outcomes)?;
    let mut cells = Vec::new();
    let mut estimates = Vec::new();
    for (arm, stage, set, prompts) in scores.groups() {
        for decode in decodes {
            let cell = Cell { arm: arm.to_owned(), stage: stage.to_owned(), set, prompts, decode: *decode };
            // A rate that these rows cannot give (pass@8 of 4 samples) has no row.
            if let Ok(estimate) = scores.estimate(&Quantity::Rate(cell.clone()), bootstrap) {
                cells.push(cell);
                estimates.push(estimate);
            }
        }
    }
    let number = |field: fn(&Estimate) -> f64| -> Vec<f64> { estimates.iter().map(field).collect() };
    Ok(df!(
        "arm" => cells.iter().map(|cell| cell.arm.as_str()).collect::<Vec<_>>(),
        "stage" => cells.iter().map(|cell| cell.stage.as_str()).collect::<Vec<_>>(),
        "set" => cells.iter().map(|cell| cell.set.name()).collect::<Vec<_>>(),
        "prompts" => cells.iter().map(|cell| cell.prompts.name()).collect::<Vec<_>>(),
        "decode" => cells.iter().map(|cell| cell.decode.to_string()).collect::<Vec<_>>(),
        "pass_rate" => number(|estimate| estimate.value),
        "low" => number(|estimate| estimate.low),
        "high" => number(|estimate| estimate.high),
        "n_seeds" => estimates.iter().map(|estimate| estimate.n_seeds as u32).collect::<Vec<_>>(),
        "n_problems" => estimates.iter().map(|estimate| estimate.n_problems as u32).collect::<Vec<_>>(),
    )?)
}

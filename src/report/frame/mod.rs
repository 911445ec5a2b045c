//! What runs logged, and what is asked of it.
//!
//! [`Scores`] asks the outcomes (one row a problem and evaluation) for pass rates and estimates any
//! [`Quantity`] built from them (differences between arms, generalization gaps, the worst of several
//! arms) with intervals over seeds and problems. Logged values are a polars frame, [`metric_frame`],
//! which [`curve`] asks for a training curve.

mod crossed;
mod curve;
mod estimate;
mod pass_at_k;
mod quantity;
mod resample;
mod scores;
#[cfg(test)]
pub(crate) mod tests;

use itertools::Itertools;
use polars::df;
use polars::prelude::*;

use crate::base::Result;
use crate::study::{FINAL_STAGE, MetricRow, OutcomeRow, Prompts};

pub use crossed::{Components, Contributions, SetComponents, Spread};
pub use curve::{Point, curve};
pub use estimate::{Bootstrap, Interval};
pub use pass_at_k::pass_at_k;
pub use quantity::{Extreme, Quantity};
pub(crate) use resample::quantile;
pub(crate) use scores::stage_number;
pub use scores::{Cell, Decode, Scores};

/// A row of a run's logs with the arm and the seed it is of.
pub type Labeled<Row> = (String, u64, Row);

/// One row a logged value. Columns: `arm`, `seed`, `stage`, `step`, `name`, `value`.
pub fn metric_frame(rows: &[Labeled<MetricRow>]) -> Result<DataFrame> {
    let logged = rows.iter().flat_map(|(arm, seed, row)| {
        let of = (arm.as_str(), *seed, row.stage.as_str(), row.step as u64);
        row.values.iter().map(move |(name, value)| (of.0, of.1, of.2, of.3, name.as_str(), *value))
    });
    type Columns<'a> = (Vec<&'a str>, Vec<u64>, Vec<&'a str>, Vec<u64>, Vec<&'a str>, Vec<f64>);
    let (arm, seed, stage, step, name, value): Columns<'_> = logged.multiunzip();
    Ok(df!("arm" => arm, "seed" => seed, "stage" => stage, "step" => step, "name" => name, "value" => value)?)
}

/// One row for each atom of each question of a run's last evaluation, in training wordings: `arm`, `seed`, `set`,
/// `atom`, `steps` (of the chain), and whether the likeliest answer passed, `greedy`, and the share of samples that did,
/// `sampled`. What could not be judged is missing.
pub fn atom_frame(rows: &[Labeled<OutcomeRow>]) -> Result<DataFrame> {
    let asked = rows.iter().filter(|(.., row)| row.stage == FINAL_STAGE && row.prompts == Prompts::Train);
    let atoms = asked.flat_map(|(arm, seed, row)| {
        let of =
            (arm.as_str(), *seed, row.set.name(), row.depth as u32, row.greedy_rate(), row.sampled_rate());
        row.problem.split(" > ").map(move |atom| (of.0, of.1, of.2, atom, of.3, of.4, of.5))
    });
    type Columns<'a> =
        (Vec<&'a str>, Vec<u64>, Vec<&'a str>, Vec<&'a str>, Vec<u32>, Vec<Option<f64>>, Vec<Option<f64>>);
    let (arm, seed, set, atom, steps, greedy, sampled): Columns<'_> = atoms.multiunzip();
    Ok(
        df!("arm" => arm, "seed" => seed, "set" => set, "atom" => atom, "steps" => steps, "greedy" => greedy, "sampled" => sampled)?,
    )
}

//! How far each arm has moved from the base model, and what it forgot.

use itertools::{Itertools, multiunzip};
use polars::df;
use polars::prelude::*;

use super::Table;
use crate::base::{Error, Result};
use crate::study::{Drift, Runs};

/// An arm at a seed.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    pub arm: String,
    pub seed: u64,
    pub drift: Drift,
    /// By how much wild documents have become less likely than under the seed's base model, nats a token.
    pub forgot: f64,
}

impl Runs {
    /// All runs but the base models'.
    pub(super) fn moved(&self) -> Vec<Moved> {
        let base =
            |seed| self.of_arm("base").into_iter().find(|run| run.record.seed == seed)?.record.facts.drift;
        let moved = self.runs.iter().filter(|run| run.record.parent.is_some()).filter_map(|run| {
            let (arm, seed, drift) = (run.record.arm.clone(), run.record.seed, run.record.facts.drift?);
            Some(Moved { arm, seed, drift, forgot: drift.wild_loss - base(seed)?.wild_loss })
        });
        moved.collect()
    }

    /// How far each arm has moved from the base model and what it forgot, in nats a token: one row an arm, means
    /// over its seeds. `kl_to_base` is measured on the arm's own answers to training prompts, `kl_from_base` on the
    /// base model's, `forgot` on wild documents that nothing was trained on.
    ///
    /// # Errors
    /// `Error::MissingRuns` where no run measured it.
    pub fn drift(&self) -> Result<Table> {
        let rows = self
            .moved()
            .into_iter()
            .map(|of| (of.arm, of.drift.kl_to_base, of.drift.kl_from_base, of.forgot));
        let (arm, to, from, forgot): (Vec<String>, Vec<f64>, Vec<f64>, Vec<f64>) = multiunzip(rows);
        if arm.is_empty() {
            return Err(Error::MissingRuns { what: "measured its distance from the base model".to_owned() });
        }
        let names = ["kl_to_base", "kl_from_base", "forgot"];
        let each = df!("arm" => arm, names[0] => to, names[1] => from, names[2] => forgot)?;
        let means = names.iter().map(|name| col(*name).mean());
        let columns = [len().cast(DataType::UInt32).alias("seeds")].into_iter().chain(means).collect_vec();
        let by_arm = each.lazy().group_by_stable([col("arm")]).agg(columns);
        Table::of(&by_arm.sort(["forgot"], SortMultipleOptions::default()).collect()?)
    }
}

//! Finished runs of one tier: what figures, tables and verdicts are made from. They know where they
//! lie; the room `report` gives them their methods.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use itertools::Itertools;

use crate::base::{Error, Result};
use crate::data::Set;
use crate::study::evaluate::pass_rates;
use crate::study::store::{FinishedRun, RunStore};

/// Finished runs of one tier that belong together.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The project's folder.
    pub root: PathBuf,
    /// The tier's name.
    pub tier: String,
    /// Sorted by arm and seed.
    pub runs: Vec<FinishedRun>,
}

impl Runs {
    /// The runs of this machine (`data/runs`) or, where there are none, the committed ones.
    ///
    /// # Errors
    /// `Error::RunStore` where there are neither.
    pub fn open(root: &Path, tier: &str) -> Result<Runs> {
        let own = Runs::own(root, tier)?;
        if own.runs.is_empty() { Runs::committed(root, tier) } else { Ok(own) }
    }

    /// The runs of this machine; there may be none.
    pub fn own(root: &Path, tier: &str) -> Result<Runs> {
        Runs::of_store(root, tier, &root.join("data/runs"))
    }

    /// The records that the project ships for the tier (`data/records`): those of the present version
    /// of the study or, where there are none, of an earlier one.
    ///
    /// # Errors
    /// `Error::RunStore` where there are none.
    pub fn committed(root: &Path, tier: &str) -> Result<Runs> {
        for folder in ["data/records", "data/records/version1"] {
            let found = Runs::of_store(root, tier, &root.join(folder).join(tier))?;
            if !found.runs.is_empty() {
                return Ok(found);
            }
        }
        let message = format!("has no finished run of tier {tier}; `make study TIER={tier}` trains them");
        Err(Error::RunStore { path: root.join("data/records").join(tier), message })
    }

    /// The finished runs of the tier in `folder`.
    ///
    /// # Errors
    /// `Error::RunStore` where there are none.
    pub fn of_folder(root: &Path, tier: &str, folder: &Path) -> Result<Runs> {
        let found = Runs::of_store(root, tier, folder)?;
        if found.runs.is_empty() {
            let message = format!("has no finished run of tier {tier}");
            return Err(Error::RunStore { path: folder.to_path_buf(), message });
        }
        Ok(found)
    }

    fn of_store(root: &Path, tier: &str, folder: &Path) -> Result<Runs> {
        let runs = RunStore::new(folder).runs(tier)?;
        Ok(Runs { root: root.to_path_buf(), tier: tier.to_owned(), runs })
    }

    /// The finished runs of `arm`, by seed.
    pub fn of_arm(&self, arm: &str) -> Vec<&FinishedRun> {
        self.runs.iter().filter(|run| run.record.arm == arm).collect()
    }

    /// Where the runs lie, from the project's folder on: `data/runs`, `data/records/quick`.
    pub fn origins(&self) -> Vec<PathBuf> {
        // <origin>/<arm>/<seed>-<hash>
        let origin = |run: &FinishedRun| {
            let store = run.folder().ancestors().nth(2).unwrap_or(run.folder());
            store.strip_prefix(&self.root).unwrap_or(store).to_path_buf()
        };
        self.runs.iter().map(origin).unique().sorted().collect()
    }

    /// Copies the runs to the folder `to`, without models, checkpoints and locks: what a reader needs to
    /// redraw every figure and judge every claim.
    pub fn export(&self, to: &Path) -> Result<()> {
        self.runs.iter().try_for_each(|run| run.export(to))
    }

    /// Each run beside `committed`'s of the same arm and seed, where there is one: is what this machine
    /// made the same, to the last bit?
    pub fn compare(&self, committed: &Runs) -> Result<Vec<Comparison>> {
        let beside = |run: &FinishedRun| {
            let same = |other: &&FinishedRun| other.record.seed == run.record.seed;
            let record = committed.of_arm(&run.record.arm).into_iter().find(same)?;
            Some(Comparison::new(run, record))
        };
        self.runs.iter().filter_map(beside).collect()
    }
}

/// A run of this machine beside the committed record of the same tier, arm and seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The arm's name.
    pub arm: String,
    /// The run's seed.
    pub seed: u64,
    /// Configuration, data and parent are the same; else the weights cannot be.
    pub same_settings: bool,
    /// The trained model, to the last bit.
    pub same_weights: bool,
    /// Every evaluation, problem by problem.
    pub same_outcomes: bool,
    /// Sampled at the end of training, here and in the record.
    pub pass_rates: BTreeMap<Set, [f64; 2]>,
}

impl Comparison {
    fn new(run: &FinishedRun, record: &FinishedRun) -> Result<Comparison> {
        let (own, committed) = (run.outcomes()?, record.outcomes()?);
        let recorded = pass_rates(&committed);
        let both = |(set, [_, sampled]): (Set, [f64; 2])| Some((set, [sampled, recorded.get(&set)?[1]]));
        Ok(Comparison {
            arm: run.record.arm.clone(),
            seed: run.record.seed,
            same_settings: run.record.hash == record.record.hash,
            same_weights: run.record.facts.weights_hash == record.record.facts.weights_hash,
            same_outcomes: own == committed,
            pass_rates: pass_rates(&own).into_iter().filter_map(both).collect(),
        })
    }
}

/// One line: `sft-rl, seed 0: same weights, same outcomes`, or how different (sampled pass rates in
/// percent).
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let word = |same: bool| if same { "same" } else { "other" };
        let settings = if self.same_settings { "" } else { "other settings or data, " };
        let (weights, outcomes) = (word(self.same_weights), word(self.same_outcomes));
        write!(f, "{}, seed {}: {settings}{weights} weights, {outcomes} outcomes", self.arm, self.seed)?;
        if self.same_outcomes {
            return Ok(());
        }
        let rate = |(set, [own, committed]): (&Set, &[f64; 2])| {
            format!("{} {:.0} ({:+.0})", set.name(), 100.0 * own, 100.0 * (own - committed))
        };
        let rates = self.pass_rates.iter().map(rate).join(", ");
        write!(f, "; sampled pass rates, and more than recorded: {rates}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_runs_are_themselves_and_another_seed_is_not() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runs = Runs::of_store(root, "quick", &root.join("data/records/version1/quick")).unwrap();
        assert_eq!(runs.origins(), [Path::new("data/records/version1/quick")]);
        let same = runs.compare(&runs).unwrap();
        assert_eq!(same.len(), 33);
        assert!(same.iter().all(|row| row.same_settings && row.same_weights && row.same_outcomes));
        assert_eq!(same[0].to_string(), "base, seed 0: same weights, same outcomes");
        let (first, second) = (runs.of_arm("sft-rl")[0], runs.of_arm("sft-rl")[1]);
        let other = Comparison::new(first, second).unwrap();
        assert!(!(other.same_settings || other.same_weights || other.same_outcomes));
        assert!(other.to_string().contains("other weights, other outcomes; "), "{other}");
        assert!(other.to_string().contains("composite_b "), "{other}");
    }
}

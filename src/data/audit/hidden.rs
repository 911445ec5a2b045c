//! [`mutant_audit`] over what a tier asks: all atoms of the catalog, and a sample of its chains.

use std::collections::BTreeMap;
use std::fmt;

use itertools::Itertools;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::mutants::{MutantConfig, MutantReport, OperatorCounts, mutant_audit};
use crate::base::{Result, Seed};
use crate::data::catalog::Catalog;
use crate::data::problem::{Problem, Set};
use crate::data::split::Splits;
use crate::data::synth::Operator;
use crate::sandbox::Sandbox;

/// What is audited, and what the outcome is held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HiddenCaseConfig {
    /// Chains, drawn from all sets of the tier; all of them where there are fewer.
    pub composites: usize,
    /// A share of false accepts below this is what we call good, in 0..=1.
    pub goal: f64,
    /// How mutants are made and told apart.
    pub mutants: MutantConfig,
}

/// The record: the same catalog, tier, configuration and seed give the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HiddenCaseReport {
    /// Name of the tier whose problems were audited.
    pub tier: String,
    /// Seed of the sample of chains and of the fresh inputs.
    pub seed: u64,
    /// Digest of the tier's problems.
    pub content_hash: String,
    /// What was asked for.
    pub config: HiddenCaseConfig,
    /// The mutants of the atoms alone.
    pub atoms: MutantReport,
    /// The mutants of the sampled chains.
    pub composites: MutantReport,
}

impl HiddenCaseReport {
    /// Outcomes by kind of change, atoms and chains together.
    pub fn by_operator(&self) -> BTreeMap<Operator, OperatorCounts> {
        let both = self.atoms.by_operator.iter().chain(&self.composites.by_operator);
        both.map(|(operator, counts)| (*operator, *counts)).into_grouping_map().sum().into_iter().collect()
    }

    /// All outcomes together.
    pub fn total(&self) -> OperatorCounts {
        self.atoms.total() + self.composites.total()
    }

    /// Is the share of false accepts below the goal?
    pub fn passed(&self) -> bool {
        self.total().share().unwrap_or(0.0) < self.config.goal
    }
}

/// Audits the hidden cases of `splits`. `watch` is told how many problems are done, and of how many.
///
/// # Errors
/// `Error::Chain` where the verifier contradicts the audit; `Error::Sandbox` where it fails.
pub fn hidden_case_audit(
    tier: &str,
    splits: &Splits,
    catalog: &Catalog,
    sandbox: &Sandbox,
    config: &HiddenCaseConfig,
    seed: u64,
    mut watch: impl FnMut(usize, usize),
) -> Result<HiddenCaseReport> {
    let atoms: Vec<&Problem> = splits.get(Set::AtomBase).iter().collect();
    let mut chains: Vec<&Problem> = splits.iter().filter(|problem| problem.depth > 1).collect();
    let random = Seed::new(seed).child("mutants");
    chains.shuffle(&mut random.stream("chains"));
    chains.truncate(config.composites);
    let (n_atoms, n_all) = (atoms.len(), atoms.len() + chains.len());
    let mut audit = |problems: &[&Problem], before: usize| {
        let watch = |done| watch(before + done, n_all);
        mutant_audit(problems, catalog, sandbox, &config.mutants, random, watch)
    };
    Ok(HiddenCaseReport {
        tier: tier.to_owned(),
        seed,
        content_hash: splits.content_hash()?,
        config: config.clone(),
        atoms: audit(&atoms, 0)?,
        composites: audit(&chains, n_atoms)?,
    })
}

impl fmt::Display for HiddenCaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, report) in [("atoms", &self.atoms), ("composites", &self.composites)] {
            writeln!(f, "{} {name}\n{report}\n", report.n_problems)?;
        }
        let (total, goal) = (self.total(), self.config.goal * 100.0);
        let share = total.share().unwrap_or(0.0) * 100.0;
        write!(
            f,
            "hidden cases accept {} of {} wrong mutants: {share:.3}%, goal: under {goal}%, {}",
            total.accepted,
            total.accepted + total.refused,
            if self.passed() { "reached" } else { "missed" }
        )
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Add;

    use super::*;
    use crate::sandbox::SandboxConfig;

    #[test]
    fn the_same_seed_gives_the_same_bytes_with_any_number_of_workers() {
        let catalog = Catalog::shipped();
        let config = HiddenCaseConfig {
            composites: 6,
            goal: 0.01,
            mutants: MutantConfig { fresh_inputs: 50, problems_per_batch: 4 },
        };
        let mut splits = Splits::small().clone();
        splits.sets.entry(Set::AtomBase).or_default().truncate(6);
        let audit = |workers, seed| {
            let sandbox = Sandbox::start(&SandboxConfig::strict(workers)).unwrap();
            let mut last = (0, 0);
            let report =
                hidden_case_audit("smoke", &splits, &catalog, &sandbox, &config, seed, |done, all| {
                    assert!(done > last.0);
                    last = (done, all);
                });
            assert_eq!(last, (12, 12));
            serde_json::to_string(&report.unwrap()).unwrap()
        };
        let one = audit(1, 1);
        assert_eq!(one, audit(2, 1));
        assert_ne!(one, audit(2, 2));
        let mut report: HiddenCaseReport = serde_json::from_str(&one).unwrap();
        assert_eq!((report.atoms.n_problems, report.composites.n_problems), (6, 6));
        assert_eq!(report.total().mutants, report.atoms.total().mutants + report.composites.total().mutants);
        assert_eq!(
            report.by_operator().into_values().fold(OperatorCounts::default(), Add::add),
            report.total()
        );
        assert!(report.passed() && report.to_string().contains("reached"), "{report}");
        report.config.goal = 0.0;
        assert!(!report.passed() && report.to_string().contains("missed"), "{report}");
    }
}

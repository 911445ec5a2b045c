//! Asking the outcomes: how well one arm answered one set, problem by problem.

use std::collections::BTreeMap;

use itertools::Itertools;
use serde::Deserialize;

use super::{Labeled, pass_at_k};
use crate::base::{Error, Result};
use crate::data::Set;
use crate::study::{FINAL_STAGE, OutcomeRow, Prompts};

/// How the answers that are scored were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, strum::Display)]
#[serde(try_from = "String")]
#[strum(serialize_all = "lowercase")]
pub enum Decode {
    /// The most likely answer; a problem scores 0 or 1.
    Greedy,
    /// Answers at temperature 1; a problem scores the share that passed.
    Sampled,
    /// Unbiased pass@k of the answers at temperature 1.
    #[strum(to_string = "pass@{0}")]
    PassAt(u32),
}

impl TryFrom<String> for Decode {
    type Error = Error;

    fn try_from(name: String) -> Result<Decode> {
        match (name.as_str(), name.strip_prefix("pass@").and_then(|k| k.parse().ok())) {
            ("greedy", _) => Ok(Decode::Greedy),
            ("sampled", _) => Ok(Decode::Sampled),
            (_, Some(k)) if k > 0 => Ok(Decode::PassAt(k)),
            _ => Err(Error::Unknown { kind: "metric", name, known: "greedy, sampled, pass@<k>".to_owned() }),
        }
    }
}

/// A stage that stands for an arm's last one: `final`, or else the highest-numbered `epoch-<n>`.
pub const LAST_STAGE: &str = "last";

/// What a single pass rate is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    pub arm: String,
    /// A stage's name, or [`LAST_STAGE`].
    pub stage: String,
    pub set: Set,
    pub prompts: Prompts,
    pub decode: Decode,
}

impl Cell {
    /// Of `arm` when its training has ended, asked as in training and sampled at temperature 1.
    pub fn at_end(arm: &str, set: Set) -> Cell {
        let (arm, stage) = (arm.to_owned(), FINAL_STAGE.to_owned());
        Cell { arm, stage, set, prompts: Prompts::Train, decode: Decode::Sampled }
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cell { arm, stage, set, prompts, decode } = self;
        write!(f, "arm `{arm}`, stage `{stage}`, set `{}`, {} prompts, {decode}", set.name(), prompts.name())
    }
}

/// Seed -> (problem, score in 0..=1).
pub(super) type BySeed<'a> = BTreeMap<u64, Vec<(&'a str, f64)>>;

/// The outcomes of runs, to be asked for pass rates: one row a problem and evaluation.
#[derive(Debug, Clone)]
pub struct Scores(pub Vec<Labeled<OutcomeRow>>);

impl Scores {
    /// Of the questions that `asked` picks: those in one connective, say.
    pub fn only(&self, asked: impl Fn(&OutcomeRow) -> bool) -> Scores {
        Scores(self.0.iter().filter(|(.., row)| asked(row)).cloned().collect())
    }

    /// The stages of an arm, in order: `epoch-2` before `epoch-10`, `final` at the end.
    pub fn stages(&self, arm: &str) -> Vec<&str> {
        let of_arm = self.0.iter().filter(|(name, ..)| name == arm);
        let stages = of_arm.map(|(.., row)| row.stage.as_str()).unique();
        stages.sorted_by_key(|stage| (*stage == FINAL_STAGE, stage_number(stage), *stage)).collect()
    }

    /// Scores of a cell. A problem whose answers the sandbox could not judge has none.
    ///
    /// # Errors
    /// `Error::MissingRuns` where there are none.
    pub(super) fn of(&self, cell: &Cell) -> Result<BySeed<'_>> {
        let Cell { arm, stage, set, prompts, decode } = cell;
        let stage = match stage.as_str() {
            LAST_STAGE => self.stages(arm).last().copied().unwrap_or_default(),
            stage => stage,
        };
        let mut by_seed = BySeed::new();
        for (of_arm, seed, row) in &self.0 {
            if of_arm != arm || row.stage != stage || (row.set, row.prompts) != (*set, *prompts) {
                continue;
            }
            let score = match decode {
                Decode::Greedy => row.greedy_rate(),
                Decode::Sampled => row.sampled_rate(),
                Decode::PassAt(k) => pass_at_k(row.samples(), row.passed(), *k),
            };
            if let Some(score) = score {
                by_seed.entry(*seed).or_default().push((row.problem.as_str(), score));
            }
        }
        if by_seed.is_empty() {
            return Err(Error::MissingRuns { what: format!("has outcomes for {cell}") });
        }
        Ok(by_seed)
    }
}

/// The number at the end of `epoch-12`; 0 where there is none.
pub(crate) fn stage_number(stage: &str) -> u64 {
    stage.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

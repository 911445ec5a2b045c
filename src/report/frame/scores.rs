//! Asking the outcome frame: how well one arm answered one set, problem by problem.

use std::collections::BTreeMap;
use std::str::FromStr;

use itertools::izip;
use polars::prelude::*;

use super::{Labeled, outcome_frame, pass_at_k};
use crate::base::{Error, Result};
use crate::data::Set;
use crate::study::{FINAL_STAGE, OutcomeRow, Prompts};

/// How the answers that are scored were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::Display)]
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

impl FromStr for Decode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Decode> {
        match (text, text.strip_prefix("pass@").and_then(|k| k.parse().ok())) {
            ("greedy", _) => Ok(Decode::Greedy),
            ("sampled", _) => Ok(Decode::Sampled),
            (_, Some(k)) if k > 0 => Ok(Decode::PassAt(k)),
            _ => {
                let known = "greedy, sampled, pass@<k>".to_owned();
                Err(Error::Unknown { kind: "metric", name: text.to_owned(), known })
            }
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
pub(super) type BySeed = BTreeMap<u64, Vec<(String, f64)>>;

/// The outcomes of runs, to be asked for pass rates.
#[derive(Debug, Clone)]
pub struct Scores {
    outcomes: DataFrame,
}

impl Scores {
    /// From one row a problem and evaluation.
    pub fn new(rows: &[Labeled<OutcomeRow>]) -> Result<Scores> {
        Ok(Scores { outcomes: outcome_frame(rows)? })
    }

    /// The stages of an arm, in order: `epoch-2` before `epoch-10`, `final` at the end.
    pub fn stages(&self, arm: &str) -> Result<Vec<String>> {
        let of_arm = self.outcomes.clone().lazy().filter(col("arm").eq(lit(arm)));
        let stages = of_arm.select([col("stage").unique()]).collect()?;
        let mut stages: Vec<String> =
            stages.column("stage")?.str()?.iter().flatten().map(str::to_owned).collect();
        stages.sort_by_key(|stage| (stage == FINAL_STAGE, stage_number(stage), stage.clone()));
        Ok(stages)
    }

    /// Scores of a cell. A problem whose answers the sandbox could not judge has none.
    ///
    /// # Errors
    /// `Error::MissingRuns` where there are none.
    pub(super) fn of(&self, cell: &Cell) -> Result<BySeed> {
        let stage = match cell.stage.as_str() {
            LAST_STAGE => self.stages(&cell.arm)?.pop().unwrap_or_default(),
            stage => stage.to_owned(),
        };
        let is = |name: &str, value: &str| col(name).eq(lit(value));
        let of_arm = is("arm", &cell.arm).and(is("stage", &stage));
        let of_set = is("set", cell.set.name()).and(is("prompts", cell.prompts.name()));
        let rows = self.outcomes.clone().lazy().filter(of_arm.and(of_set)).collect()?;
        let (seeds, problems) = (rows.column("seed")?.u64()?, rows.column("problem")?.str()?);
        let greedy = rows.column("greedy_pass")?.bool()?;
        let (samples, passed) = (rows.column("samples")?.u32()?, rows.column("passed")?.u32()?);
        let mut by_seed = BySeed::new();
        for (seed, problem, greedy, samples, passed) in
            izip!(seeds.iter(), problems.iter(), greedy.iter(), samples.iter(), passed.iter())
        {
            // Only `greedy` has nulls.
            let (Some(seed), Some(problem)) = (seed, problem) else { continue };
            let (samples, passed) = (samples.unwrap_or(0), passed.unwrap_or(0));
            let score = match cell.decode {
                Decode::Greedy => greedy.map(|pass| f64::from(u8::from(pass))),
                Decode::Sampled => (samples > 0).then(|| f64::from(passed) / f64::from(samples)),
                Decode::PassAt(k) => pass_at_k(samples, passed, k),
            };
            if let Some(score) = score {
                by_seed.entry(seed).or_default().push((problem.to_owned(), score));
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

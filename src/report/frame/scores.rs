//! An index over the outcome frame: who answered which problem how well.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use polars::prelude::*;

use super::pass_at_k;
use crate::base::error::{Error, Result};
use crate::data::problem::Set;
use crate::study::store::{FINAL_STAGE, Prompts};

/// How the answers that are scored were drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decode {
    /// The most likely answer; a problem scores 0 or 1.
    Greedy,
    /// Answers at temperature 1; a problem scores the share that passed.
    Sampled,
    /// Unbiased pass@k of the answers at temperature 1.
    PassAt(u32),
}

impl std::fmt::Display for Decode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Decode::Greedy => f.write_str("greedy"),
            Decode::Sampled => f.write_str("sampled"),
            Decode::PassAt(k) => write!(f, "pass@{k}"),
        }
    }
}

impl FromStr for Decode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Decode> {
        match (text, text.strip_prefix("pass@").and_then(|k| k.parse().ok())) {
            ("greedy", _) => Ok(Decode::Greedy),
            ("sampled", _) => Ok(Decode::Sampled),
            (_, Some(k)) if k > 0 => Ok(Decode::PassAt(k)),
            _ => Err(Error::Unknown {
                kind: "metric",
                name: text.to_owned(),
                known: "greedy, sampled, pass@<k>".to_owned(),
            }),
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

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cell { arm, stage, set, prompts, decode } = self;
        write!(f, "arm `{arm}`, stage `{stage}`, set `{}`, {} prompts, {decode}", set.name(), prompts.name())
    }
}

/// Arm, stage, set, prompts.
type Group = (String, String, Set, Prompts);

/// Scores by seed: (number of the problem, score in 0..=1).
pub(super) type BySeed = BTreeMap<u64, Vec<(usize, f64)>>;

/// Outcomes by arm, stage, set and prompts; within those by seed.
#[derive(Debug, Default)]
pub struct Scores {
    groups: BTreeMap<Group, BTreeMap<u64, Vec<Answered>>>,
}

#[derive(Debug, Clone, Copy)]
struct Answered {
    /// Number of the problem's key, the same in every group.
    problem: usize,
    greedy: Option<bool>,
    samples: u32,
    passed: u32,
}

impl Answered {
    /// `None` where nothing was judged.
    fn score(&self, decode: Decode) -> Option<f64> {
        match decode {
            Decode::Greedy => self.greedy.map(|pass| f64::from(u8::from(pass))),
            Decode::Sampled => (self.samples > 0).then(|| f64::from(self.passed) / f64::from(self.samples)),
            Decode::PassAt(k) => pass_at_k(self.samples, self.passed, k),
        }
    }
}

impl Scores {
    /// Indexes a frame made by [`super::outcomes`].
    pub fn new(outcomes: &DataFrame) -> Result<Scores> {
        let text = |name: &str| outcomes.column(name)?.str();
        let (arm, stage, set, prompts) = (text("arm")?, text("stage")?, text("set")?, text("prompts")?);
        let problem = text("problem")?;
        let seed = outcomes.column("seed")?.u64()?;
        let greedy = outcomes.column("greedy_pass")?.bool()?;
        let samples = outcomes.column("samples")?.u32()?;
        let passed = outcomes.column("passed")?.u32()?;
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut scores = Scores::default();
        for row in 0..outcomes.height() {
            let missing = || Error::Data(format!("outcome frame: row {row} has a null"));
            let group = (
                arm.get(row).ok_or_else(missing)?.to_owned(),
                stage.get(row).ok_or_else(missing)?.to_owned(),
                set_named(set.get(row).ok_or_else(missing)?)?,
                prompts_named(prompts.get(row).ok_or_else(missing)?)?,
            );
            let key = problem.get(row).ok_or_else(missing)?;
            let next = numbers.len();
            let problem = match numbers.get(key) {
                Some(number) => *number,
                None => *numbers.entry(key.to_owned()).or_insert(next),
            };
            let answered = Answered {
                problem,
                greedy: greedy.get(row),
                samples: samples.get(row).ok_or_else(missing)?,
                passed: passed.get(row).ok_or_else(missing)?,
            };
            let seed = seed.get(row).ok_or_else(missing)?;
            scores.groups.entry(group).or_default().entry(seed).or_default().push(answered);
        }
        Ok(scores)
    }

    /// All (arm, stage, set, prompts) that have outcomes, sorted.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str, Set, Prompts)> {
        self.groups.keys().map(|(arm, stage, set, prompts)| (arm.as_str(), stage.as_str(), *set, *prompts))
    }

    /// The stages of an arm, in order: `epoch-2` before `epoch-10`, `final` at the end.
    pub fn stages(&self, arm: &str) -> Vec<&str> {
        let mut stages: Vec<&str> =
            self.groups().filter(|group| group.0 == arm).map(|group| group.1).collect();
        stages.sort_by_key(|stage| (*stage == FINAL_STAGE, stage_number(stage), *stage));
        stages.dedup();
        stages
    }

    /// Scores of a cell; empty where there are none.
    pub(super) fn of(&self, cell: &Cell) -> BySeed {
        let stage = match cell.stage.as_str() {
            LAST_STAGE => self.stages(&cell.arm).last().copied().unwrap_or(FINAL_STAGE),
            stage => stage,
        };
        let group = (cell.arm.clone(), stage.to_owned(), cell.set, cell.prompts);
        let Some(seeds) = self.groups.get(&group) else { return BTreeMap::new() };
        let mut found = BTreeMap::new();
        for (seed, answers) in seeds {
            let scored: Vec<(usize, f64)> = answers
                .iter()
                .filter_map(|answer| Some((answer.problem, answer.score(cell.decode)?)))
                .collect();
            if !scored.is_empty() {
                found.insert(*seed, scored);
            }
        }
        found
    }
}

/// The number at the end of `epoch-12`; 0 where there is none.
pub(crate) fn stage_number(stage: &str) -> u64 {
    stage.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

fn set_named(name: &str) -> Result<Set> {
    Set::ALL.into_iter().find(|set| set.name() == name).ok_or_else(|| Error::Unknown {
        kind: "set",
        name: name.to_owned(),
        known: Set::ALL.map(Set::name).join(", "),
    })
}

fn prompts_named(name: &str) -> Result<Prompts> {
    [Prompts::Train, Prompts::HeldOut].into_iter().find(|prompts| prompts.name() == name).ok_or_else(|| {
        Error::Unknown { kind: "prompts", name: name.to_owned(), known: "train, held_out".to_owned() }
    })
}

//! Reading a claims file: every mistake is reported with its line or its clause and field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use itertools::Itertools;
use serde::Deserialize;

use crate::base::{Error, Result, parse_toml};
use crate::data::Set;
use crate::report::frame::{Cell, Decode, Extreme, Quantity, Scores};
use crate::study::{Connective, FINAL_STAGE, Prompts};

/// The pre-registered claims, checked for consistency.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Which rules judge: see [`Claims::judge`]. 1 where nothing is said.
    #[serde(default = "first_version")]
    pub version: u32,
    /// Level of the intervals.
    pub level: f64,
    /// Draws behind each bootstrap interval.
    pub draws: usize,
    /// Version 1: tier -> seeds below which every clause is inconclusive.
    #[serde(default)]
    pub min_seeds: BTreeMap<String, usize>,
    /// Version 2: tier -> the registered seeds. No other seed counts, and nothing is judged before all
    /// of them were run; a tier without an entry is never judged.
    #[serde(default)]
    pub seeds: BTreeMap<String, Vec<u64>>,
    /// Printed below the verdicts.
    #[serde(default)]
    pub note: String,
    /// The findings that clauses belong to.
    #[serde(rename = "finding")]
    pub findings: Vec<Finding>,
    /// In the order of the file.
    #[serde(rename = "clause")]
    pub clauses: Vec<Clause>,
}

fn first_version() -> u32 {
    1
}

/// A finding of the paper, in the paper's words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// As the paper and the arms' table number them.
    pub number: u32,
    /// The paper's words.
    pub text: String,
}

/// What a clause does for its finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// Has to be supported.
    #[default]
    Required,
    /// Says that something that should not work shows the same. Version 1: must not be supported;
    /// version 2: must be refuted.
    Control,
    /// Printed; decides nothing.
    Report,
}

/// How a difference has to lie to its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::Display)]
pub enum Relation {
    #[serde(rename = ">=")]
    #[strum(to_string = ">=")]
    AtLeast,
    #[serde(rename = "<=")]
    #[strum(to_string = "<=")]
    AtMost,
}

/// One inequality: `left - right` against `threshold`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    pub id: String,
    pub finding: u32,
    #[serde(default)]
    pub role: Role,
    pub text: String,
    /// The same in a few words, for figures.
    #[serde(default)]
    label: String,
    /// One metric, or else several in `metrics`.
    metric: Option<Decode>,
    /// The clause has to hold in each of them.
    #[serde(default)]
    metrics: Vec<Decode>,
    pub left: Term,
    pub right: Term,
    pub relation: Relation,
    /// In pass rate, 0..1.
    pub threshold: f64,
    /// Only questions whose steps it joins; all where nothing is said.
    pub connective: Option<Connective>,
    /// Tiers the clause belongs to; empty for all.
    #[serde(default)]
    pub tiers: Vec<String>,
}

/// One side of a clause: a number, or a pass rate, or a gap between two.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a number or a table with `arm` and `set` or `gap`")]
pub enum Term {
    Constant(f64),
    Rate(Rate),
}

/// The file's header describes the fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub arm: ArmNames,
    /// `final` where nothing is said.
    pub stage: Option<String>,
    pub set: Option<Set>,
    /// `[train set, test set]`.
    pub gap: Option<[Set; 2]>,
    /// What is taken off the rate on `set`: the same of a path of SFT at the same training level.
    pub level_matched: Option<LevelMatched>,
    /// The rate on `set` becomes what it is above a share of a gain.
    pub share: Option<Box<Share>>,
    /// `train` where nothing is said. The train set of a gap, and levels, are always asked as in training.
    pub prompts: Option<Prompts>,
    pub combine: Option<Extreme>,
    pub scale: Option<f64>,
}

/// Training level -> rate on the set, read along all stages of `path`'s arms, in order: with the arm's own
/// level, how much smaller its gap is than that of SFT when it had learned as much.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelMatched {
    pub path: Vec<String>,
    /// The set whose pass rate is the training level.
    pub level: Set,
}

/// `(rate - from) - of * (to - from)`: by how much the rate's part of a gain is more than that share of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    pub of: f64,
    pub from: Rate,
    pub to: Rate,
}

/// One arm, or several that `combine` makes one number of.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ArmNames {
    One(String),
    Several(Vec<String>),
}

impl Clause {
    /// What figures call it.
    pub fn label(&self) -> &str {
        if self.label.is_empty() { &self.id } else { &self.label }
    }

    /// The arm that it is about: the first one.
    pub fn arm(&self) -> &str {
        match &self.left {
            Term::Constant(_) => "",
            Term::Rate(Rate { arm: ArmNames::One(arm), .. }) => arm,
            Term::Rate(Rate { arm: ArmNames::Several(arms), .. }) => arms.first().map_or("", String::as_str),
        }
    }

    /// In which it has to hold.
    pub fn metrics(&self) -> &[Decode] {
        self.metric.as_ref().map_or(&self.metrics, std::slice::from_ref)
    }

    /// `left - right` in `metric`, for sides that do not say how they are asked as `prompts` says. The
    /// stages of paths are those that `scores` has.
    ///
    /// # Errors
    /// `Error::Config` naming the field that does not make sense.
    pub fn quantity(&self, metric: Decode, prompts: Prompts, scores: &Scores) -> Result<Quantity> {
        let side = |name, term: &Term| match term {
            Term::Constant(value) => Ok(Quantity::Constant(*value)),
            Term::Rate(rate) => Ask { name, metric, prompts, scores }.rate(rate),
        };
        Ok(side("left", &self.left)?.minus(side("right", &self.right)?))
    }

    /// The questions that it is about.
    pub fn asked<'a>(&self, scores: &'a Scores) -> Cow<'a, Scores> {
        self.connective.map_or(Cow::Borrowed(scores), |connective| {
            Cow::Owned(scores.only(|row| row.connective == Some(connective)))
        })
    }

    /// Whether runs of `tier` are judged by it.
    pub fn applies_to(&self, tier: &str) -> bool {
        self.tiers.is_empty() || self.tiers.iter().any(|named| named == tier)
    }
}

/// How the sides of a clause become quantities.
struct Ask<'a> {
    name: &'a str,
    metric: Decode,
    prompts: Prompts,
    scores: &'a Scores,
}

impl Ask<'_> {
    fn wrong<T>(&self, field: &str, message: &str) -> Result<T> {
        Err(Error::config(format!("{}.{field}", self.name), message))
    }

    fn rate(&self, rate: &Rate) -> Result<Quantity> {
        let quantity = match (&rate.arm, rate.combine) {
            (ArmNames::One(arm), None) => self.of_arm(rate, arm)?,
            (ArmNames::Several(arms), Some(which)) if !arms.is_empty() => {
                let arms = arms.iter().map(|arm| self.of_arm(rate, arm));
                Quantity::Extreme(which, arms.collect::<Result<_>>()?)
            }
            _ => return self.wrong("combine", "give one arm without `combine`, or a list of arms with it"),
        };
        Ok(Quantity::Scaled(rate.scale.unwrap_or(1.0), Box::new(quantity)))
    }

    fn of_arm(&self, rate: &Rate, arm: &str) -> Result<Quantity> {
        let asked = rate.prompts.unwrap_or(self.prompts);
        let cell = |arm: &str, stage: &str, set, prompts| {
            let (arm, stage) = (arm.to_owned(), stage.to_owned());
            Quantity::Rate(Cell { arm, stage, set, prompts, decode: self.metric })
        };
        let own = |set, prompts| cell(arm, rate.stage.as_deref().unwrap_or(FINAL_STAGE), set, prompts);
        match (rate.set, rate.gap, &rate.level_matched, &rate.share) {
            (Some(set), None, None, None) => Ok(own(set, asked)),
            (None, Some([train, test]), None, None) => Ok(own(train, Prompts::Train).minus(own(test, asked))),
            (Some(set), None, Some(LevelMatched { path, level }), None) if !path.is_empty() => {
                let mut points = Vec::new();
                for arm in path {
                    let stages = self.scores.stages(arm);
                    // Of an arm that was not run: a stage that judging then misses.
                    for stage in if stages.is_empty() { vec![FINAL_STAGE] } else { stages } {
                        points.push((cell(arm, stage, *level, Prompts::Train), cell(arm, stage, set, asked)));
                    }
                }
                let level = Box::new(own(*level, Prompts::Train));
                Ok(own(set, asked).minus(Quantity::AtLevel { level, path: points }))
            }
            (Some(set), None, None, Some(share)) => {
                let (from, to) = (self.rate(&share.from)?, self.rate(&share.to)?);
                let [gained, whole] = [own(set, asked), to].map(|end| end.minus(from.clone()));
                Ok(gained.minus(Quantity::Scaled(share.of, Box::new(whole))))
            }
            _ => self.wrong("set", "give `set`, alone or with `level_matched` or `share`, or else `gap`"),
        }
    }
}

impl Claims {
    /// Reads a claims file.
    pub fn load(path: impl AsRef<Path>) -> Result<Claims> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Claims::parse(&text, path)
    }

    /// `path` is only used to name the file in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Claims> {
        let claims: Claims = parse_toml(path, text)?;
        let wrong = |part: &str, message: String| {
            let before = &text[..text.find(part).unwrap_or(0)];
            Err(Error::parse(path, before.matches('\n').count() + 1, message))
        };
        if !matches!((claims.version, claims.min_seeds.len(), claims.seeds.len()), (1, 1.., 0) | (2, 0, _)) {
            let known = "field `version`: it is 1, and there are `min_seeds`, or 2, and there are `seeds`";
            return wrong("version", known.to_owned());
        }
        if claims.seeds.values().any(|seeds| seeds.len() < 2 || !seeds.iter().all_unique()) {
            return wrong("seeds", "field `seeds`: a tier needs two different seeds at least".to_owned());
        }
        if !(0.5..1.0).contains(&claims.level) {
            return wrong("level", format!("field `level`: {} is not between 0.5 and 1", claims.level));
        }
        if claims.draws < 100 {
            return wrong("draws", format!("field `draws`: {} is too few for an interval", claims.draws));
        }
        if !claims.findings.iter().map(|finding| finding.number).all_unique() {
            return wrong("[[finding]]", "two findings have one number".to_owned());
        }
        if let Some(id) = claims.clauses.iter().map(|clause| &clause.id).duplicates().next() {
            return wrong(&format!("\"{id}\""), format!("two clauses have the id `{id}`"));
        }
        let nothing = Scores(Vec::new());
        for clause in &claims.clauses {
            let message = if !claims.findings.iter().any(|finding| finding.number == clause.finding) {
                format!("field `finding`: no finding {}", clause.finding)
            } else if !clause.threshold.is_finite() {
                "field `threshold`: not a number".to_owned()
            } else if (clause.metric.is_some() && !clause.metrics.is_empty()) || clause.metrics().is_empty() {
                "field `metric`: give it, or else a list `metrics`".to_owned()
            } else if let Err(error) = clause.quantity(clause.metrics()[0], Prompts::Train, &nothing) {
                error.to_string()
            } else {
                continue;
            };
            return wrong(&format!("\"{}\"", clause.id), format!("clause `{}`, {message}", clause.id));
        }
        Ok(claims)
    }
}

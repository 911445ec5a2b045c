//! Reading `data/claims.toml`: every mistake is reported with its line or its clause and field.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::base::{Error, Result};
use crate::data::Set;
use crate::report::frame::{Bootstrap, Cell, Quantity};
use crate::study::{FINAL_STAGE, Prompts};

/// The pre-registered claims, checked for consistency.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Level of the bootstrap intervals.
    pub level: f64,
    /// Draws behind each interval.
    pub draws: usize,
    /// Tier -> seeds below which every clause is inconclusive.
    pub min_seeds: BTreeMap<String, usize>,
    /// The findings that clauses belong to.
    #[serde(rename = "finding")]
    pub findings: Vec<Finding>,
    /// In the order of the file.
    #[serde(rename = "clause")]
    pub clauses: Vec<Clause>,
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
    /// Must *not* be supported: it says that something that should not work shows the same.
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
    /// `greedy`, `sampled` or `pass@<k>`.
    pub metric: String,
    pub left: Term,
    pub right: Term,
    pub relation: Relation,
    /// In pass rate, 0..1.
    pub threshold: f64,
    /// Tiers the clause belongs to; empty for all.
    #[serde(default)]
    pub tiers: Vec<String>,
}

/// One side of a clause.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a number or a table with `arm` and `set` or `gap`")]
pub enum Term {
    Constant(f64),
    Rate(RateTerm),
}

/// A pass rate, or a gap between two: the file's header describes the fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateTerm {
    pub arm: ArmNames,
    /// `final` where nothing is said.
    pub stage: Option<String>,
    pub set: Option<Set>,
    /// `[train set, test set]`.
    pub gap: Option<[Set; 2]>,
    /// `train` where nothing is said.
    pub prompts: Option<Prompts>,
    pub combine: Option<Combine>,
    pub scale: Option<f64>,
}

/// One arm, or several that `combine` makes one number of.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ArmNames {
    One(String),
    Several(Vec<String>),
}

/// Which of several arms counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    Min,
    Max,
}

impl Clause {
    /// `left - right`.
    ///
    /// # Errors
    /// `Error::Config` naming the field that does not make sense.
    pub fn quantity(&self) -> Result<Quantity> {
        Ok(self.term("left", &self.left)?.minus(self.term("right", &self.right)?))
    }

    fn term(&self, side: &str, term: &Term) -> Result<Quantity> {
        let wrong = |field: &str, message: &str| Err(Error::config(format!("{side}.{field}"), message));
        let decode = self.metric.parse()?;
        let rate = match term {
            Term::Constant(value) => return Ok(Quantity::Constant(*value)),
            Term::Rate(rate) => rate,
        };
        let stage = rate.stage.as_deref().unwrap_or(FINAL_STAGE);
        let of_arm = |arm: &String| {
            let (arm, stage) = (arm.clone(), stage.to_owned());
            let prompts = rate.prompts.unwrap_or(Prompts::Train);
            match (rate.set, rate.gap) {
                (Some(set), None) => Ok(Quantity::Rate(Cell { arm, stage, set, prompts, decode })),
                (None, Some([set, test])) => {
                    Ok(Quantity::gap(&Cell { arm, stage, set, prompts, decode }, set, test))
                }
                _ => wrong("set", "give exactly one of `set` and `gap`"),
            }
        };
        let quantity = match (&rate.arm, rate.combine) {
            (ArmNames::One(arm), None) => of_arm(arm)?,
            (ArmNames::Several(arms), Some(combine)) if !arms.is_empty() => {
                let parts = arms.iter().map(of_arm).collect::<Result<Vec<_>>>()?;
                match combine {
                    Combine::Min => Quantity::Min(parts),
                    Combine::Max => Quantity::Max(parts),
                }
            }
            _ => return wrong("combine", "give one arm without `combine`, or a list of arms with it"),
        };
        Ok(match rate.scale {
            Some(factor) => Quantity::Scaled(factor, Box::new(quantity)),
            None => quantity,
        })
    }

    /// Whether runs of `tier` are judged by it.
    pub fn applies_to(&self, tier: &str) -> bool {
        self.tiers.is_empty() || self.tiers.iter().any(|named| named == tier)
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
        let at = |offset: usize, message: &str| {
            Error::parse(path, text[..offset].matches('\n').count() + 1, message)
        };
        let claims: Claims = toml::from_str(text)
            .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
        match claims.mistake() {
            Some((needle, message)) => Err(at(text.find(&needle).unwrap_or(0), &message)),
            None => Ok(claims),
        }
    }

    pub(super) fn bootstrap(&self) -> Bootstrap {
        Bootstrap { draws: self.draws, level: self.level, ..Bootstrap::standard() }
    }

    /// What the format cannot say: known findings, unique ids, sides that make sense. Returns where
    /// to look in the file, and what is wrong.
    fn mistake(&self) -> Option<(String, String)> {
        if !(0.5..1.0).contains(&self.level) {
            return Some(("level".into(), format!("field `level`: {} is not between 0.5 and 1", self.level)));
        }
        if self.draws < 100 {
            return Some((
                "draws".into(),
                format!("field `draws`: {} is too few for an interval", self.draws),
            ));
        }
        let findings: BTreeSet<u32> = self.findings.iter().map(|finding| finding.number).collect();
        if findings.len() != self.findings.len() {
            return Some(("[[finding]]".into(), "two findings have one number".into()));
        }
        let mut ids = BTreeSet::new();
        self.clauses.iter().find_map(|clause| {
            let id = &clause.id;
            let message = if !ids.insert(id) {
                format!("two clauses have the id `{id}`")
            } else if !findings.contains(&clause.finding) {
                format!("clause `{id}`, field `finding`: no finding {}", clause.finding)
            } else if !clause.threshold.is_finite() {
                format!("clause `{id}`, field `threshold`: not a number")
            } else {
                format!("clause `{id}`, {}", clause.quantity().err()?)
            };
            Some((format!("\"{id}\""), message))
        })
    }
}

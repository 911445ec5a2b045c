//! Reading `data/claims.toml`: every mistake is reported with its line or its clause and field.

use std::collections::BTreeMap;
use std::path::Path;

use itertools::Itertools;
use serde::Deserialize;

use crate::base::{Error, Result, parse_toml};
use crate::data::Set;
use crate::report::frame::{Cell, Decode, Extreme, Quantity};
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
    pub metric: Decode,
    pub left: Term,
    pub right: Term,
    pub relation: Relation,
    /// In pass rate, 0..1.
    pub threshold: f64,
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
    /// `train` where nothing is said.
    pub prompts: Option<Prompts>,
    pub combine: Option<Extreme>,
    pub scale: Option<f64>,
}

/// One arm, or several that `combine` makes one number of.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ArmNames {
    One(String),
    Several(Vec<String>),
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
        let Rate { arm, stage, set, gap, prompts, combine, scale } = match term {
            Term::Constant(value) => return Ok(Quantity::Constant(*value)),
            Term::Rate(rate) => rate,
        };
        let of_arm = |arm: &String| {
            let stage = stage.as_deref().unwrap_or(FINAL_STAGE).to_owned();
            let (arm, prompts) = (arm.clone(), prompts.unwrap_or(Prompts::Train));
            let on = |set| Cell { arm, stage, set, prompts, decode: self.metric };
            match (*set, *gap) {
                (Some(set), None) => Ok(Quantity::Rate(on(set))),
                (None, Some([set, test])) => Ok(Quantity::gap(&on(set), set, test)),
                _ => wrong("set", "give exactly one of `set` and `gap`"),
            }
        };
        let quantity = match (arm, combine) {
            (ArmNames::One(arm), None) => of_arm(arm)?,
            (ArmNames::Several(arms), Some(which)) if !arms.is_empty() => {
                Quantity::Extreme(*which, arms.iter().map(of_arm).collect::<Result<_>>()?)
            }
            _ => return wrong("combine", "give one arm without `combine`, or a list of arms with it"),
        };
        Ok(Quantity::Scaled(scale.unwrap_or(1.0), Box::new(quantity)))
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
        let claims: Claims = parse_toml(path, text)?;
        let wrong = |part: &str, message: String| {
            let before = &text[..text.find(part).unwrap_or(0)];
            Err(Error::parse(path, before.matches('\n').count() + 1, message))
        };
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
        for clause in &claims.clauses {
            let message = if !claims.findings.iter().any(|finding| finding.number == clause.finding) {
                format!("field `finding`: no finding {}", clause.finding)
            } else if !clause.threshold.is_finite() {
                "field `threshold`: not a number".to_owned()
            } else if let Err(error) = clause.quantity() {
                error.to_string()
            } else {
                continue;
            };
            return wrong(&format!("\"{}\"", clause.id), format!("clause `{}`, {message}", clause.id));
        }
        Ok(claims)
    }
}

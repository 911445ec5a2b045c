//! Reading `data/claims.toml`: every mistake is reported with its line or its clause and field.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::base::error::{Error, Result};
use crate::data::problem::Set;
use crate::report::frame::{Bootstrap, Cell, Decode, Quantity};
use crate::study::store::{FINAL_STAGE, Prompts};

/// The pre-registered claims, checked for consistency.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Level of the bootstrap intervals.
    pub level: f64,
    pub draws: usize,
    /// Tier -> seeds below which every clause is inconclusive.
    pub min_seeds: BTreeMap<String, usize>,
    #[serde(rename = "finding")]
    pub findings: Vec<Finding>,
    #[serde(rename = "clause")]
    pub clauses: Vec<Clause>,
}

/// A finding of the paper, in the paper's words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub number: u32,
    pub text: String,
}

/// What a clause does for its finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Has to be supported.
    #[default]
    Required,
    /// Must *not* be supported: it says that something that should not work shows the same.
    Control,
    /// Printed; decides nothing.
    Report,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Required => "required",
            Role::Control => "control",
            Role::Report => "report",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Relation {
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = "<=")]
    AtMost,
}

impl Relation {
    pub fn symbol(self) -> &'static str {
        match self {
            Relation::AtLeast => ">=",
            Relation::AtMost => "<=",
        }
    }
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
    pub left: Side,
    pub right: Side,
    pub relation: Relation,
    /// In pass rate, 0..1.
    pub threshold: f64,
    /// Tiers the clause belongs to; empty for all.
    #[serde(default)]
    pub tiers: Vec<String>,
    /// Overrides the file's `min_seeds` for single tiers.
    #[serde(default)]
    pub min_seeds: BTreeMap<String, usize>,
}

/// One side of a clause.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a number or a table with `arm` and `set` or `gap`")]
pub enum Side {
    Constant(f64),
    Rate(RateSide),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSide {
    pub arm: Arms,
    #[serde(default = "final_stage")]
    pub stage: String,
    pub set: Option<Set>,
    /// `[train set, test set]`.
    pub gap: Option<[Set; 2]>,
    #[serde(default = "train_prompts")]
    pub prompts: Prompts,
    pub combine: Option<Combine>,
    pub scale: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Arms {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    Min,
    Max,
}

fn final_stage() -> String {
    FINAL_STAGE.to_owned()
}

fn train_prompts() -> Prompts {
    Prompts::Train
}

impl Side {
    fn quantity(&self, decode: Decode) -> std::result::Result<Quantity, (&'static str, String)> {
        let side = match self {
            Side::Constant(value) => return Ok(Quantity::Constant(*value)),
            Side::Rate(side) => side,
        };
        let of_arm = |arm: &String| {
            let cell = |set| Cell {
                arm: arm.clone(),
                stage: side.stage.clone(),
                set,
                prompts: side.prompts,
                decode,
            };
            match (side.set, side.gap) {
                (Some(set), None) => Ok(Quantity::Rate(cell(set))),
                (None, Some([train, test])) => Ok(Quantity::gap(&cell(train), train, test)),
                _ => Err(("set", "give exactly one of `set` and `gap`".to_owned())),
            }
        };
        let quantity = match (&side.arm, side.combine) {
            (Arms::One(arm), None) => of_arm(arm)?,
            (Arms::Several(arms), Some(combine)) if !arms.is_empty() => {
                let parts = arms.iter().map(of_arm).collect::<std::result::Result<Vec<_>, _>>()?;
                match combine {
                    Combine::Min => Quantity::Min(parts),
                    Combine::Max => Quantity::Max(parts),
                }
            }
            _ => {
                let message = "one arm without `combine`, or a list of arms with it";
                return Err(("combine", message.to_owned()));
            }
        };
        Ok(match side.scale {
            Some(factor) => Quantity::Scaled(factor, Box::new(quantity)),
            None => quantity,
        })
    }
}

impl Clause {
    /// `left - right`.
    pub fn quantity(&self) -> Result<Quantity> {
        let failed = |field: &str, message: String| {
            Error::config(format!("claims, clause `{}`, {field}", self.id), message)
        };
        let decode: Decode =
            self.metric.parse().map_err(|error: Error| failed("metric", error.to_string()))?;
        let side = |name: &str, side: &Side| {
            side.quantity(decode).map_err(|(field, message)| failed(&format!("{name}.{field}"), message))
        };
        Ok(side("left", &self.left)?.minus(side("right", &self.right)?))
    }

    pub fn applies_to(&self, tier: &str) -> bool {
        self.tiers.is_empty() || self.tiers.iter().any(|named| named == tier)
    }
}

impl Claims {
    pub fn load(path: impl AsRef<Path>) -> Result<Claims> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Claims::parse(&text, path)
    }

    /// `path` is only used to name the file in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Claims> {
        let claims: Claims = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            Error::parse(path, line, error.message())
        })?;
        claims.check(text, path)?;
        Ok(claims)
    }

    pub(super) fn bootstrap(&self) -> Bootstrap {
        Bootstrap { draws: self.draws, level: self.level, ..Bootstrap::standard() }
    }

    pub(super) fn min_seeds(&self, clause: &Clause, tier: &str) -> usize {
        clause.min_seeds.get(tier).or_else(|| self.min_seeds.get(tier)).copied().unwrap_or(1)
    }

    /// What the format cannot say: known findings, unique ids, sides that make sense.
    fn check(&self, text: &str, path: &Path) -> Result<()> {
        let failed = |needle: &str, message: String| {
            let line = text.find(needle).map_or(0, |at| line_of(text, at));
            Err(Error::parse(path, line, message))
        };
        if !(0.5..1.0).contains(&self.level) {
            return failed("level", format!("field `level`: {} is not between 0.5 and 1", self.level));
        }
        if self.draws < 100 {
            return failed("draws", format!("field `draws`: {} is too few for an interval", self.draws));
        }
        let findings: BTreeSet<u32> = self.findings.iter().map(|finding| finding.number).collect();
        if findings.len() != self.findings.len() {
            return failed("[[finding]]", "two findings have one number".to_owned());
        }
        let mut ids = BTreeSet::new();
        for clause in &self.clauses {
            let id = &clause.id;
            let needle = format!("\"{id}\"");
            if !ids.insert(id) {
                return failed(&needle, format!("two clauses have the id `{id}`"));
            }
            if !findings.contains(&clause.finding) {
                let message = format!("clause `{id}`, field `finding`: no finding {}", clause.finding);
                return failed(&needle, message);
            }
            if !clause.threshold.is_finite() {
                return failed(&needle, format!("clause `{id}`, field `threshold`: not a number"));
            }
            if let Err(error) = clause.quantity() {
                return failed(&needle, error.to_string());
            }
        }
        Ok(())
    }
}

/// 1-based.
fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

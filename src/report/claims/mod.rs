//! Pre-registered claims -> *supported*, *refuted*, *inconclusive* or *not judged yet*.
//!
//! The inequalities and thresholds live in a claims file, which was committed before the runs that
//! judge them; this module only reads it, estimates each clause and says which side of the threshold
//! its interval lies on. Version 1 of the rules (`version1.rs`) judged `data/records/version1`; version
//! 2 (`version2.rs`) says what was wrong with it by what it does otherwise.

mod file;
mod power;
mod report;
#[cfg(test)]
mod tests;
mod version1;
mod version2;

use itertools::Itertools;

use crate::base::{Error, Result};
use crate::report::frame::{Bootstrap, Decode, Interval, Scores};
use crate::study::Prompts;

pub use file::{Claims, Clause, Finding, Relation, Role};
pub use report::ClaimsReport;

/// What runs say of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Ruling {
    /// The whole interval satisfies the relation.
    Supported,
    /// The whole interval violates it.
    Refuted,
    /// The interval holds both; in version 1 also: runs are missing.
    Inconclusive,
    /// Not all registered seeds were run.
    #[strum(to_string = "not judged yet")]
    NotJudged,
}

/// A clause in one metric.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How answers were drawn.
    pub metric: Decode,
    /// How problems were worded. Held-out wordings are reported beside those that decide.
    pub prompts: Prompts,
    /// `left - right`; an error says which runs are missing.
    pub interval: std::result::Result<Interval, String>,
}

/// What became of one clause.
#[derive(Debug, Clone)]
pub struct JudgedClause {
    /// What was claimed.
    pub clause: Clause,
    /// In each of its metrics; behind these, what does not decide.
    pub measured: Vec<Measured>,
    /// Version 2: of the hypothesis that the clause does not hold, one-sided; with Holm's correction
    /// where the clause is required.
    pub p_value: Option<f64>,
    /// On this clause.
    pub ruling: Ruling,
    /// Why the clause is not decided; empty otherwise.
    pub reason: String,
}

/// What became of one finding.
#[derive(Debug, Clone)]
pub struct JudgedFinding {
    /// What the paper says.
    pub finding: Finding,
    /// Of its clauses together.
    pub ruling: Ruling,
    /// What decided it, in a sentence.
    pub reason: String,
}

impl JudgedClause {
    /// In the metrics that decide.
    pub(crate) fn deciding(&self) -> impl Iterator<Item = &Measured> {
        self.measured.iter().filter(|of| of.prompts == Prompts::Train)
    }

    /// In its first metric, where its runs are there.
    pub fn interval(&self) -> Option<&Interval> {
        self.measured.first()?.interval.as_ref().ok()
    }
}

type Judged = Result<Vec<JudgedClause>>;

impl Clause {
    /// How far `value` is on the right side of the threshold.
    pub(in crate::report) fn excess(&self, value: f64) -> f64 {
        let excess = value - self.threshold;
        if self.relation == Relation::AtLeast { excess } else { -excess }
    }
}

impl Claims {
    /// Judges every clause of `tier` by the rules of the file's version.
    pub fn judge(&self, scores: &Scores, tier: &str) -> Result<ClaimsReport> {
        let of_tier = self.clauses.iter().filter(|clause| clause.applies_to(tier)).collect_vec();
        let (clauses, order) = match self.version {
            1 => (self.judge_version1(&of_tier, scores, tier)?, version1::AGAINST),
            _ => (self.judge_version2(&of_tier, scores, tier)?, version2::AGAINST),
        };
        let findings = self.findings.iter().map(|finding| judge_finding(finding, &clauses, order)).collect();
        let (version, note) = (self.version, self.note.clone());
        Ok(ClaimsReport { version, tier: tier.to_owned(), level: self.level, clauses, findings, note })
    }

    /// `clause` in one metric, with these prompts.
    pub(in crate::report) fn measure(
        &self,
        clause: &Clause,
        metric: Decode,
        prompts: Prompts,
        scores: &Scores,
    ) -> Result<Measured> {
        let bootstrap = Bootstrap { draws: self.draws, level: self.level };
        let interval = match scores.interval(&clause.quantity(metric, prompts, scores)?, &bootstrap) {
            Err(Error::MissingRuns { what }) => Err(what),
            found => Ok(found?),
        };
        Ok(Measured { metric, prompts, interval })
    }
}

/// A clause of the role that passes the test decides its finding: how, and why.
type Against = (Role, fn(&JudgedClause) -> bool, Ruling, &'static str);

/// The first of `order` that some clause meets decides; a finding against which nothing speaks is supported.
fn judge_finding(finding: &Finding, clauses: &[JudgedClause], order: &[Against]) -> JudgedFinding {
    let of_role = |role| {
        let wanted = (finding.number, role);
        clauses.iter().filter(move |judged| (judged.clause.finding, judged.clause.role) == wanted)
    };
    let judged = |ruling, reason| JudgedFinding { finding: finding.clone(), ruling, reason };
    if of_role(Role::Required).next().is_none() {
        return judged(Ruling::Inconclusive, "no clause of this tier judges it".to_owned());
    }
    for (role, test, ruling, why) in order {
        let ids = of_role(*role).filter(|judged| test(judged)).map(|judged| &judged.clause.id).join(", ");
        if !ids.is_empty() {
            return judged(*ruling, format!("{why}: {ids}"));
        }
    }
    judged(Ruling::Supported, "every required clause holds and no control shows the same".to_owned())
}

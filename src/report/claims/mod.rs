//! Pre-registered claims -> *supported*, *refuted* or *inconclusive*.
//!
//! The inequalities and thresholds live in `data/claims.toml`, which was committed before the
//! runs that judge them; this module only reads it, estimates each clause with its bootstrap
//! interval and says which side of the threshold the interval lies on.

mod file;
mod report;
#[cfg(test)]
mod tests;

use polars::prelude::DataFrame;

use crate::base::error::Result;
use crate::report::frame::{Estimate, Scores};

pub use file::{Arms, Claims, Clause, Combine, Finding, RateSide, Relation, Role, Side};
pub use report::Report;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Supported,
    Refuted,
    Inconclusive,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Supported => "supported",
            Outcome::Refuted => "refuted",
            Outcome::Inconclusive => "inconclusive",
        }
    }
}

/// What became of one clause.
#[derive(Debug, Clone)]
pub struct ClauseVerdict {
    pub clause: Clause,
    /// `left - right`; `None` where runs are missing.
    pub estimate: Option<Estimate>,
    pub outcome: Outcome,
    /// Why the clause is inconclusive; empty otherwise.
    pub reason: String,
}

/// What became of one finding.
#[derive(Debug, Clone)]
pub struct FindingVerdict {
    pub finding: Finding,
    pub outcome: Outcome,
    /// What decided it, in a sentence.
    pub reason: String,
}

impl Claims {
    /// Judges every clause of `tier` on a frame made by [`crate::report::frame::outcomes`].
    pub fn judge(&self, outcomes: &DataFrame, tier: &str) -> Result<Report> {
        let scores = Scores::new(outcomes)?;
        let mut clauses = Vec::new();
        for clause in self.clauses.iter().filter(|clause| clause.applies_to(tier)) {
            clauses.push(self.judge_clause(clause, &scores, tier)?);
        }
        let findings = self.findings.iter().map(|finding| judge_finding(finding, &clauses)).collect();
        Ok(Report { tier: tier.to_owned(), level: self.level, clauses, findings })
    }

    fn judge_clause(&self, clause: &Clause, scores: &Scores, tier: &str) -> Result<ClauseVerdict> {
        let verdict = |estimate, outcome, reason: String| {
            Ok(ClauseVerdict { clause: clause.clone(), estimate, outcome, reason })
        };
        let estimate = match scores.estimate(&clause.quantity()?, &self.bootstrap()) {
            Ok(estimate) => estimate,
            Err(missing) => return verdict(None, Outcome::Inconclusive, missing.to_string()),
        };
        let needed = self.min_seeds(clause, tier);
        if estimate.n_seeds < needed {
            let reason = format!("{} of {needed} seeds", estimate.n_seeds);
            return verdict(Some(estimate), Outcome::Inconclusive, reason);
        }
        let (holds, fails) = match clause.relation {
            Relation::AtLeast => (estimate.low >= clause.threshold, estimate.high < clause.threshold),
            Relation::AtMost => (estimate.high <= clause.threshold, estimate.low > clause.threshold),
        };
        match (holds, fails) {
            (true, _) => verdict(Some(estimate), Outcome::Supported, String::new()),
            (_, true) => verdict(Some(estimate), Outcome::Refuted, String::new()),
            _ => {
                let reason = "the interval holds the threshold".to_owned();
                verdict(Some(estimate), Outcome::Inconclusive, reason)
            }
        }
    }
}

/// Supported: every required clause is, and no control shows the same. Refuted: a required
/// clause is. A control that was not run leaves a finding inconclusive.
fn judge_finding(finding: &Finding, clauses: &[ClauseVerdict]) -> FindingVerdict {
    let with = |role: Role, test: &dyn Fn(&ClauseVerdict) -> bool| -> Vec<&str> {
        clauses
            .iter()
            .filter(|verdict| verdict.clause.finding == finding.number && verdict.clause.role == role)
            .filter(|verdict| test(verdict))
            .map(|verdict| verdict.clause.id.as_str())
            .collect()
    };
    let refuted = with(Role::Required, &|verdict| verdict.outcome == Outcome::Refuted);
    let open = with(Role::Required, &|verdict| verdict.outcome == Outcome::Inconclusive);
    let shown = with(Role::Control, &|verdict| verdict.outcome == Outcome::Supported);
    let not_run = with(Role::Control, &|verdict| verdict.estimate.is_none());
    let (outcome, reason) = if !refuted.is_empty() {
        (Outcome::Refuted, format!("refuted: {}", refuted.join(", ")))
    } else if !open.is_empty() {
        (Outcome::Inconclusive, format!("inconclusive: {}", open.join(", ")))
    } else if with(Role::Required, &|_| true).is_empty() {
        (Outcome::Inconclusive, "no clause of this tier judges it".to_owned())
    } else if !shown.is_empty() {
        (Outcome::Inconclusive, format!("the control shows the same: {}", shown.join(", ")))
    } else if !not_run.is_empty() {
        (Outcome::Inconclusive, format!("control not run: {}", not_run.join(", ")))
    } else {
        (Outcome::Supported, "every required clause holds and no control shows the same".to_owned())
    };
    FindingVerdict { finding: finding.clone(), outcome, reason }
}

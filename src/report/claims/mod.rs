//! Pre-registered claims -> *supported*, *refuted* or *inconclusive*.
//!
//! The inequalities and thresholds live in `data/claims.toml`, which was committed before the
//! runs that judge them; this module only reads it, estimates each clause with its bootstrap
//! interval and says which side of the threshold the interval lies on.

mod file;
mod report;
#[cfg(test)]
mod tests;

use crate::base::{Error, Result};
use crate::report::frame::{Interval, Scores};

pub use file::{Claims, Clause, Finding, Relation, Role};
pub use report::ClaimsReport;

/// What runs say of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Ruling {
    /// The whole interval satisfies the relation.
    Supported,
    /// The whole interval violates it.
    Refuted,
    /// The interval holds both, or runs are missing.
    Inconclusive,
}

/// What became of one clause.
#[derive(Debug, Clone)]
pub struct JudgedClause {
    /// What was claimed.
    pub clause: Clause,
    /// `left - right`; `None` where runs are missing.
    pub interval: Option<Interval>,
    /// On this clause.
    pub ruling: Ruling,
    /// Why the clause is inconclusive; empty otherwise.
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

impl Claims {
    /// Judges every clause of `tier`.
    pub fn judge(&self, scores: &Scores, tier: &str) -> Result<ClaimsReport> {
        let of_tier = self.clauses.iter().filter(|clause| clause.applies_to(tier));
        let clauses: Vec<JudgedClause> =
            of_tier.map(|clause| self.judge_clause(clause, scores, tier)).collect::<Result<_>>()?;
        let findings = self.findings.iter().map(|finding| judge_finding(finding, &clauses)).collect();
        Ok(ClaimsReport { tier: tier.to_owned(), level: self.level, clauses, findings })
    }

    fn judge_clause(&self, clause: &Clause, scores: &Scores, tier: &str) -> Result<JudgedClause> {
        let judged = |interval, ruling, reason: String| {
            Ok(JudgedClause { clause: clause.clone(), interval, ruling, reason })
        };
        let found = match scores.interval(&clause.quantity()?, &self.bootstrap()) {
            Ok(found) => found,
            Err(Error::MissingRuns { what }) => {
                return judged(None, Ruling::Inconclusive, format!("no finished run {what}"));
            }
            Err(error) => return Err(error),
        };
        let needed = self.min_seeds.get(tier).copied().unwrap_or(1);
        let Interval { low, high, n_seeds, .. } = found;
        let (holds, fails) = match clause.relation {
            Relation::AtLeast => (low >= clause.threshold, high < clause.threshold),
            Relation::AtMost => (high <= clause.threshold, low > clause.threshold),
        };
        let (ruling, reason) = match (n_seeds < needed, holds, fails) {
            (true, ..) => (Ruling::Inconclusive, format!("{n_seeds} of {needed} seeds")),
            (_, true, _) => (Ruling::Supported, String::new()),
            (_, _, true) => (Ruling::Refuted, String::new()),
            _ => (Ruling::Inconclusive, "the interval holds the threshold".to_owned()),
        };
        judged(Some(found), ruling, reason)
    }
}

/// Supported: every required clause is, and no control shows the same. Refuted: a required
/// clause is. A control that was not run leaves a finding inconclusive.
fn judge_finding(finding: &Finding, clauses: &[JudgedClause]) -> JudgedFinding {
    let with = |role: Role, test: &dyn Fn(&JudgedClause) -> bool| -> Vec<&str> {
        let of_role = clauses
            .iter()
            .filter(|judged| (judged.clause.finding, judged.clause.role) == (finding.number, role));
        of_role.filter(|judged| test(judged)).map(|judged| judged.clause.id.as_str()).collect()
    };
    let refuted = with(Role::Required, &|judged| judged.ruling == Ruling::Refuted);
    let open = with(Role::Required, &|judged| judged.ruling == Ruling::Inconclusive);
    let shown = with(Role::Control, &|judged| judged.ruling == Ruling::Supported);
    let not_run = with(Role::Control, &|judged| judged.interval.is_none());
    let (ruling, reason) = if !refuted.is_empty() {
        (Ruling::Refuted, format!("refuted: {}", refuted.join(", ")))
    } else if !open.is_empty() {
        (Ruling::Inconclusive, format!("inconclusive: {}", open.join(", ")))
    } else if with(Role::Required, &|_| true).is_empty() {
        (Ruling::Inconclusive, "no clause of this tier judges it".to_owned())
    } else if !shown.is_empty() {
        (Ruling::Inconclusive, format!("the control shows the same: {}", shown.join(", ")))
    } else if !not_run.is_empty() {
        (Ruling::Inconclusive, format!("control not run: {}", not_run.join(", ")))
    } else {
        (Ruling::Supported, "every required clause holds and no control shows the same".to_owned())
    };
    JudgedFinding { finding: finding.clone(), ruling, reason }
}

//! Pre-registered claims -> *supported*, *refuted* or *inconclusive*.
//!
//! The inequalities and thresholds live in `data/claims.toml`, which was committed before the
//! runs that judge them; this module only reads it, estimates each clause with its bootstrap
//! interval and says which side of the threshold the interval lies on.

mod file;
mod report;
#[cfg(test)]
mod tests;

use itertools::Itertools;

use crate::base::{Error, Result};
use crate::report::frame::{Bootstrap, Interval, Scores};

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
        let bootstrap = Bootstrap { draws: self.draws, level: self.level };
        let found = match scores.interval(&clause.quantity()?, &bootstrap) {
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

/// Refuted: a required clause is. Supported: every required clause is, and no control, all of which were
/// run, shows the same.
fn judge_finding(finding: &Finding, clauses: &[JudgedClause]) -> JudgedFinding {
    use Role::{Control, Required};
    use Ruling::{Inconclusive, Refuted, Supported};
    type Test = fn(&JudgedClause) -> bool;
    /// What decides against a finding, the first first: that a clause of the role passes the test.
    const AGAINST: [(Role, Test, Ruling, &str); 4] = [
        (Required, |judged| judged.ruling == Refuted, Refuted, "refuted"),
        (Required, |judged| judged.ruling == Inconclusive, Inconclusive, "inconclusive"),
        (Control, |judged| judged.ruling == Supported, Inconclusive, "the control shows the same"),
        (Control, |judged| judged.interval.is_none(), Inconclusive, "control not run"),
    ];
    let of_role = |role| {
        let wanted = (finding.number, role);
        clauses.iter().filter(move |judged| (judged.clause.finding, judged.clause.role) == wanted)
    };
    let judged = |ruling, reason| JudgedFinding { finding: finding.clone(), ruling, reason };
    if of_role(Required).next().is_none() {
        return judged(Inconclusive, "no clause of this tier judges it".to_owned());
    }
    for (role, test, ruling, why) in AGAINST {
        let ids = of_role(role).filter(|judged| test(judged)).map(|judged| &judged.clause.id).join(", ");
        if !ids.is_empty() {
            return judged(ruling, format!("{why}: {ids}"));
        }
    }
    judged(Supported, "every required clause holds and no control shows the same".to_owned())
}

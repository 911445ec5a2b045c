//! The rules of version 1: the bootstrap interval decides, a control passes when it is undecided, and
//! one seed is enough where `min_seeds` says so.

use super::Ruling::{Inconclusive, Refuted, Supported};
use super::{Against, Claims, Clause, Judged, JudgedClause, Role};
use crate::report::frame::Scores;
use crate::study::Prompts;

pub(super) const AGAINST: &[Against] = &[
    (Role::Required, |judged| judged.ruling == Refuted, Refuted, "refuted"),
    (Role::Required, |judged| judged.ruling == Inconclusive, Inconclusive, "inconclusive"),
    (Role::Control, |judged| judged.ruling == Supported, Inconclusive, "the control shows the same"),
    (Role::Control, |judged| judged.interval().is_none(), Inconclusive, "control not run"),
];

impl Claims {
    pub(super) fn judge_version1(&self, clauses: &[&Clause], scores: &Scores, tier: &str) -> Judged {
        let needed = self.min_seeds.get(tier).copied().unwrap_or(1);
        let judge = |clause: &&Clause| {
            let measured = self.measure(clause, clause.metrics()[0], Prompts::Train, scores)?;
            let (ruling, reason) = match &measured.interval {
                Err(what) => (Inconclusive, format!("no finished run {what}")),
                Ok(found) if found.n_seeds < needed => {
                    (Inconclusive, format!("{} of {needed} seeds", found.n_seeds))
                }
                Ok(found) => {
                    match [found.bootstrap.0, found.bootstrap.1].map(|end| clause.excess(end) >= 0.0) {
                        [true, true] => (Supported, String::new()),
                        [false, false] => (Refuted, String::new()),
                        _ => (Inconclusive, "the interval holds the threshold".to_owned()),
                    }
                }
            };
            let (clause, measured) = ((*clause).clone(), vec![measured]);
            Ok(JudgedClause { clause, measured, p_value: None, ruling, reason })
        };
        clauses.iter().map(judge).collect()
    }
}

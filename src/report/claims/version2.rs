//! The rules of version 2.
//!
//! - Only registered seeds count, and nothing is judged before all of them were run.
//! - The crossed random-effects interval decides, by one-sided p-values at `(1 - level) / 2`: without
//!   a correction that is "the whole interval lies on one side".
//! - A clause of several metrics holds when it holds in *each* (its p-value is the largest: an
//!   intersection-union test, which needs no correction). A required clause is refuted when it fails
//!   in *any* (smallest p-value times their number: Bonferroni). A control is refuted only when it fails
//!   in each.
//! - Holm's correction runs over the required clauses of all findings: once over the p-values of
//!   holding, once over those of failing. Controls are not corrected: all of a finding's must be refuted.
//! - A finding needs every required clause supported and every control *refuted*.

use itertools::Itertools;

use super::Ruling::{Inconclusive, NotJudged, Refuted, Supported};
use super::{Against, Claims, Clause, Judged, JudgedClause, Measured, Role, Ruling};
use crate::base::Result;
use crate::report::frame::Scores;
use crate::study::Prompts;

pub(super) const AGAINST: &[Against] = &[
    (Role::Required, |judged| judged.ruling == NotJudged, NotJudged, "not judged yet"),
    (Role::Control, |judged| judged.ruling == NotJudged, NotJudged, "control not judged yet"),
    (Role::Required, |judged| judged.ruling == Refuted, Refuted, "refuted"),
    (Role::Required, |judged| judged.ruling == Inconclusive, Inconclusive, "inconclusive"),
    (Role::Control, |judged| judged.ruling == Supported, Inconclusive, "the control shows the same"),
    (Role::Control, |judged| judged.ruling != Refuted, Inconclusive, "the control is not refuted"),
];

/// The p-values of holding and of failing, or why there are none.
type Test = std::result::Result<[f64; 2], (Ruling, String)>;

impl Claims {
    pub(super) fn judge_version2(&self, clauses: &[&Clause], scores: &Scores, tier: &str) -> Judged {
        let registered = self.seeds.get(tier);
        let counts = |seed: &u64| registered.is_none_or(|seeds| seeds.contains(seed));
        let scores = Scores(scores.0.iter().filter(|(_, seed, _)| counts(seed)).cloned().collect());
        let mut judged = Vec::new();
        for clause in clauses {
            let scores = clause.asked(&scores);
            let measure = |prompts| -> Result<Vec<Measured>> {
                let metrics = clause.metrics().iter();
                metrics.map(|metric| self.measure(clause, *metric, prompts, &scores)).collect()
            };
            let mut measured = measure(Prompts::Train)?;
            let test = match registered {
                None => Err((NotJudged, format!("tier `{tier}` has no registered seeds"))),
                Some(seeds) => Claims::test(clause, &measured, seeds.len()),
            };
            measured.extend(measure(Prompts::HeldOut)?.into_iter().filter(|other| other.interval.is_ok()));
            judged.push((*clause, measured, test));
        }
        let required = judged.iter().positions(|(clause, ..)| clause.role == Role::Required).collect_vec();
        // What cannot be tested has a place in the family all the same.
        let family = |which: usize| {
            holm(&required.iter().map(|at| judged[*at].2.as_ref().map_or(1.0, |p| p[which])).collect_vec())
        };
        let corrected = [family(0), family(1)];
        let rule = |(at, (clause, measured, test)): (usize, (&Clause, Vec<Measured>, Test))| {
            let place = required.iter().position(|other| *other == at);
            let (p_value, (ruling, reason)) = match test {
                Err(undecided) => (None, undecided),
                Ok(alone) => {
                    let p = place.map_or(alone, |place| [0, 1].map(|which| corrected[which][place]));
                    (Some(p[0]), self.rule(alone, p))
                }
            };
            JudgedClause { clause: clause.clone(), measured, p_value, ruling, reason }
        };
        Ok(judged.into_iter().enumerate().map(rule).collect())
    }

    /// What `clause` was found to be, before any correction for other clauses.
    fn test(clause: &Clause, measured: &[Measured], needed: usize) -> Test {
        let missing = measured.iter().find_map(|measured| measured.interval.as_ref().err());
        let found = || measured.iter().filter_map(|measured| measured.interval.as_ref().ok());
        let n_seeds = found().map(|found| found.n_seeds).min().filter(|_| missing.is_none()).unwrap_or(0);
        if n_seeds < needed {
            let why = missing.map_or_else(String::new, |what| format!(": no finished run {what}"));
            return Err((NotJudged, format!("{n_seeds} of {needed} seeds{why}")));
        }
        let holds = found().map(|found| found.spread.p_value(clause.excess(found.value)));
        let fails = found().map(|found| found.spread.p_value(-clause.excess(found.value)));
        let fails = match clause.role {
            Role::Control => fails.fold(0.0, f64::max),
            _ => (fails.fold(1.0, f64::min) * measured.len() as f64).min(1.0),
        };
        Ok([holds.fold(0.0, f64::max), fails])
    }

    /// `alone` and `corrected` are p-values of holding and of failing.
    fn rule(&self, alone: [f64; 2], corrected: [f64; 2]) -> (Ruling, String) {
        // Half of what the interval leaves out, give or take rounding.
        let limit = (1.0 - self.level) / 2.0 + 1e-12;
        match (corrected.map(|p| p <= limit), alone.map(|p| p <= limit)) {
            ([true, _], _) => (Supported, String::new()),
            ([_, true], _) => (Refuted, String::new()),
            (_, [true, _]) => (Inconclusive, "holds alone, but not after Holm's correction".to_owned()),
            (_, [_, true]) => (Inconclusive, "fails alone, but not after Holm's correction".to_owned()),
            _ => (Inconclusive, "neither shown to hold nor to fail".to_owned()),
        }
    }
}

/// Holm's step-down correction: the smallest of n p-values times n, the next times n - 1, and so on, none
/// below the one before it or above 1.
pub(super) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut corrected = vec![1.0; p_values.len()];
    let mut before = 0.0_f64;
    for (rank, at) in (0..p_values.len()).sorted_by(|a, b| p_values[*a].total_cmp(&p_values[*b])).enumerate()
    {
        before = before.max(p_values[at] * (p_values.len() - rank) as f64).min(1.0);
        corrected[at] = before;
    }
    corrected
}

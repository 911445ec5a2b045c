//! Can a control be refuted at all? Before registration, each control's test is simulated at effect 0.

use std::fmt::Display;

use itertools::Itertools;

use super::{Claims, Relation, Role};
use crate::base::{Error, Result, Seed};
use crate::report::frame::{Scores, quantile};
use crate::report::table::Table;
use crate::study::Prompts;

/// Simulated studies a control.
const STUDIES: usize = 2000;

impl Claims {
    /// For each control and metric that `scores`, a pilot, has: the standard deviations of its effects there,
    /// the power to refute it if the true effect is 0, in a study of `n_seeds` seeds and (for a set) `n_problems`
    /// problems, as many as the pilot asked where `None`; and the margin that is refuted with a power
    /// of .8. One row a control and metric; pass rates in percentage points.
    pub fn power(&self, scores: &Scores, n_seeds: usize, n_problems: Option<usize>) -> Result<Table> {
        if n_seeds < 2 || n_problems.is_some_and(|n_problems| n_problems < 2) {
            return Err(Error::config("power", "needs two seeds and two problems at least"));
        }
        let names = ["control", "metric", "seed", "problem", "residual", "margin", "power", "margin for .8"];
        let (mut rows, mut rng) = (Vec::new(), Seed::new(2406).child("power").stream("studies"));
        for clause in self.clauses.iter().filter(|clause| clause.role == Role::Control) {
            for metric in clause.metrics() {
                let quantity = clause.quantity(*metric, Prompts::Train, scores)?;
                let mut found = match scores.contributions(&quantity) {
                    Err(Error::MissingRuns { .. }) => continue,
                    found => found?.components(),
                };
                for set in &mut found.sets {
                    set.n_problems = n_problems.unwrap_or(set.n_problems);
                }
                let highs = found.upper_ends(n_seeds, self.level, STUDIES, &mut rng);
                let margin = clause.threshold * if clause.relation == Relation::AtLeast { 1.0 } else { -1.0 };
                let power = highs.iter().filter(|high| **high < margin).count() as f64 / highs.len() as f64;
                let points = |rate: f64| format!("{:.1}", 100.0 * rate);
                let deviation = |variance: f64| points(variance.max(0.0).sqrt());
                let cells: [&dyn Display; 8] = [
                    &clause.id,
                    metric,
                    &deviation(found.seed),
                    &found.sets.iter().map(|set| deviation(set.problem)).join(", "),
                    &found.sets.iter().map(|set| deviation(set.residual)).join(", "),
                    &points(margin),
                    &format!("{power:.2}"),
                    &points(quantile(&highs, 0.8).unwrap_or(f64::NAN)),
                ];
                rows.push(cells.map(ToString::to_string).to_vec());
            }
        }
        if rows.is_empty() {
            return Err(Error::MissingRuns { what: "of a control's arms".to_owned() });
        }
        let problems =
            n_problems.map_or("as many as the pilot".to_owned(), |n_problems| n_problems.to_string());
        let caption =
            format!("Power to refute controls at effect 0: {n_seeds} seeds, problems a set: {problems}");
        Ok(Table { caption, names: names.map(Into::into).to_vec(), rows })
    }
}

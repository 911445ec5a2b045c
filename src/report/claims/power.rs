//! Can a control be refuted at all? Before registration, each control's test is simulated at effect 0.

use super::{Claims, Relation, Role};
use crate::base::{Error, Result, Seed};
use crate::data::text_table;
use crate::report::frame::{Scores, quantile};
use crate::study::Prompts;

/// Simulated studies a control.
const STUDIES: usize = 2000;

impl Claims {
    /// For each control and metric that `scores`, a pilot, has: the power to refute it if its true effect is
    /// 0, in a study of `n_seeds` seeds and `n_problems` problems a set, and the margin (in percentage points)
    /// that would be refuted with a power of .8. Lines of a table.
    ///
    /// # Errors
    /// `Error::Config` for less than two seeds or problems, `Error::MissingRuns` where the pilot has no control.
    pub fn power(&self, scores: &Scores, n_seeds: usize, n_problems: usize) -> Result<String> {
        if n_seeds < 2 || n_problems < 2 {
            return Err(Error::config("power", "needs two seeds and two problems at least"));
        }
        let mut rows = vec![["control", "metric", "margin", "power", "margin for .8"].map(String::from)];
        let mut rng = Seed::new(2406).child("power").stream("studies");
        for clause in self.clauses.iter().filter(|clause| clause.role == Role::Control) {
            let scores = clause.asked(scores);
            for metric in clause.metrics() {
                let quantity = clause.quantity(*metric, Prompts::Train, &scores)?;
                let mut found = match scores.contributions(&quantity) {
                    Err(Error::MissingRuns { .. }) => continue,
                    found => found?.components(),
                };
                found.sets.iter_mut().for_each(|set| set.n_problems = n_problems);
                let highs = found.upper_ends(n_seeds, self.level, STUDIES, &mut rng);
                let margin =
                    if clause.relation == Relation::AtLeast { clause.threshold } else { -clause.threshold };
                let power = highs.iter().filter(|high| **high < margin).count() as f64 / highs.len() as f64;
                let points = |rate: f64| format!("{:.1}", 100.0 * rate);
                let enough = points(quantile(&highs, 0.8).unwrap_or(f64::NAN));
                rows.push([
                    clause.id.clone(),
                    metric.to_string(),
                    points(margin),
                    format!("{power:.2}"),
                    enough,
                ]);
            }
        }
        if rows.len() == 1 {
            return Err(Error::MissingRuns { what: "of a control's arms".to_owned() });
        }
        Ok(text_table(&rows, 2..5))
    }
}

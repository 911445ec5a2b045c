//! RL against SFT on the same prompts at equal budgets: of tokens, operations, seconds.

use itertools::Itertools;

use super::Table;
use crate::base::{Error, Result};
use crate::data::Set;
use crate::report::frame::{Bootstrap, Cell, Decode, Quantity, Scores, stage_number};
use crate::study::{Cost, FINAL_STAGE, FinishedRun, Runs};

/// SFT whose evaluations are a path: where it begins, and where it goes on.
const PATH: [&str; 2] = ["sft-start", "sft-more"];
/// What is compared with it, each with the arms that it rests on beyond the base model.
const RL: [&[&str]; 2] = [&["sft-start", "sft-rl"], &["rl-base"]];

/// A resource: what it is, its unit, and how much of it training took.
type Resource = (&'static str, &'static str, fn(&Cost) -> f64);

const RESOURCES: [Resource; 3] = [
    ("tokens trained and sampled", "million", |cost| {
        (cost.tokens_trained + cost.tokens_sampled) as f64 / 1e6
    }),
    ("operations", "10^12", |cost| cost.flops / 1e12),
    ("seconds of training", "s", |cost| cost.seconds),
];

/// A point of the path: steps of SFT, what they took, and the arm and stage that was evaluated there.
struct At<'a> {
    steps: f64,
    spent: f64,
    arm: &'a str,
    stage: String,
}

impl Runs {
    /// Each arm of RL against SFT on the same prompts when that has spent as much: one row an arm and resource, with
    /// the budget, how long SFT had been trained by then, and the differences of the pass rates in the target domain
    /// in points, with 95% intervals. SFT between two of its evaluations is read off the line between them. SFT needs
    /// no programs to be judged, so there is no row of that.
    ///
    /// # Errors
    /// `Error::MissingRuns` where the path of SFT or all of RL was not run.
    pub fn budgets(&self) -> Result<Table> {
        let scores = Scores(self.outcomes()?);
        let mut rows = Vec::new();
        for (arms, (what, unit, of)) in RL.into_iter().cartesian_product(RESOURCES) {
            let Some(budget) = arms.iter().map(|arm| self.spent(arm, of)).sum::<Option<f64>>() else {
                continue;
            };
            let arm = arms[arms.len() - 1];
            let path = self.path(&scores, of)?;
            let after = path.iter().position(|at| at.spent >= budget).unwrap_or(path.len());
            let (earlier, later) = (&path[after.max(1) - 1], &path[after.min(path.len() - 1)]);
            let share = if later.spent > earlier.spent {
                ((budget - earlier.spent) / (later.spent - earlier.spent)).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let steps = earlier.steps + share * (later.steps - earlier.steps);
            let beyond = if after == path.len() { ", its end" } else { "" };
            let mut row =
                vec![arm.to_owned(), format!("{budget:.1} {unit} ({what})"), format!("{steps:.0}{beyond}")];
            for decode in [Decode::Greedy, Decode::Sampled] {
                let rate = |arm: &str, stage: &str| {
                    let stage = stage.to_owned();
                    Quantity::Rate(Cell { stage, decode, ..Cell::at_end(arm, Set::CompositeB) })
                };
                let part = |at: &At, share| Quantity::Scaled(share, Box::new(rate(at.arm, &at.stage)));
                let difference =
                    rate(arm, FINAL_STAGE).minus(part(earlier, 1.0 - share)).minus(part(later, share));
                let found = scores.interval(&difference, &Bootstrap { draws: 1, ..Bootstrap::standard() })?;
                let [value, low, high] = [found.value, found.low, found.high].map(|rate| 100.0 * rate);
                row.push(format!("{value:+.1} [{low:+.1}, {high:+.1}]"));
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(Error::MissingRuns { what: "is of RL".to_owned() });
        }
        let names = ["arm", "budget", "steps of SFT", "greedy", "sampled"].map(String::from).into();
        Ok(Table { caption: String::new(), names, rows })
    }

    /// What training of `arm` took, the mean over its seeds.
    fn spent(&self, arm: &str, of: fn(&Cost) -> f64) -> Option<f64> {
        let runs = self.of_arm(arm);
        let sum: f64 = runs.iter().map(|run| of(&run.record.facts.cost)).sum();
        (!runs.is_empty()).then(|| sum / runs.len() as f64)
    }

    /// The evaluations of SFT, from the base model on. Every step of an arm takes as much.
    fn path(&self, scores: &Scores, of: fn(&Cost) -> f64) -> Result<Vec<At<'_>>> {
        let missing = |arm: &str| Error::MissingRuns { what: format!("is of arm `{arm}`") };
        let mut path = vec![At { steps: 0.0, spent: 0.0, arm: "base", stage: FINAL_STAGE.to_owned() }];
        for arm in PATH {
            let (runs, spent) = (self.of_arm(arm), self.spent(arm, of).ok_or_else(|| missing(arm))?);
            let steps = |run: &&FinishedRun| run.spec.config["training"]["steps"].as_f64();
            let steps = runs.first().and_then(steps).ok_or_else(|| missing(arm))?;
            let (done, before) = path.last().map_or((0.0, 0.0), |at| (at.steps, at.spent));
            for stage in scores.stages(arm) {
                let own = if stage == FINAL_STAGE { steps } else { stage_number(stage) as f64 - done };
                let (steps, spent) = (done + own, before + spent * own / steps);
                path.push(At { steps, spent, arm, stage: stage.to_owned() });
            }
        }
        Ok(path)
    }
}

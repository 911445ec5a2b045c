//! What a study would train, in which order, and how long that takes on this machine: reckoned from runs
//! that were finished here, or else from a few steps that are taken and timed.

use std::collections::HashMap;
use std::time::Instant;

use itertools::Itertools;
use serde::Serialize;

use super::fan_out::{pool, threads_of_a_run};
use super::{Arm, Cost, FinishedRun, Study};
use crate::base::{Result, Seed, say};
use crate::study::evaluate::{evaluate, questions};
use crate::study::store::FINAL_STAGE;

/// Steps that are timed, after one that is not.
const TIMED_STEPS: usize = 2;
/// Questions whose answers are timed.
const TIMED_QUESTIONS: usize = 48;

/// A run that there is or would be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedRun {
    /// The arm's name.
    pub arm: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// Of settings, data and parent. Its first 12 digits name the run's folder.
    pub hash: String,
    /// The hash of the run whose model it starts from.
    pub parent: Option<String>,
    /// Training steps.
    pub steps: usize,
    /// Its record is in this machine's run store.
    pub finished: bool,
    /// Wall-clock seconds it is expected to take; 0 once it is finished, `None` where nothing says.
    pub seconds: Option<f64>,
    /// What that is reckoned from; empty where nothing is.
    pub basis: String,
}

/// Runs in an order in which parents come before their children, and what they take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudyPlan {
    /// Seed by seed, as they were asked for; within a seed in the order of `data/arms.toml`.
    pub runs: Vec<PlannedRun>,
    /// Runs at a time.
    pub jobs: usize,
    /// Threads of each.
    pub threads: usize,
    /// Wall-clock hours for what is not finished, `jobs` at a time; `None` where nothing says.
    pub hours: Option<f64>,
}

impl Study {
    /// The runs of the arms that `names` stand for (see [`super::Arms::select`]) at `seeds`, and those
    /// that they start from. Nothing is trained.
    pub fn planned(&self, names: &[String], seeds: &[u64]) -> Result<Vec<PlannedRun>> {
        let mut wanted = Vec::new();
        for name in names {
            wanted.extend(self.arms.select(name)?);
        }
        let wanted = wanted.into_iter().flat_map(|arm| self.arms.lineage(arm));
        let wanted: Vec<&str> = wanted.map(|arm| arm.name.as_str()).collect();
        let arms = self.arms.all().iter().filter(|arm| wanted.contains(&arm.name.as_str()));
        let planned = |(seed, arm): (&u64, &Arm)| {
            let spec = self.spec(arm, *seed)?;
            let finished = self.store.find(&spec)?.is_some();
            Ok(PlannedRun {
                hash: spec.hash(),
                parent: spec.parent,
                arm: spec.arm,
                seed: spec.seed,
                steps: self.plan(arm).steps,
                seconds: finished.then_some(0.0),
                basis: String::new(),
                finished,
            })
        };
        seeds.iter().unique().cartesian_product(arms).map(planned).collect()
    }

    /// [`Study::planned`] with the time that each run takes when `jobs` run at a time: the median of finished
    /// runs of the same tier and arm on this machine, scaled by steps and threads; where there is none and
    /// `calibrate` allows it, a few steps and answers are timed with a model that has learned nothing: about a
    /// minute of CPU at the quick tier. Such a model's answers run to the longest, so that is rather too much.
    pub fn schedule(
        &self,
        names: &[String],
        seeds: &[u64],
        jobs: usize,
        calibrate: bool,
    ) -> Result<StudyPlan> {
        let threads = threads_of_a_run(jobs)?;
        let mut runs = self.planned(names, seeds)?;
        let mut earlier = self.store.all_runs()?;
        earlier.retain(|run| run.record.tier == self.tier.name);
        let mut timed: HashMap<&str, [f64; 2]> = HashMap::new();
        for run in runs.iter_mut().filter(|run| !run.finished) {
            let (arm, plan) = (self.arms.arm(&run.arm)?, self.plan(self.arms.arm(&run.arm)?));
            if let Some((seconds, basis)) = from_earlier(&earlier, arm, plan.steps, threads) {
                (run.seconds, run.basis) = (Some(seconds), basis);
            } else if calibrate {
                if !timed.contains_key(plan.kind) {
                    timed.insert(plan.kind, pool(threads)?.install(|| self.time(arm))?);
                }
                let [step, evaluation] = timed[plan.kind];
                let evaluations = plan.stages.len() as f64 + 1.0;
                run.seconds = Some(plan.steps as f64 * step + evaluations * evaluation);
                run.basis = "a few timed steps".to_owned();
            }
        }
        let hours = makespan(&runs, jobs).map(|seconds| seconds / 3600.0);
        Ok(StudyPlan { runs, jobs, threads, hours })
    }

    /// Seconds of a step of `arm` and of an evaluation, with a model that has learned nothing.
    fn time(&self, arm: &Arm) -> Result<[f64; 2]> {
        say(&format!("plan: timing a few steps of {}", arm.name));
        let (config, seed) = (&self.tier.eval, Seed::new(0).child("timing"));
        let start = |_| self.new_model(seed);
        let mut method = (self.plan(arm).start)(start(1)?, &start, None)?;
        method.train(seed, 0..1, &mut |_, _| Ok(()))?;
        let started = Instant::now();
        method.train(seed, 1..1 + TIMED_STEPS, &mut |_, _| Ok(()))?;
        let step = started.elapsed().as_secs_f64() / TIMED_STEPS as f64;
        let all = questions(&self.dataset, config);
        let n_questions = all.len();
        let asked = all.into_iter().step_by(n_questions.div_ceil(TIMED_QUESTIONS).max(1)).collect_vec();
        let started = Instant::now();
        evaluate(method.model(), self.court(), &asked, FINAL_STAGE, config, seed, &mut Cost::default())?;
        let share = asked.len() as f64 / n_questions as f64;
        Ok([step, started.elapsed().as_secs_f64() / share])
    }
}

/// The median time of those runs of `arm` whose number of threads is nearest to `threads`, as if they had had
/// `steps` steps and `threads` threads; and how many they are.
fn from_earlier(earlier: &[FinishedRun], arm: &Arm, steps: usize, threads: usize) -> Option<(f64, String)> {
    let threads_of =
        |run: &FinishedRun| -> Option<usize> { run.record.facts.environment.get("threads")?.parse().ok() };
    let of_arm = earlier.iter().filter(|run| run.record.arm == arm.name);
    let nearest =
        of_arm.min_set_by_key(|run| threads_of(run).map_or(usize::MAX, |had| had.abs_diff(threads)));
    let seconds = nearest.iter().filter_map(|run| {
        let had = run.spec.config["training"]["steps"].as_f64()? * threads as f64;
        Some(run.record.facts.seconds() * (steps * threads_of(run)?) as f64 / had)
    });
    let seconds = seconds.sorted_by(f64::total_cmp).collect_vec();
    Some((*seconds.get(seconds.len() / 2)?, format!("{} finished runs", seconds.len())))
}

/// Seconds that `jobs` at a time take if none waits for work: the longest chain of children, or an even share of
/// the whole, whichever is more.
fn makespan(runs: &[PlannedRun], jobs: usize) -> Option<f64> {
    let (mut ends, mut total) = (HashMap::new(), 0.0);
    for run in runs {
        let begin = run.parent.as_ref().and_then(|parent| ends.get(parent)).unwrap_or(&0.0);
        ends.insert(&run.hash, begin + run.seconds?);
        total += run.seconds?;
    }
    ends.into_values().max_by(f64::total_cmp).map(|longest| longest.max(total / jobs as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(hash: &str, parent: Option<&str>, seconds: Option<f64>) -> PlannedRun {
        PlannedRun {
            arm: hash.to_owned(),
            seed: 0,
            hash: hash.to_owned(),
            parent: parent.map(str::to_owned),
            steps: 1,
            finished: seconds == Some(0.0),
            seconds,
            basis: String::new(),
        }
    }

    #[test]
    fn time_runs_along_the_parents_and_side_by_side() {
        // By hand: a chain of 1 + 2 + 4, another child of 3 of its first, and 3 alone.
        let runs = [
            run("a", None, Some(1.0)),
            run("b", Some("a"), Some(2.0)),
            run("c", Some("b"), Some(4.0)),
            run("d", Some("a"), Some(3.0)),
            run("e", None, Some(3.0)),
        ];
        let of = |jobs| makespan(&runs, jobs);
        assert_eq!((of(1), of(2), of(5)), (Some(13.0), Some(7.0), Some(7.0)));
        assert_eq!(makespan(&[run("a", None, Some(0.0)), run("b", Some("a"), Some(2.0))], 1), Some(2.0));
        assert_eq!(makespan(&[run("a", None, None)], 1), None);
    }
}

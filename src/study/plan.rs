//! What a study would train, in which order, and how long that takes on this machine: reckoned from runs
//! that were finished here, or else from a few steps that are taken and timed.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use itertools::Itertools;
use serde::Serialize;

use super::fan_out::{pool, threads_of_a_run};
use super::run::Plan;
use super::{Arm, Cost, FinishedRun, Study};
use crate::base::{Result, Seed};
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
    /// What that is reckoned from.
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
        let parent = |arm: &&Arm| arm.parent.as_ref().and_then(|name| self.arms.arm(name).ok());
        let wanted = wanted.into_iter().flat_map(|arm| std::iter::successors(Some(arm), parent));
        let wanted: Vec<&str> = wanted.map(|arm| arm.name.as_str()).collect();
        let arms = self.arms.all().iter().filter(|arm| wanted.contains(&arm.name.as_str()));
        let planned = |(seed, arm): (&u64, &Arm)| {
            let spec = self.spec(arm, *seed)?;
            Ok(PlannedRun {
                finished: self.store.find(&spec)?.is_some(),
                hash: spec.hash(),
                parent: spec.parent,
                arm: spec.arm,
                seed: spec.seed,
                steps: self.plan(arm).steps,
                seconds: None,
                basis: String::new(),
            })
        };
        seeds.iter().unique().cartesian_product(arms).map(planned).collect()
    }

    /// [`Study::planned`] with the time that each run takes when `jobs` run at a time: that of finished runs of
    /// the same tier and arm (else of as many steps of its kind) on this machine; where there is none and
    /// `calibrate` allows it, a few steps and answers are timed with a model that has learned nothing, within
    /// a minute. Such a model's answers run to the longest, so that is rather too much.
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
        let mut stopwatch = Stopwatch { study: self, threads, timed: HashMap::new() };
        for run in &mut runs {
            let arm = self.arms.arm(&run.arm)?;
            let (seconds, basis) = match self.from_earlier(arm, &earlier, threads) {
                _ if run.finished => (Some(0.0), String::new()),
                Some((seconds, basis)) => (Some(seconds), basis),
                None if calibrate => (Some(stopwatch.seconds(arm)?), "a few timed steps".to_owned()),
                None => (None, "nothing yet".to_owned()),
            };
            (run.seconds, run.basis) = (seconds, basis);
        }
        let hours = makespan(&runs, jobs).map(|seconds| seconds / 3600.0);
        Ok(StudyPlan { runs, jobs, threads, hours })
    }

    /// The median over `earlier` runs of the arm or, failing that, of as many steps of its kind: scaled by the
    /// steps, and by the threads where none had as many.
    fn from_earlier(&self, arm: &Arm, earlier: &[FinishedRun], threads: usize) -> Option<(f64, String)> {
        let plan = self.plan(arm);
        let alike = |run: &&FinishedRun| {
            let other = self.arms.arm(&run.record.arm).map(|arm| self.plan(arm));
            other.is_ok_and(|other| {
                (other.kind, steps(run), other.early_stages())
                    == (plan.kind, Some(plan.steps as u64), plan.early_stages())
            })
        };
        let own = earlier.iter().filter(|run| run.record.arm == arm.name).collect_vec();
        let (found, what) = if own.is_empty() {
            (earlier.iter().filter(alike).collect(), "runs of its kind")
        } else {
            (own, "runs of the arm")
        };
        let same = found.iter().filter(|run| threads_of(run) == threads).count();
        let used = found.into_iter().filter(|run| same == 0 || threads_of(run) == threads);
        let seconds = used.filter_map(|run| {
            let scale = plan.steps as f64 / steps(run)? as f64 * threads_of(run) as f64 / threads as f64;
            Some(run.record.facts.cost.seconds * scale)
        });
        let seconds = seconds.sorted_by(f64::total_cmp).collect_vec();
        let scaled = if same == 0 { ", scaled by threads" } else { "" };
        let median = seconds.get(seconds.len() / 2)?;
        Some((*median, format!("{} finished {what}{scaled}", seconds.len())))
    }
}

/// Training steps of a finished run, as its settings have them.
fn steps(run: &FinishedRun) -> Option<u64> {
    run.spec.config["training"]["steps"].as_u64().filter(|steps| *steps > 0)
}

/// Threads that a finished run had when it ended.
fn threads_of(run: &FinishedRun) -> usize {
    let recorded = run.record.facts.environment.get("threads");
    recorded.and_then(|threads| threads.parse().ok()).unwrap_or(1)
}

/// Times what runs are made of, each kind of step once.
struct Stopwatch<'a> {
    study: &'a Study,
    threads: usize,
    timed: HashMap<&'static str, f64>,
}

impl Stopwatch<'_> {
    /// What a run of `arm` would take: its steps, and its evaluations.
    fn seconds(&mut self, arm: &Arm) -> Result<f64> {
        let (study, threads) = (self.study, self.threads);
        let Plan { kind, steps, .. } = study.plan(arm);
        let evaluations = study.plan(arm).early_stages().len() + 1;
        let mut time = |what, measure: &(dyn Fn() -> Result<f64> + Sync)| -> Result<f64> {
            if let Some(seconds) = self.timed.get(what) {
                return Ok(*seconds);
            }
            eprintln!("plan: timing a few steps of {what}");
            let seconds = pool(threads)?.install(measure)?;
            self.timed.insert(what, seconds);
            Ok(seconds)
        };
        let step = time(kind, &|| study.time_of_a_step(arm))?;
        let evaluation = time("evaluation", &|| study.time_of_an_evaluation())?;
        Ok(steps as f64 * step + evaluations as f64 * evaluation)
    }
}

impl Study {
    fn time_of_a_step(&self, arm: &Arm) -> Result<f64> {
        let (plan, seed) = (self.plan(arm), Seed::new(0).child("timing"));
        let start = || self.new_model(seed);
        let mut method = (plan.start)(start()?, &start, None)?;
        method.train(seed, 0..1, &mut |_, _| Ok(()))?;
        let started = Instant::now();
        method.train(seed, 1..1 + TIMED_STEPS, &mut |_, _| Ok(()))?;
        Ok(started.elapsed().as_secs_f64() / TIMED_STEPS as f64)
    }

    fn time_of_an_evaluation(&self) -> Result<f64> {
        let (config, seed) = (&self.tier.eval, Seed::new(0).child("timing"));
        let all = questions(&self.dataset, config);
        let share = all.len().div_ceil(TIMED_QUESTIONS).max(1);
        let n_questions = all.len() as f64;
        let some = all.into_iter().step_by(share).collect_vec();
        let model = self.new_model(seed)?;
        let started = Instant::now();
        evaluate(&model, self.court(), &some, FINAL_STAGE, config, seed, &mut Cost::default())?;
        Ok(started.elapsed().as_secs_f64() * n_questions / some.len() as f64)
    }
}

/// Seconds until the last run has ended, when `jobs` run at a time and of those that can begin the first
/// begins.
fn makespan(runs: &[PlannedRun], jobs: usize) -> Option<f64> {
    let mut free_at = vec![0.0_f64; jobs];
    let mut ends: BTreeMap<&str, f64> = BTreeMap::new();
    let mut waiting = runs.iter().collect_vec();
    while !waiting.is_empty() {
        let ready = |run: &PlannedRun| match &run.parent {
            Some(hash) => ends.get(hash.as_str()).copied().unwrap_or(f64::INFINITY),
            None => 0.0,
        };
        let worker = free_at.iter().position_min_by(|a, b| a.total_cmp(b))?;
        let begin = |run: &PlannedRun| ready(run).max(free_at[worker]);
        let next = waiting.iter().position_min_by(|a, b| begin(a).total_cmp(&begin(b)))?;
        let end = begin(waiting[next]) + waiting[next].seconds?;
        let run = waiting.remove(next);
        ends.insert(&run.hash, end);
        if !run.finished {
            free_at[worker] = end;
        }
    }
    ends.into_values().max_by(f64::total_cmp).or(Some(0.0))
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
        // By hand: a chain of 1 + 2 + 4 beside two of 3.
        let runs = [
            run("a", None, Some(1.0)),
            run("b", Some("a"), Some(2.0)),
            run("c", Some("b"), Some(4.0)),
            run("d", Some("a"), Some(3.0)),
            run("e", None, Some(3.0)),
        ];
        let of = |jobs| makespan(&runs, jobs);
        assert_eq!((of(1), of(2), of(5)), (Some(13.0), Some(7.0), Some(7.0)));
        assert_eq!(makespan(&[], 2), Some(0.0));
        assert_eq!(makespan(&[run("a", None, Some(0.0)), run("b", Some("a"), Some(2.0))], 1), Some(2.0));
        assert_eq!(makespan(&[run("a", None, None)], 1), None);
    }
}

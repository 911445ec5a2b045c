//! The sandbox itself: starts the locks and the workers, and compares what programs answer with what
//! was expected.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::canary::try_attacks;
use super::isolation::{Isolation, IsolationLevel};
use super::locks::Locks;
use super::python;
use super::start_state;
use super::value::PyValue;
use super::verdict::{CaseOutput, CaseWord, Job, Verdict};
use super::wire::{CaseAnswer, Request, check_expected};
use super::worker::{Pending, Ran, Workers};
use super::zygote::ZygoteSetup;
use crate::base::{Error, Result};

/// More processes than that are a slip of the keyboard.
const MAX_WORKERS: usize = 256;

/// How a [`Sandbox`] is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxConfig {
    /// Programs that run at the same time: one zygote each.
    pub workers: usize,
    /// Anything weaker is refused at start.
    pub require: IsolationLevel,
    /// The `python3` to use; `None` takes the one on the `PATH`.
    pub python: Option<PathBuf>,
    /// A zygote that says nothing for so long is replaced (it speaks every second).
    pub silence: Duration,
}

impl SandboxConfig {
    /// Full isolation, and the `python3` on the `PATH`.
    pub fn strict(workers: usize) -> Self {
        let silence = Duration::from_secs(10);
        SandboxConfig { workers, require: IsolationLevel::Full, python: None, silence }
    }

    /// [`SandboxConfig::strict`] with one worker a processor.
    pub fn for_this_machine() -> Self {
        Self::strict(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// The sandbox. Share it by reference between threads; dropping it ends all its processes.
pub struct Sandbox {
    pub(super) workers: Workers,
    isolation: Isolation,
}

impl Sandbox {
    /// Prepares the locks, starts the zygotes, and tries the canary attacks.
    ///
    /// # Errors
    /// No usable Python, weaker locks than the config requires, or a canary attack that did not get its word.
    pub fn start(config: &SandboxConfig) -> Result<Sandbox> {
        if !(1..=MAX_WORKERS).contains(&config.workers) {
            return Err(Error::config(
                "workers",
                format!("from 1 to {MAX_WORKERS}: each is a Python of its own"),
            ));
        }
        start_state::check_limits().map_err(Error::Sandbox)?;
        let python = python::find(config.python.as_deref())?;
        let locks = Locks::prepare(python, config.require)?;
        let isolation = locks.isolation.clone();
        let setup = ZygoteSetup { locks, silence: config.silence };
        let workers = Workers::start(setup, config.workers).map_err(Error::Sandbox)?;
        let mut sandbox = Sandbox { workers, isolation };
        if sandbox.workers.without_access_times {
            sandbox.isolation.enforced.push("no access times of files".to_owned());
        }
        sandbox.isolation.canaries = try_attacks(sandbox.isolation.level, |jobs| sandbox.judge(jobs));
        match sandbox.isolation.canaries.iter().find(|canary| !canary.held) {
            None => Ok(sandbox),
            Some(canary) => Err(Error::Sandbox(format!(
                "the canary \"{}\" ended as `{}`: what this sandbox promises does not hold here",
                canary.name, canary.word
            ))),
        }
    }

    /// Judges programs, spread over the workers. Verdicts come in the order of the jobs.
    pub fn judge(&self, jobs: &[Job]) -> Vec<Verdict> {
        let judge_one = |(job, pending): (&Job, Result<(Pending, Vec<PyValue>), String>)| match pending {
            Ok((pending, expected)) => verdict(pending.wait(), &expected, job.stop_at_first_failure),
            Err(why) => Verdict::Infra(format!("bad job: {why}")),
        };
        let start = |job| expected_values(job).map(|expected| (self.submit(job), expected));
        let pending: Vec<_> = jobs.iter().map(start).collect();
        jobs.iter().zip(pending).map(judge_one).collect()
    }

    /// Runs trusted programs for what they return (`expected` is ignored). `Err`: the sandbox failed.
    ///
    /// A value that JSON cannot hold (a tuple, an integer beyond 64 bits, NaN) is `malformed`.
    pub fn outputs(&self, jobs: &[Job]) -> Vec<Result<Vec<CaseOutput>, String>> {
        let output = |answer: CaseAnswer| {
            let value = answer.and_then(|value| value.to_serde().ok_or(CaseWord::Malformed));
            value.map_or_else(CaseOutput::Failed, CaseOutput::Value)
        };
        let pending: Vec<Pending> = jobs.iter().map(|job| self.submit(job)).collect();
        let all = |pending: Pending| Ok(pending.wait()?.answers.into_iter().map(output).collect());
        pending.into_iter().map(all).collect()
    }

    /// What is enforced here, for `doctor` and for run records.
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    fn submit(&self, job: &Job) -> Pending {
        let payload = json!([job.program, job.entry, job.inputs]).to_string().into_bytes();
        self.workers.submit(Request::new(&payload, job.inputs.len(), job.limits))
    }
}

/// What the answers of a job are compared with; an error where no program could pass it.
fn expected_values(job: &Job) -> Result<Vec<PyValue>, String> {
    let (inputs, expected) = (job.inputs.len(), job.expected.len());
    if inputs != expected {
        return Err(format!("{inputs} inputs but {expected} expected values"));
    }
    let values = job.expected.iter().map(PyValue::from_serde).collect::<Result<Vec<_>, _>>();
    let values = values.map_err(|why| format!("an expected value is {why}"))?;
    check_expected(&values).map(|()| values)
}

/// Compares answers with what was expected: the only place where `pass` comes from.
pub(super) fn verdict(ran: Ran, expected: &[PyValue], stop_at_first_failure: bool) -> Verdict {
    let answered = match ran {
        Ok(answered) => answered,
        Err(why) => return Verdict::Infra(why),
    };
    let mut stopped = false;
    let word = |(answer, expected): (&_, &PyValue)| {
        let word = match answer {
            _ if stopped => CaseWord::NotRun,
            Ok(value) if PyValue::same(value, expected) => CaseWord::Pass,
            Ok(_) => CaseWord::WrongAnswer,
            Err(word) => *word,
        };
        stopped |= stop_at_first_failure && word != CaseWord::Pass;
        word
    };
    Verdict::Cases(answered.answers.iter().zip(expected).map(word).collect())
}

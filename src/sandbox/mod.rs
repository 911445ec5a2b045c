//! The verifier: runs programs written by a model and says, case by case, what they did.
//!
//! It is the reward of RL and the judge of every evaluation, so it is built around four rules
//! (`docs/sandbox.md` lists what is covered and what is not, with the test that shows each):
//!
//! 1. **Expected values never leave this process.** A program is sent its inputs and returns
//!    answers; whether they are right is decided here ([`PyValue::same`]). Whatever a program does
//!    to its own interpreter, it can only change its own answers.
//! 2. **The program's process is locked from outside Python**: resource limits, Landlock, a
//!    seccomp allowlist, no capabilities, one process only, killed when it is done.
//! 3. **A failure of the sandbox is never a judgement**: it is [`Verdict::Infra`].
//! 4. **Weaker than asked is refused**, and attacks are tried at each start ([`Canary`]).
//!
//! Reading order: `value` and `parse` (Python values), `wire` (bytes), `isolation` and `filter`
//! (locks), `zygote` and `worker` (processes), `jsonl` (the command line), `canary`.
//!
//! No other module starts a process.

mod canary;
#[cfg(target_os = "linux")]
mod filter;
mod isolation;
pub mod jsonl;
mod parse;
pub mod python;
mod value;
pub mod verdict;
mod wire;
mod worker;
mod zygote;

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use canary::Canary;
pub use isolation::{Isolation, IsolationLevel};
pub use python::Python;
pub use value::PyValue;

use crate::base::error::{Error, Result};
use crate::sandbox::verdict::{CaseWord, Verdict};
use isolation::Locks;
use wire::{Answer, Request};
use worker::{Pool, Ran, Ticket};
use zygote::Plan;

/// What one program may use, over all its cases together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds of processor time.
    pub cpu_s: f64,
    /// Seconds by the clock, less those for which the machine had no processor to give.
    pub wall_s: f64,
    /// MiB on top of what a bare interpreter takes.
    pub memory_mb: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { cpu_s: 1.0, wall_s: 5.0, memory_mb: 256 }
    }
}

/// One program to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub program: String,
    /// The function that the cases call.
    pub entry: String,
    /// One argument list a case.
    pub inputs: Vec<Vec<serde_json::Value>>,
    /// One value a case.
    pub expected: Vec<serde_json::Value>,
    pub limits: Limits,
    /// Cases after the first that is not `pass` become `not_run`.
    pub stop_at_first_failure: bool,
}

/// What a trusted program returned in one case.
#[derive(Debug, Clone, PartialEq)]
pub enum CaseOutput {
    Value(serde_json::Value),
    Failed(CaseWord),
}

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
        SandboxConfig {
            workers,
            require: IsolationLevel::Full,
            python: None,
            silence: Duration::from_secs(10),
        }
    }

    /// [`SandboxConfig::strict`] with one worker a processor.
    pub fn for_this_machine() -> Self {
        Self::strict(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

/// The sandbox. Share it by reference between threads; dropping it ends all its processes.
pub struct Sandbox {
    pool: Pool,
    isolation: Isolation,
    workers: usize,
}

impl Sandbox {
    /// Prepares the locks, starts the zygotes, and tries the canary attacks.
    pub fn start(config: &SandboxConfig) -> Result<Sandbox> {
        if config.workers == 0 {
            return Err(Error::config("workers", "at least one is needed"));
        }
        let python = python::find(config.python.as_deref())?;
        let locks = Locks::prepare(&python, config.require)?;
        let isolation = Isolation {
            level: locks.level,
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            python: python.clone(),
            // SAFETY: `geteuid` has no preconditions and cannot fail.
            uid: unsafe { libc::geteuid() },
            enforced: locks.enforced.clone(),
            missing: locks.missing.clone(),
            canaries: Vec::new(),
        };
        let plan = Plan { python, locks, silence: config.silence };
        let (pool, hello) = Pool::start(plan, config.workers).map_err(Error::Sandbox)?;
        let mut sandbox = Sandbox { pool, isolation, workers: config.workers };
        sandbox.check_hello(&hello)?;
        sandbox.try_canaries()?;
        Ok(sandbox)
    }

    /// Judges programs, spread over the workers. Verdicts come in the order of the jobs.
    pub fn judge(&self, jobs: &[Job]) -> Vec<Verdict> {
        let requests: Vec<Arc<Request>> = jobs.iter().map(request).collect();
        let ran = self.run_all(&requests);
        let judge_one = |((job, request), ran): ((&Job, &Arc<Request>), Ran)| {
            if job.expected.len() != job.inputs.len() {
                let (inputs, expected) = (job.inputs.len(), job.expected.len());
                return Verdict::Infra(format!("bad job: {inputs} inputs but {expected} expected values"));
            }
            let expected: Vec<PyValue> = job.expected.iter().map(PyValue::from).collect();
            verdict(ran, request, &expected, job.stop_at_first_failure)
        };
        jobs.iter().zip(&requests).zip(ran).map(judge_one).collect()
    }

    /// Runs trusted programs for what they return (`expected` is ignored). `Err`: the sandbox failed.
    ///
    /// A value that JSON cannot hold (a tuple, an integer beyond 64 bits, NaN) is `malformed`.
    pub fn outputs(&self, jobs: &[Job]) -> Vec<std::result::Result<Vec<CaseOutput>, String>> {
        let requests: Vec<Arc<Request>> = jobs.iter().map(request).collect();
        let outputs = |(ran, request): (Ran, &Arc<Request>)| {
            let output = |answer| match answer {
                Answer::Value(value) => {
                    value.to_serde().map_or(CaseOutput::Failed(CaseWord::Malformed), CaseOutput::Value)
                }
                Answer::Word(word) => CaseOutput::Failed(word),
            };
            ran.map(|outcome| outcome.answers(request).into_iter().map(output).collect())
        };
        self.run_all(&requests).into_iter().zip(&requests).map(outputs).collect()
    }

    pub fn workers(&self) -> usize {
        self.workers
    }

    /// What is enforced here, for `doctor` and for run records.
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    fn run_all(&self, requests: &[Arc<Request>]) -> Vec<Ran> {
        let (reply, replies) = mpsc::channel();
        for (index, request) in requests.iter().enumerate() {
            self.pool.submit(Ticket { request: request.clone(), index, reply: reply.clone() });
        }
        drop(reply);
        let mut ran: Vec<Ran> = vec![Err("the worker ended without an outcome".to_owned()); requests.len()];
        for (index, outcome) in replies {
            ran[index] = outcome;
        }
        ran
    }

    /// The zygote read its own `/proc/self/status`: are its powers really gone?
    fn check_hello(&self, hello: &[u8]) -> Result<()> {
        #[derive(Deserialize)]
        struct Hello {
            capabilities: Option<String>,
            no_new_privs: Option<bool>,
        }
        let hello: Hello = serde_json::from_slice(hello)
            .map_err(|error| Error::Sandbox(format!("the zygote's greeting cannot be read: {error}")))?;
        let powerless = hello.capabilities.is_none_or(|set| set.bytes().all(|digit| digit == b'0'));
        if !powerless || hello.no_new_privs == Some(false) {
            return Err(Error::Sandbox("the zygote could not give up its capabilities".to_owned()));
        }
        Ok(())
    }

    fn try_canaries(&mut self) -> Result<()> {
        let verdicts = self.judge(&canary::jobs(self.isolation.level));
        self.isolation.canaries = canary::results(&verdicts, self.isolation.level);
        match self.isolation.canaries.iter().find(|canary| !canary.held) {
            None => Ok(()),
            Some(canary) => Err(Error::Sandbox(format!(
                "the canary \"{}\" ended as `{}`: what this sandbox promises does not hold here",
                canary.name, canary.word
            ))),
        }
    }
}

fn request(job: &Job) -> Arc<Request> {
    let inputs: Vec<Vec<PyValue>> =
        job.inputs.iter().map(|arguments| arguments.iter().map(PyValue::from).collect()).collect();
    Arc::new(Request::new(job.program.as_bytes(), job.entry.as_bytes(), &inputs, job.limits))
}

/// Compares answers with what was expected: the only place where `pass` comes from.
fn verdict(ran: Ran, request: &Request, expected: &[PyValue], stop_at_first_failure: bool) -> Verdict {
    let outcome = match ran {
        Ok(outcome) => outcome,
        Err(why) => return Verdict::Infra(why),
    };
    let answers = outcome.answers(request);
    let word = |(answer, expected): (&Answer, &PyValue)| match answer {
        Answer::Value(value) if value.same(expected) => CaseWord::Pass,
        Answer::Value(_) => CaseWord::WrongAnswer,
        Answer::Word(word) => *word,
    };
    let mut words: Vec<CaseWord> = answers.iter().zip(expected).map(word).collect();
    if stop_at_first_failure {
        let first = words.iter().position(|word| *word != CaseWord::Pass).unwrap_or(words.len());
        words.iter_mut().skip(first + 1).for_each(|word| *word = CaseWord::NotRun);
    }
    Verdict::Cases(words)
}

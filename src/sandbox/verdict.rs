//! What the sandbox is asked, and what it answers: a word a case.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

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
    /// Python source.
    pub program: String,
    /// The function that the cases call.
    pub entry: String,
    /// One argument list a case.
    pub inputs: Vec<Vec<serde_json::Value>>,
    /// One value a case.
    pub expected: Vec<serde_json::Value>,
    /// What all cases together may use.
    pub limits: Limits,
    /// Cases after the first that is not `pass` become `not_run`.
    pub stop_at_first_failure: bool,
}

/// What a trusted program returned in one case.
#[derive(Debug, Clone, PartialEq)]
pub enum CaseOutput {
    /// A value that JSON can hold.
    Value(serde_json::Value),
    /// No such value, and why.
    Failed(CaseWord),
}

/// What happened in one case. The words are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum CaseWord {
    /// The answer equals the expected value, type for type.
    Pass,
    /// Another value.
    WrongAnswer,
    /// The program raised, in this case or (then in every case) when it was loaded.
    Exception,
    /// The program does not compile. In every case.
    Syntax,
    /// The program has no function of the name that it was asked for. In every case.
    NoEntry,
    /// More processor time or time by the clock than allowed.
    Timeout,
    /// More memory than allowed.
    Memory,
    /// A system call or a resource that the sandbox denies.
    Forbidden,
    /// The process ended by itself (`sys.exit`) before it answered.
    Exited,
    /// The process died of a signal that the sandbox did not send.
    Crashed,
    /// More text than all answers together may have (1 MiB).
    OutputLimit,
    /// The answer is not a value of a supported type, or the protocol was broken.
    Malformed,
    /// A case before this one ended the process, or the caller stopped at the first failure.
    NotRun,
}

impl CaseWord {
    /// Every word, in the order of tables.
    pub const ALL: &[CaseWord] = CaseWord::VARIANTS;

    /// `wrong_answer`, as the command line writes it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What the sandbox says of one program on one problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// One word a case, in the order of the cases.
    Cases(Vec<CaseWord>),
    /// The sandbox itself failed, twice. Not a judgement of the program; never a reward.
    Infra(String),
}

impl Verdict {
    /// `None` where the sandbox failed. A verdict over no cases does not pass.
    pub fn passed(&self) -> Option<bool> {
        self.word().map(|word| word == CaseWord::Pass)
    }

    /// The share of the cases that passed; `None` where the sandbox failed.
    pub fn share(&self) -> Option<f32> {
        let Verdict::Cases(words) = self else { return None };
        let passed = words.iter().filter(|word| **word == CaseWord::Pass).count();
        Some(passed as f32 / words.len().max(1) as f32)
    }

    /// The first word that is not `pass`, or `pass`: one word for the whole program. `not_run` where there
    /// are no cases, `None` where the sandbox failed.
    pub fn word(&self) -> Option<CaseWord> {
        let Verdict::Cases(words) = self else { return None };
        let failed = words.iter().find(|word| **word != CaseWord::Pass);
        Some(failed.or(words.last()).copied().unwrap_or(CaseWord::NotRun))
    }
}

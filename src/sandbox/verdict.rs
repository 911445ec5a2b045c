//! What the sandbox says of a program: a word a case.

use serde::{Deserialize, Serialize};

/// What happened in one case. The words are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseWord {
    Pass,
    WrongAnswer,
    /// The program raised (a syntax error or a missing entry point is an exception in every case).
    Exception,
    Timeout,
    Memory,
    /// A system call or a resource that the sandbox denies.
    Forbidden,
    /// The process ended by itself (`sys.exit`) before it answered.
    Exited,
    /// The process died of a signal that the sandbox did not send.
    Crashed,
    OutputLimit,
    /// The answer is not a value of a supported type, or the protocol was broken.
    Malformed,
    /// A case before this one ended the process, or the caller stopped at the first failure.
    NotRun,
}

impl CaseWord {
    pub const ALL: [CaseWord; 11] = [
        CaseWord::Pass,
        CaseWord::WrongAnswer,
        CaseWord::Exception,
        CaseWord::Timeout,
        CaseWord::Memory,
        CaseWord::Forbidden,
        CaseWord::Exited,
        CaseWord::Crashed,
        CaseWord::OutputLimit,
        CaseWord::Malformed,
        CaseWord::NotRun,
    ];

    pub fn name(self) -> &'static str {
        match self {
            CaseWord::Pass => "pass",
            CaseWord::WrongAnswer => "wrong_answer",
            CaseWord::Exception => "exception",
            CaseWord::Timeout => "timeout",
            CaseWord::Memory => "memory",
            CaseWord::Forbidden => "forbidden",
            CaseWord::Exited => "exited",
            CaseWord::Crashed => "crashed",
            CaseWord::OutputLimit => "output_limit",
            CaseWord::Malformed => "malformed",
            CaseWord::NotRun => "not_run",
        }
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
        match self {
            Verdict::Cases(words) => {
                Some(!words.is_empty() && words.iter().all(|word| *word == CaseWord::Pass))
            }
            Verdict::Infra(_) => None,
        }
    }

    /// The first word that is not `pass`, or `pass`: one word for the whole program.
    pub fn word(&self) -> Option<CaseWord> {
        match self {
            Verdict::Cases(words) => Some(
                words.iter().copied().find(|word| *word != CaseWord::Pass).unwrap_or(if words.is_empty() {
                    CaseWord::NotRun
                } else {
                    CaseWord::Pass
                }),
            ),
            Verdict::Infra(_) => None,
        }
    }
}

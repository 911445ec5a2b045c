//! Attacks that are tried each time a sandbox starts: what is promised is also seen to hold.

use serde::{Deserialize, Serialize};

use super::isolation::IsolationLevel;
use super::{Job, Limits};
use crate::sandbox::verdict::{CaseWord, Verdict};

/// One attack and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    pub name: String,
    /// The word that the attack got, or the reason why the sandbox failed.
    pub word: String,
    pub held: bool,
}

struct Attack {
    name: &'static str,
    /// Weakest level at which this must hold.
    level: IsolationLevel,
    word: CaseWord,
    program: &'static str,
}

/// Each returns 2, the right answer, if the attack succeeds unnoticed.
const ATTACKS: [Attack; 10] = [
    Attack {
        name: "an honest program passes",
        level: IsolationLevel::Process,
        word: CaseWord::Pass,
        program: "def f(x): return x + 1",
    },
    Attack {
        name: "an object that equals everything",
        level: IsolationLevel::Process,
        word: CaseWord::Malformed,
        program: "class A(int):\n    __eq__ = lambda a, b: True\ndef f(x): return A(2)",
    },
    Attack {
        name: "leaving before the answer",
        level: IsolationLevel::Process,
        word: CaseWord::Exited,
        program: "import os\ndef f(x): os._exit(0)",
    },
    Attack {
        name: "a loop that ignores signals",
        level: IsolationLevel::Process,
        word: CaseWord::Timeout,
        program: "import signal\nfor n in (1, 2, 14, 15, 24, 25, 26, 27): signal.signal(n, signal.SIG_IGN)\ndef f(x):\n    while True:\n        pass",
    },
    Attack {
        name: "more memory than allowed",
        level: IsolationLevel::Seccomp,
        word: CaseWord::Memory,
        program: "def f(x): return len(bytearray(1 << 32)) * 0 + 2",
    },
    Attack {
        name: "a second process",
        level: IsolationLevel::Seccomp,
        word: CaseWord::Forbidden,
        program: "import os\ndef f(x):\n    if os.fork() == 0: os._exit(0)\n    return 2",
    },
    Attack {
        name: "a socket",
        level: IsolationLevel::Seccomp,
        word: CaseWord::Forbidden,
        program: "import _socket\ndef f(x): _socket.socket(); return 2",
    },
    Attack {
        name: "a signal to the parent",
        level: IsolationLevel::Seccomp,
        word: CaseWord::Forbidden,
        program: "import os\ndef f(x): os.kill(os.getppid(), 0); return 2",
    },
    Attack {
        name: "reading a file",
        level: IsolationLevel::Full,
        word: CaseWord::Forbidden,
        program: "def f(x): open('/etc/passwd').read(); return 2",
    },
    Attack {
        name: "writing a file",
        level: IsolationLevel::Seccomp,
        word: CaseWord::Forbidden,
        program: "import os\ndef f(x): os.open('/tmp/canary', os.O_RDWR | os.O_CREAT); return 2",
    },
];

/// The attacks that this level must hold.
fn attacks(level: IsolationLevel) -> impl Iterator<Item = &'static Attack> {
    ATTACKS.iter().filter(move |attack| attack.level <= level)
}

/// The attacks as jobs with short limits.
pub(crate) fn jobs(level: IsolationLevel) -> Vec<Job> {
    attacks(level)
        .map(|attack| Job {
            program: attack.program.to_owned(),
            entry: "f".to_owned(),
            inputs: vec![vec![serde_json::Value::from(1)]],
            expected: vec![serde_json::Value::from(2)],
            limits: Limits {
                cpu_s: if attack.word == CaseWord::Timeout { 0.05 } else { 1.0 },
                ..Limits::default()
            },
            stop_at_first_failure: false,
        })
        .collect()
}

/// Reads the verdicts on [`jobs`]: which promises hold on this machine?
pub(crate) fn results(verdicts: &[Verdict], level: IsolationLevel) -> Vec<Canary> {
    attacks(level)
        .zip(verdicts)
        .map(|(attack, verdict)| Canary {
            name: attack.name.to_owned(),
            word: match verdict {
                Verdict::Cases(_) => verdict.word().map_or("", CaseWord::name).to_owned(),
                Verdict::Infra(why) => why.clone(),
            },
            held: verdict.word() == Some(attack.word),
        })
        .collect()
}

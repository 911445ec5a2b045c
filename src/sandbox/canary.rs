//! Attacks that are tried each time a sandbox starts: what is promised is also seen to hold.

use super::isolation::Canary;
use super::isolation::IsolationLevel::{self, Full, Process, Seccomp};
use super::verdict::CaseWord::{self, Exited, Forbidden, Malformed, Memory, Pass, Timeout};
use super::verdict::{Job, Limits, Verdict};

/// Name, weakest level at which it must hold, the word it must get, and the program. Each returns 2, the
/// right answer, if the attack succeeds unnoticed.
#[rustfmt::skip]
const ATTACKS: [(&str, IsolationLevel, CaseWord, &str); 10] = [
    ("an honest program passes", Process, Pass, "def f(x): return x + 1"),
    ("an object that equals everything", Process, Malformed, "
class A(int): __eq__ = lambda a, b: True
def f(x): return A(2)"),
    ("leaving before the answer", Process, Exited, "
import os
def f(x): os._exit(0)"),
    ("a loop that ignores signals", Process, Timeout, "
import signal
for n in (1, 2, 14, 15, 24, 25, 26, 27): signal.signal(n, signal.SIG_IGN)
def f(x):
    while True: pass"),
    ("more memory than allowed", Seccomp, Memory, "def f(x): return len(bytearray(1 << 32)) * 0 + 2"),
    ("a second process", Seccomp, Forbidden, "
import os
def f(x):
    if os.fork() == 0: os._exit(0)
    return 2"),
    ("a socket", Seccomp, Forbidden, "
import _socket
def f(x): _socket.socket(); return 2"),
    ("a signal to the parent", Seccomp, Forbidden, "
import os
def f(x): os.kill(os.getppid(), 0); return 2"),
    ("reading a file", Full, Forbidden, "def f(x): open('/etc/passwd').read(); return 2"),
    ("writing a file", Seccomp, Forbidden, "
import os
def f(x): os.open('/tmp/canary', os.O_RDWR | os.O_CREAT); return 2"),
];

/// Tries the attacks that this level must hold: which promises hold on this machine?
pub(super) fn try_attacks(level: IsolationLevel, judge: impl Fn(&[Job]) -> Vec<Verdict>) -> Vec<Canary> {
    let attacks: Vec<_> = ATTACKS.into_iter().filter(|attack| attack.1 <= level).collect();
    let job = |&(_, _, word, program): &(_, _, CaseWord, &str)| Job {
        program: program.to_owned(),
        entry: "f".to_owned(),
        inputs: vec![vec![1.into()]],
        expected: vec![2.into()],
        limits: Limits { cpu_s: if word == Timeout { 0.05 } else { 1.0 }, ..Limits::default() },
        stop_at_first_failure: false,
    };
    let verdicts = judge(&attacks.iter().map(job).collect::<Vec<_>>());
    let canary = |((name, _, word, _), verdict): ((&str, _, CaseWord, _), Verdict)| {
        let got = verdict.word();
        let said =
            if let Verdict::Infra(why) = verdict { why } else { got.map_or("", CaseWord::name).into() };
        Canary { name: name.to_owned(), held: got == Some(word), word: said }
    };
    attacks.into_iter().zip(verdicts).map(canary).collect()
}

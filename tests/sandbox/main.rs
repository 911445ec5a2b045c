//! The sandbox as a whole: exact, closed when in doubt, clean, and never losing a job.
//!
//! These tests count processes and kill some, so they take turns.

#[cfg(target_os = "linux")]
mod binary;
mod chaos;
#[cfg(target_os = "linux")]
mod command;
mod exact;
mod input;
#[cfg(target_os = "linux")]
mod refusal;
mod residue;
#[cfg(target_os = "linux")]
mod start_state;

use std::sync::{Mutex, MutexGuard};

use sft_vs_rl::{Job, Limits, Sandbox, SandboxConfig, Verdict};

/// Held by each test for as long as it runs.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A failed test leaves nothing behind that the next could trip over.
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn sandbox(workers: usize) -> Sandbox {
    Sandbox::start(&SandboxConfig::strict(workers)).expect("the sandbox starts")
}

/// `f(1)` and `f(5)`, expected 2 and 6, under limits that make a time-out cheap.
fn job(program: &str) -> Job {
    Job {
        program: program.to_owned(),
        entry: "f".to_owned(),
        inputs: vec![vec![1.into()], vec![5.into()]],
        expected: vec![2.into(), 6.into()],
        limits: Limits { cpu_s: 0.1, wall_s: 0.6, memory_mb: 128 },
        stop_at_first_failure: false,
    }
}

/// Programs and the words that they always get, honest and hostile in turn.
const MIXED: [(&str, [&str; 2]); 20] = [
    ("def f(x): return x + 1", ["pass", "pass"]),
    ("def f(x): return x", ["wrong_answer", "wrong_answer"]),
    ("def f(x):\n    a = [x]\n    return a[0] + 1", ["pass", "pass"]),
    ("def f(x):\n    while True: pass", ["timeout", "not_run"]),
    ("def f(x): return 2 if x == 1 else 0", ["pass", "wrong_answer"]),
    ("import os\ndef f(x): return os.fork()", ["forbidden", "forbidden"]),
    ("import math\ndef f(x): return math.floor(x + 1.5)", ["pass", "pass"]),
    ("def f(x): return bytearray(1 << 40)", ["memory", "memory"]),
    ("def f(x): return sum([x, 1])", ["pass", "pass"]),
    ("import os\ndef f(x): os._exit(0)", ["exited", "not_run"]),
    ("f = lambda x: x + 1", ["pass", "pass"]),
    ("import os\ndef f(x): os.abort()", ["crashed", "not_run"]),
    ("def f(x):\n    print('x' * 1000)\n    return x + 1", ["pass", "pass"]),
    ("def f(x): return 1 // 0", ["exception", "exception"]),
    ("def f(x): return -(-x - 1)", ["pass", "pass"]),
    ("def f(x): return {x}", ["malformed", "malformed"]),
    ("def f(x): return len([0] * x) + 1", ["pass", "pass"]),
    ("def f(x): open('/tmp/sft-vs-rl-residue', 'w')", ["forbidden", "forbidden"]),
    ("def f(x): return int(str(x)) + 1", ["pass", "pass"]),
    ("import os\ndef f(x):\n    while True: os.write(100, b'x' * 60000)", ["output_limit", "not_run"]),
];

/// The first `count` jobs of the mixture, over and over, and what each must get.
fn mixed(count: usize) -> (Vec<Job>, Vec<Verdict>) {
    let words = |names: [&str; 2]| {
        let word = |name: &str| serde_json::from_value(name.into()).expect("a case word");
        Verdict::Cases(names.map(word).to_vec())
    };
    MIXED.iter().cycle().take(count).map(|(program, names)| (job(program), words(*names))).unzip()
}

/// What a process on this machine is and belongs to.
#[derive(Debug, Clone)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    /// Resident memory, in pages.
    pages: u64,
}

/// Every process, zombies included.
fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("/proc can be listed");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let read = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may itself hold spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |i: usize| fields.get(i)?.parse::<i64>().ok();
        Some(Process { pid, parent: number(1)? as i32, group: number(2)? as i32, pages: number(21)? as u64 })
    };
    pids.filter_map(read).collect()
}

/// The zygotes of this process: its children that lead a group of their own.
fn zygotes() -> Vec<Process> {
    let own = std::process::id() as i32;
    processes().into_iter().filter(|process| process.parent == own && process.group == process.pid).collect()
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: `kill` touches no memory; a pid that is gone gives an error that does not matter.
    unsafe { libc::kill(pid, signal) };
}

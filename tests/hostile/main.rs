//! Hostile programs: one attack a test, each with the word that it must get, each followed on the
//! same zygote by an honest program that must pass.
//!
//! Every program is asked for `f(1)` and `f(5)`, expected 2 and 6, unless its test says otherwise,
//! and most return the right answer if their attack goes unnoticed. Words are given a case each;
//! `a|b` allows either, and one word alone stands for both cases ending as `word, not_run`.
//!
//! The set runs through the same reader and writer as `sft-vs-rl sandbox`, as whoever runs the
//! tests, and then once more as a user without any rights.

mod channel;
mod exit;
mod files;
mod limits;
mod memory;
mod network;
mod patching;
mod process;
mod source;
mod time;
#[path = "../common/unprivileged.rs"]
mod unprivileged;
mod values;

use std::io::{BufReader, Cursor};
use std::sync::{Mutex, MutexGuard, OnceLock};

use sft_vs_rl::{Sandbox, SandboxConfig, serve_jsonl};

/// Small, so that a time-out is cheap; an honest program takes a few milliseconds.
pub const LIMITS: &str = r#"{"cpu_s": 0.25, "wall_s": 0.6, "memory_mb": 128}"#;

/// Two sandboxes of one worker each: what follows an attack runs on the very same zygote.
fn a_sandbox() -> MutexGuard<'static, Sandbox> {
    static SANDBOXES: OnceLock<[Mutex<Sandbox>; 2]> = OnceLock::new();
    let start = || Mutex::new(Sandbox::start(&SandboxConfig::strict(1)).expect("the sandbox starts"));
    let sandboxes = SANDBOXES.get_or_init(|| [start(), start()]);
    loop {
        for sandbox in sandboxes {
            match sandbox.try_lock() {
                Ok(sandbox) => return sandbox,
                // Another test failed while it held the lock; the sandbox itself is sound.
                Err(std::sync::TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(std::sync::TryLockError::WouldBlock) => {}
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// One job line. `inputs` and `expected` are JSON as Python writes it, so they may hold what
/// `serde_json` cannot.
pub fn job(program: &str, inputs: &str, expected: &str, limits: &str) -> String {
    let program = serde_json::to_string(program).expect("a string");
    format!(
        r#"{{"id":"t","program":{program},"entry":"f","inputs":{inputs},"expected":{expected},"limits":{limits}}}"#
    )
}

/// Runs job lines and returns the verdicts.
pub fn serve(sandbox: &Sandbox, lines: &[String]) -> Vec<serde_json::Value> {
    let input = BufReader::new(Cursor::new(lines.join("\n")));
    let mut output = Vec::new();
    serve_jsonl(sandbox, input, &mut output).expect("memory can be read and written");
    let text = String::from_utf8(output).expect("verdicts are UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a verdict is JSON")).collect()
}

pub fn honest() -> String {
    job("def f(x):\n    return x + 1", "[[1],[5]]", "[2,6]", "{}")
}

/// The body of every test in this set.
pub fn check(program: &str, inputs: &str, expected: &str, words: &str) {
    check_within(LIMITS, program, inputs, expected, words);
}

/// [`check`] under other limits.
pub fn check_within(limits: &str, program: &str, inputs: &str, expected: &str, words: &str) {
    let sandbox = a_sandbox();
    let verdicts = serve(&sandbox, &[job(program, inputs, expected, limits), honest()]);
    let cases = verdicts[0]["cases"].as_array().unwrap_or_else(|| panic!("no judgement: {}", verdicts[0]));
    let wanted: Vec<&str> = words.split(", ").collect();
    for (i, case) in cases.iter().enumerate() {
        let wanted = wanted.get(i).copied().unwrap_or("not_run");
        let word = case.as_str().unwrap_or_default();
        assert!(
            wanted.split('|').any(|allowed| allowed == word),
            "case {i}: wanted {words}, got {:?}",
            cases
        );
    }
    let all_pass = cases.iter().all(|case| case == "pass");
    assert_eq!(verdicts[0]["passed"], all_pass);
    assert_eq!(verdicts[1]["passed"], true, "the honest program after it: {}", verdicts[1]);
}

/// `name: "words", program` for f(1), f(5); `name(inputs, expected): "words", program` otherwise.
#[macro_export]
macro_rules! hostile {
    ($($(#[$doc:meta])* $name:ident $(($inputs:expr, $expected:expr))? : $words:expr, $program:expr;)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            // The first pair counts: the test's own, if it gives one.
            let cases = [$(($inputs, $expected),)? ("[[1],[5]]", "[2,6]")];
            let program: &str = $program;
            // Without the newline that a raw string starts with, so that line numbers are right.
            $crate::check(program.trim_start_matches('\n'), cases[0].0, cases[0].1, $words);
        }
    )*};
}

#[test]
fn as_an_unprivileged_user() {
    unprivileged::run_all_tests(120, None);
}

//! Limits so small that hardly anything fits: still a word for the program, never a failure of the
//! sandbox, and never one for the program after it.

use crate::check_within;

/// A list of so many numbers, as the one argument of the one case.
fn long_input(count: usize) -> String {
    format!("[[[{}]]]", vec!["1000000"; count].join(","))
}

#[test]
fn no_time_at_all() {
    let words = "timeout|pass, timeout|pass|not_run";
    for limits in [r#"{"cpu_s": 1e-9}"#, r#"{"wall_s": 1e-9}"#, r#"{"cpu_s": 1e-300, "wall_s": 1e-300}"#] {
        check_within(limits, "def f(x): return x + 1", "[[1],[5]]", "[2,6]", words);
    }
}

#[test]
fn no_time_for_a_loop() {
    for limits in [r#"{"cpu_s": 1e-9}"#, r#"{"wall_s": 1e-9}"#] {
        check_within(
            limits,
            "def f(x):\n    while True: pass",
            "[[1],[5]]",
            "[2,6]",
            "timeout, timeout|not_run",
        );
    }
}

#[test]
fn no_time_to_read_the_inputs() {
    let limits = r#"{"cpu_s": 0.01}"#;
    check_within(limits, "def f(x): return 2", &long_input(700_000), "[2]", "timeout|pass");
}

#[test]
fn one_mebibyte_is_enough_for_an_honest_program() {
    check_within(r#"{"memory_mb": 1}"#, "def f(x): return x + 1", "[[1],[5]]", "[2,6]", "pass, pass");
}

#[test]
fn no_memory_for_the_inputs() {
    let limits = r#"{"memory_mb": 1}"#;
    check_within(limits, "def f(x): return 2", &long_input(700_000), "[2]", "memory");
}

#[test]
fn no_memory_for_the_program() {
    let program = format!("#{}\nhog = [0] * 10 ** 7\ndef f(x): return x + 1", "x".repeat(7_000_000));
    let words = "memory, memory";
    check_within(r#"{"memory_mb": 1}"#, &program, "[[1],[5]]", "[2,6]", words);
}

/// What the sandbox needs for its own work (a compiled syntax tree, a traceback) is taken from the
/// program's memory, which may run out anywhere.
#[test]
fn memory_taken_to_the_last_byte() {
    let program = r"
hog = []
def f(x):
    for size in (1 << 20, 1 << 16, 1 << 12, 256, 32, 1):
        try:
            while True: hog.append(bytes(size + len(hog) % 7))
        except MemoryError: pass
    return x + 1";
    let limits = r#"{"cpu_s": 3, "memory_mb": 16}"#;
    let words = "memory|pass|malformed|timeout, memory|pass|malformed|timeout|not_run";
    check_within(limits, program.trim_start(), "[[1],[5]]", "[2,6]", words);
}

#[test]
fn more_time_than_an_hour_is_not_given() {
    let sandbox = crate::a_sandbox();
    for limits in
        ["3601", "1e400", "NaN", "Infinity", "-1", "0", "-0.0", "true", "null", "\"1\"", "[1]", "{}"]
    {
        for field in ["cpu_s", "wall_s"] {
            let bad = crate::job("def f(x): return 2", "[[1]]", "[2]", &format!("{{\"{field}\": {limits}}}"));
            let verdicts = crate::serve(&sandbox, &[bad, crate::honest()]);
            let error = verdicts[0]["error"].as_str().unwrap_or_else(|| panic!("{limits}: {}", verdicts[0]));
            assert!(error.starts_with(&format!("line 1: `{field}` must be")), "{error}");
            assert_eq!(verdicts[1]["passed"], true);
        }
    }
}

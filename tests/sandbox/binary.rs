//! The real `sft-vs-rl` binary: bad lines on its standard input, and kernels that lack a lock.

use std::io::{Write, pipe};
use std::os::unix::process::CommandExt;
use std::process::Output;

use duct::Expression;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::alone;

const KIT: &str = env!("CARGO_BIN_EXE_sft-vs-rl");

const GOOD: &str =
    r#"{"id":"good","program":"def f(x): return x + 1","entry":"f","inputs":[[1]],"expected":[2]}"#;

/// Runs a command to its end. One that refuses to start reads nothing; its exit code says so.
fn run(command: Expression, input: Vec<u8>) -> Output {
    let command = command.stdin_bytes(input).stdout_capture().stderr_capture().unchecked();
    command.run().expect("the binary starts")
}

fn kit(words: &[&str]) -> Expression {
    duct::cmd(KIT, words).dir(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn bad_lines_get_an_error_with_their_number_and_the_rest_go_on() {
    let _turn = alone();
    let replace = |from: &str, to: &str| GOOD.replace(from, to).into_bytes();
    let limits = |limits: &str| replace(r#""id":"good""#, &format!(r#""id":"good","limits":{limits}"#));
    let huge = format!(r#"{{"id":"{}"}}"#, "x".repeat(50_000_000)).into_bytes();
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (b"not JSON".to_vec(), "not JSON"),
        (b"".to_vec(), "not JSON"),
        (b"\0".to_vec(), "not JSON"),
        (b"\xff\xfe{\0}\0".to_vec(), "not UTF-8"),
        (b"\xef\xbb\xbf{}".to_vec(), "not JSON"),
        (b"null".to_vec(), "not a JSON object"),
        (b"{}".to_vec(), "`id` is missing"),
        (huge, "longer than 8 MiB"),
        (replace("entry", "entri"), "unknown field `entri`"),
        (replace("return x", r"return\u0000 x"), "null byte"),
        (replace("[[1]]", "[1]"), "case 0 is no list"),
        (replace("[[1]]", r#"[{"x":1}]"#), "case 0 is no list"),
        (replace("[[1]]", "[[1],[2]]"), "2 cases but `expected` has 1"),
        (replace("[2]}", "2}"), "`expected` must be a list"),
        (replace("[2]}", "[2],}"), "not JSON"),
        (limits(r#"{"cpu_s":-1}"#), "`cpu_s` must be"),
        (limits(r#"{"cpu_s":0}"#), "`cpu_s` must be"),
        (limits(r#"{"wall_s":NaN}"#), "`wall_s` must be"),
        (limits(r#"{"wall_s":1e999}"#), "`wall_s` must be"),
        (limits(r#"{"wall_s":"1"}"#), "`wall_s` must be"),
        (limits(r#"{"memory_mb":0}"#), "`memory_mb` must be"),
        (limits(r#"{"memory_mb":-1}"#), "`memory_mb` must be"),
        (limits(r#"{"memory_mb":99999999999999999999}"#), "`memory_mb` must be"),
        (limits(r#"{"memory_mb":1.5}"#), "`memory_mb` must be"),
        (limits("7"), "`limits` must be an object"),
        (limits(r#"{"disk":1}"#), "unknown field `disk`"),
    ];
    let mut input = Vec::new();
    for (line, _) in &bad {
        input.extend_from_slice(line);
        input.extend_from_slice(format!("\n{GOOD}\n").as_bytes());
    }
    input.extend_from_slice(GOOD.as_bytes()); // without a newline at the end
    let output = run(kit(&["sandbox", "--workers", "2"]), input);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("verdicts are UTF-8");
    let verdicts: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a verdict is JSON")).collect();
    assert_eq!(verdicts.len(), 2 * bad.len() + 1);
    for (i, ((_, message), pair)) in bad.iter().zip(verdicts.chunks(2)).enumerate() {
        let error = pair[0]["error"].as_str().unwrap_or_else(|| panic!("line {}: {}", 2 * i + 1, pair[0]));
        assert!(error.starts_with(&format!("line {}: ", 2 * i + 1)) && error.contains(message), "{error}");
        assert_eq!(pair[0]["line"], 2 * i + 1);
        assert!(pair[0].get("passed").is_none() && pair[0].get("cases").is_none());
        assert_eq!((&pair[1]["id"], &pair[1]["passed"]), (&"good".into(), &true.into()));
    }
    assert_eq!(verdicts[2 * bad.len()]["passed"], true);
}

/// Who stops reading does not hang the command.
#[test]
fn a_closed_output_ends_the_command() {
    let _turn = alone();
    let ((child_in, mut to), (from, child_out)) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
    let command = kit(&["sandbox", "--workers", "1"]).stdin_file(child_in).stdout_file(child_out);
    let child = command.stderr_capture().unchecked().start().expect("the binary starts");
    drop((command, from));
    for _ in 0..200 {
        if writeln!(to, "{GOOD}").is_err() {
            break;
        }
    }
    drop(to);
    let output = child.wait().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("standard output"), "{said}");
}

/// The command as it runs on a kernel that lacks a system call.
fn kit_without(call: libc::c_long, words: &[&str]) -> Output {
    let arch = std::env::consts::ARCH.try_into().expect("a known architecture");
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    let filter = SeccompFilter::new([(call, vec![])].into(), SeccompAction::Allow, missing, arch);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("it compiles");
    let command = kit(words).before_spawn(move |command| {
        let program = program.clone();
        let install =
            move || seccompiler::apply_filter(&program).map_err(|_| std::io::ErrorKind::Other.into());
        // SAFETY: between fork and exec the closure makes system calls only; the program was compiled
        // before.
        unsafe { command.pre_exec(install) };
        Ok(())
    });
    run(command, format!("{GOOD}\n").into_bytes())
}

/// `nohup` and a shell's `&` start programs that ignore signals; no verdict depends on that.
#[test]
fn signals_that_the_kit_ignores_are_not_ignored_by_programs() {
    let _turn = alone();
    let job = |number: i32| {
        let send = format!("import os\\ndef f(x):\\n    os.kill(os.getpid(), {number})\\n    return x + 1");
        format!("{}\n", GOOD.replace("def f(x): return x + 1", &send))
    };
    let command = kit(&["sandbox", "--workers", "1"]).before_spawn(|command| {
        let ignore = || {
            for number in [libc::SIGINT, libc::SIGHUP, libc::SIGTERM, libc::SIGUSR1] {
                // SAFETY: `signal` with SIG_IGN takes plain integers and touches no memory of ours.
                unsafe { libc::signal(number, libc::SIG_IGN) };
            }
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes system calls only.
        unsafe { command.pre_exec(ignore) };
        Ok(())
    });
    let input = [libc::SIGINT, libc::SIGHUP, libc::SIGTERM, libc::SIGUSR1].map(job).concat();
    let output = run(command, input.into_bytes());
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(r#""cases":[""#)?.1.split('"').next()).collect();
    assert_eq!(words, ["exception", "crashed", "crashed", "crashed"], "{text}");
}

#[test]
fn without_landlock_the_commands_refuse_and_name_the_flag() {
    let _turn = alone();
    for command in ["sandbox", "doctor"] {
        let output = kit_without(libc::SYS_landlock_create_ruleset, &[command]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        assert!(said.contains("Landlock") && said.contains("--isolation seccomp"), "{command}: {said}");
        assert!(output.stdout.is_empty() || command == "doctor", "{command}");
    }
}

#[test]
fn with_the_flag_they_run_and_say_what_is_missing() {
    let _turn = alone();
    let call = libc::SYS_landlock_create_ruleset;
    let output = kit_without(call, &["sandbox", "--isolation", "seccomp"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(r#"{"id":"good","passed":true"#));
    let output = kit_without(call, &["doctor", "--isolation", "seccomp"]);
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(report.contains("isolation  seccomp") && report.contains("MISSING    Landlock"), "{report}");
}

#[test]
fn without_seccomp_they_refuse_whatever_is_asked() {
    let _turn = alone();
    for level in ["full", "seccomp", "process"] {
        let output = kit_without(libc::SYS_seccomp, &["sandbox", "--isolation", level]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{level}: {said}");
        assert!(said.contains("no flag changes that") && output.stdout.is_empty(), "{level}: {said}");
    }
}

#[test]
fn doctor_names_the_level_and_what_holds_it() {
    let _turn = alone();
    let output = run(kit(&["doctor"]), Vec::new());
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["isolation  full", "enforced   Landlock", "enforced   seccomp", "attacks held"] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
}

#[test]
fn an_unknown_level_is_bad_usage() {
    let _turn = alone();
    let output = run(kit(&["sandbox", "--isolation", "none"]), Vec::new());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("known: full, seccomp, process"));
}

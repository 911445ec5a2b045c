//! The command line at its edges: outputs that break, a Python that hangs, too many workers, long lines.

use std::io::{Write, pipe};
use std::time::{Duration, Instant};

use crate::alone;

const KIT: &str = env!("CARGO_BIN_EXE_sft-vs-rl");

const GOOD: &str =
    r#"{"id":"good","program":"def f(x): return x + 1","entry":"f","inputs":[[1]],"expected":[2]}"#;

/// Nobody reads any more, and no further line comes: the command ends all the same.
#[test]
fn a_broken_output_ends_the_command_though_no_line_comes() {
    let _turn = alone();
    let ((child_in, mut to), (from, child_out)) = (pipe().expect("a pipe"), pipe().expect("a pipe"));
    let command = duct::cmd!(KIT, "sandbox", "--workers", "1").stdin_file(child_in).stdout_file(child_out);
    let child = command.stderr_capture().unchecked().start().expect("the binary starts");
    drop((command, from));
    writeln!(to, "{GOOD}").expect("the pipe is open");
    let ended = child.wait_timeout(Duration::from_secs(30)).expect("it can be waited for");
    let output = ended.expect("it ends though its input is open");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
    drop(to);
}

/// Without a standard output nothing is judged into the void.
#[test]
fn a_closed_output_is_an_error() {
    let _turn = alone();
    let script = format!("{KIT} sandbox --workers 1 >&-");
    let output = duct::cmd!("bash", "-c", script).stdin_bytes(format!("{GOOD}\n")).stderr_capture();
    let output = output.unchecked().run().expect("bash");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}

#[test]
fn too_many_workers_are_refused() {
    let _turn = alone();
    for workers in ["0", "257", "100000"] {
        let output = duct::cmd!(KIT, "sandbox", "--workers", workers).stdin_null().stderr_capture();
        let output = output.unchecked().run().expect("the binary starts");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("from 1 to 256"));
    }
}

/// A `python3` that says nothing is given up, not waited for.
#[test]
fn a_python_that_hangs_is_given_up() {
    use std::os::unix::fs::PermissionsExt;
    let _turn = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let python = folder.path().join("python3");
    std::fs::write(&python, "#!/bin/sh\nexec sleep 600\n").expect("a file");
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).expect("its owner may");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let started = Instant::now();
    let output = duct::cmd!(KIT, "doctor").env("PATH", path).stdout_null().stderr_capture();
    let output = output.unchecked().run().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("python3") && said.contains("says nothing"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// Lines of 8 MB, of small numbers and of one string: memory stays within 200 MiB.
#[test]
fn long_lines_do_not_add_up() {
    let _turn = alone();
    let numbers = format!("[{}]", vec!["[1]"; 2_000_000].join(","));
    let line = |inputs: &str, expected: &str, program: &str| {
        format!(r#"{{"id":1,"program":{program},"entry":"f","inputs":{inputs},"expected":{expected}}}"#)
    };
    let many = line(&format!("[[{numbers}]]"), "[1]", r#""def f(x): return 1""#);
    let text = line("[[1]]", "[1]", &format!("\"#{}\\ndef f(x): return 1\"", "x".repeat(8_000_000)));
    let input: String = (0..6).flat_map(|_| [many.as_str(), "\n", text.as_str(), "\n"]).collect();
    assert!(many.len() < 8 << 20 && text.len() < 8 << 20);
    let output = tempfile::NamedTempFile::new().expect("a file");
    let command = duct::cmd!(KIT, "sandbox", "--workers", "2").stdin_bytes(input).stdout_path(output.path());
    let child = command.start().expect("the binary starts");
    let status = format!("/proc/{}/status", child.pids()[0]);
    let mut peak = 0;
    while child.wait_timeout(Duration::from_millis(10)).expect("it succeeds").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = kib.and_then(|kib| kib.parse().ok()).unwrap_or(peak);
    }
    let answers = std::fs::read_to_string(output.path()).expect("the answers");
    assert_eq!(answers.lines().count(), 12, "{answers}");
    assert!((1..200 << 10).contains(&peak), "{peak} KiB");
}

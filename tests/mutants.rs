//! `sft-vs-rl audit --mutants` from outside: its record, its figure, its exit code.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::project;
use sft_vs_rl::HiddenCaseReport;

fn audit(project: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sft-vs-rl"))
        .args(["audit", "--mutants", "--tier", "smoke", "--composites", "8", "--fresh-inputs", "100"])
        .args(words)
        .current_dir(project)
        .output()
        .expect("the binary starts")
}

#[test]
fn the_mutant_audit_leaves_a_record_and_a_figure_and_its_exit_code_is_the_verdict() {
    let project = project();
    let record = project.path().join("data/records/mutants-smoke.json");
    let figure = project.path().join("figures/local/smoke/mutants.svg");
    let read = |path: &Path| std::fs::read_to_string(path).expect("it was written");

    let output = audit(project.path(), &[]);
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{said}");
    assert!(said.contains("108 problems, about") && out.contains("goal: under 0.1%, reached"), "{out}{said}");
    let report: HiddenCaseReport = serde_json::from_str(&read(&record)).expect("a record");
    assert_eq!((report.atoms.n_problems, report.composites.n_problems), (100, 8));
    let total = report.total();
    assert_eq!(total.mutants, total.refused + total.equivalent + total.accepted);
    assert!(total.refused > 500 && report.passed(), "{total:?}");
    assert!(read(&figure).contains("composites"));
    let first = (read(&record), read(&figure));

    // A goal that nothing can reach: exit code 1, and the same counts byte for byte.
    let output = audit(project.path(), &["--goal", "0", "--workers", "1"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("missed"));
    assert_eq!(read(&record).replace("\"goal\": 0.0", "\"goal\": 0.001"), first.0);

    let output = audit(project.path(), &["--goal", "a lot"]);
    assert_eq!(output.status.code(), Some(2));
}

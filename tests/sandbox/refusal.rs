//! Fail closed: what the machine does not offer is refused, by name.
//!
//! A filter on the test's own thread makes the kernel look as if it had no Landlock, or no
//! seccomp; threads and processes started from it inherit that.

use std::path::PathBuf;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use sft_vs_rl::{Error, IsolationLevel, Sandbox, SandboxConfig};

use crate::alone;

/// Starts a sandbox on a kernel that seems to lack a system call.
fn start_without(call: libc::c_long, config: SandboxConfig) -> sft_vs_rl::Result<Sandbox> {
    let start = move || {
        let arch = std::env::consts::ARCH.try_into().expect("a known architecture");
        let missing = SeccompAction::Errno(libc::ENOSYS as u32);
        let filter = SeccompFilter::new([(call, vec![])].into(), SeccompAction::Allow, missing, arch);
        let program: BpfProgram = filter.expect("a filter").try_into().expect("it compiles");
        seccompiler::apply_filter(&program).expect("it is installed");
        Sandbox::start(&config)
    };
    std::thread::spawn(start).join().expect("the thread ends")
}

#[test]
fn without_landlock_the_default_refuses_and_names_the_flag() {
    let _turn = alone();
    let refused = start_without(libc::SYS_landlock_create_ruleset, SandboxConfig::strict(1));
    let error = refused.err().expect("it is refused");
    assert!(matches!(error, Error::Isolation { .. }));
    let message = error.to_string();
    assert!(message.contains("Landlock") && message.contains("--isolation seccomp"), "{message}");
}

#[test]
fn without_landlock_the_flag_lowers_the_bar_and_the_report_says_so() {
    let _turn = alone();
    let config = SandboxConfig { require: IsolationLevel::Seccomp, ..SandboxConfig::strict(1) };
    let sandbox = start_without(libc::SYS_landlock_create_ruleset, config).expect("the bar is lower");
    assert_eq!(sandbox.isolation().level, IsolationLevel::Seccomp);
    let report = sandbox.isolation().to_string();
    assert!(report.contains("MISSING    Landlock"), "{report}");
    // Writing is still denied, by seccomp alone, and so are processes and the network.
    let write = crate::job("def f(x): open('/tmp/sft-vs-rl-refusal', 'w')");
    let truncate = crate::job("import os\ndef f(x): os.open('/etc/passwd', os.O_TRUNC)");
    let honest = crate::job("def f(x): return x + 1");
    let words: Vec<_> = sandbox.judge(&[write, truncate, honest]).iter().map(|v| v.word()).collect();
    assert_eq!(
        words.iter().map(|word| word.map(|word| word.name())).collect::<Vec<_>>(),
        [Some("forbidden"), Some("forbidden"), Some("pass")]
    );
}

#[test]
fn without_seccomp_nothing_runs_whatever_is_asked() {
    let _turn = alone();
    for require in [IsolationLevel::Full, IsolationLevel::Seccomp, IsolationLevel::Process] {
        let config = SandboxConfig { require, ..SandboxConfig::strict(1) };
        let message = start_without(libc::SYS_seccomp, config).err().expect("it is refused").to_string();
        assert!(message.contains("seccomp") && message.contains("no flag changes that"), "{message}");
    }
}

#[test]
fn a_missing_python_is_named() {
    let _turn = alone();
    for python in ["/nowhere/python3", "no-such-python3"] {
        let config = SandboxConfig { python: Some(PathBuf::from(python)), ..SandboxConfig::strict(1) };
        let message = Sandbox::start(&config).err().expect("it is refused").to_string();
        assert!(message.contains(python) && message.contains("install Python"), "{message}");
    }
}

#[test]
fn something_else_than_python_is_named() {
    let _turn = alone();
    let config = SandboxConfig { python: Some(PathBuf::from("/bin/true")), ..SandboxConfig::strict(1) };
    let message = Sandbox::start(&config).err().expect("it is refused").to_string();
    assert!(message.contains("/bin/true"), "{message}");
}

#[test]
fn full_isolation_says_what_it_enforces() {
    let _turn = alone();
    let sandbox = crate::sandbox(1);
    let isolation = sandbox.isolation();
    assert_eq!(isolation.level, IsolationLevel::Full);
    assert!(isolation.missing.is_empty() && isolation.canaries.len() >= 10);
    assert!(isolation.canaries.iter().all(|canary| canary.held));
    let text = serde_json::to_string(isolation).expect("it serializes");
    assert_eq!(serde_json::from_str::<sft_vs_rl::Isolation>(&text).expect("and back"), *isolation);
}

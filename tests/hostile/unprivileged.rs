//! The same set once more as a user without rights, with whatever `python3` that user can run.
//!
//! Root's own Python may lie under /root, where nobody else can read; then the next `python3` on
//! the PATH is taken, as it would be for any user.

use std::os::unix::fs::PermissionsExt;

const NOBODY: &str = "65534";

#[test]
fn as_an_unprivileged_user() {
    // SAFETY: `geteuid` has no preconditions and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return; // every other test has just run as an unprivileged user
    }
    // The binary may lie where nobody can reach it, so a copy of it runs.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let binary = folder.path().join("hostile");
    std::fs::copy(std::env::current_exe().expect("this binary has a path"), &binary).expect("a copy of it");
    for path in [folder.path(), &binary] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    let arguments = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all"];
    let output = duct::cmd(
        "setpriv",
        arguments.map(String::from).into_iter().chain([
            binary.display().to_string(),
            "--skip".to_owned(),
            "unprivileged".to_owned(),
        ]),
    )
    .dir("/")
    .stderr_to_stdout()
    .stdout_capture()
    .unchecked()
    .run();
    let output = match output {
        Ok(output) => output,
        Err(error) => panic!("setpriv (of util-linux) is needed to run this as another user: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("`python3` does not start") {
        println!("skipped: user {NOBODY} has no python3 to run");
        return;
    }
    assert!(output.status.success(), "as user {NOBODY}:\n{text}");
    assert!(text.contains("test result: ok"), "as user {NOBODY}:\n{text}");
}

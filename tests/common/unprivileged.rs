//! The tests of a binary once more as a user without rights, with a `python3` that this user can run.
//!
//! Root's own Python may lie under /root, where nobody else can read; then the next `python3` on
//! the PATH is taken, or that of the system. Where there is none, the test fails and says what to
//! install: a set that was never run says nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NOBODY: &str = "65534";

/// Where tests that run as [`NOBODY`] find their files.
pub const FILES: &str = "SFT_VS_RL_TEST_FILES";

/// Where a system keeps the `python3` that everyone can run, whatever root's PATH says.
const SYSTEM: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// A command that runs as [`NOBODY`], in the root folder.
fn as_nobody(program: &Path, arguments: &[&str], path: &str) -> duct::Expression {
    let user = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all"];
    let command = [program.as_os_str()].into_iter().chain(arguments.iter().map(|word| word.as_ref()));
    duct::cmd("setpriv", user.iter().map(|word| word.as_ref()).chain(command))
        .dir("/")
        .env("PATH", path)
        .stderr_to_stdout()
        .stdout_capture()
        .unchecked()
}

/// The first folder with a `python3` that [`NOBODY`] can run, and what that says of itself.
fn python_for_nobody() -> (PathBuf, String) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut tried = Vec::new();
    for folder in std::env::split_paths(&path).chain(SYSTEM.map(PathBuf::from)) {
        let python = folder.join("python3");
        if !python.exists() || tried.contains(&python) {
            continue;
        }
        let ask = ["-c", "import sys; print('python', sys.version.split()[0], sys.executable)"];
        let said = as_nobody(&python, &ask, "/usr/bin:/bin").run().unwrap_or_else(|error| {
            panic!("setpriv is needed to run this as another user; install util-linux ({error})")
        });
        let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        if said.status.success() && text.starts_with("python 3.") {
            return (folder, text);
        }
        tried.push(python);
    }
    panic!(
        "user {NOBODY} can run none of {tried:?}; install a python3 for all users (on Debian: apt-get install python3), \
         or run these tests as an ordinary user"
    )
}

/// Runs all tests of this binary but those named `unprivileged`; fewer than `at_least` are not the set. The
/// folder `files` is copied to where everyone can read, and the tests find its place in `SFT_VS_RL_TEST_FILES`.
pub fn run_all_tests(at_least: usize, files: Option<&Path>) {
    // SAFETY: `geteuid` has no preconditions and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        println!("every other test has run as an unprivileged user");
        return;
    }
    let (folder, python) = python_for_nobody();
    // The binary may lie where nobody can reach it, so a copy of it runs.
    let place = tempfile::tempdir().expect("a temporary folder");
    let binary = place.path().join("tests");
    std::fs::copy(std::env::current_exe().expect("this binary has a path"), &binary).expect("a copy of it");
    for path in [place.path(), &binary] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    for file in files.into_iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder")) {
        let file = file.expect("an entry").path();
        std::fs::copy(&file, place.path().join(file.file_name().expect("a name"))).expect("a copy of it");
    }
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let command = as_nobody(&binary, &["--skip", "unprivileged", "--nocapture"], &path);
    let output = command.env(FILES, place.path()).run().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "as user {NOBODY} with {python}:\n{text}");
    let passed = text
        .split_once("test result: ok. ")
        .and_then(|(_, rest)| rest.split_once(" passed; 0 failed; 0 ignored"))
        .and_then(|(count, _)| count.parse::<usize>().ok());
    let passed = passed.unwrap_or_else(|| panic!("no result as user {NOBODY}:\n{text}"));
    println!("as user {NOBODY} with {python}: {passed} tests passed");
    assert!(passed >= at_least, "only {passed} tests ran as user {NOBODY}");
}

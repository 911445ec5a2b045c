//! What this machine can enforce, and how that is reported.

use std::fmt;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

use super::canary::Canary;
use super::python::Python;
use crate::base::error::{Error, Result};

/// How strongly programs are held, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationLevel {
    /// A process of its own with resource limits, and no more: what macOS offers here.
    Process,
    /// And a seccomp allowlist. Without all of Landlock, a program can read what its user can read.
    Seccomp,
    /// And Landlock, fully enforced: no file but the standard library, no TCP, no foreign signals.
    Full,
}

impl IsolationLevel {
    pub fn name(self) -> &'static str {
        match self {
            IsolationLevel::Process => "process",
            IsolationLevel::Seccomp => "seccomp",
            IsolationLevel::Full => "full",
        }
    }

    /// The option of the command line that accepts this level.
    pub fn flag(self) -> &'static str {
        match self {
            IsolationLevel::Process => "--isolation process",
            IsolationLevel::Seccomp => "--isolation seccomp",
            IsolationLevel::Full => "--isolation full",
        }
    }
}

impl std::str::FromStr for IsolationLevel {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [IsolationLevel::Process, IsolationLevel::Seccomp, IsolationLevel::Full]
            .into_iter()
            .find(|level| level.name() == name)
            .ok_or_else(|| Error::Unknown {
                kind: "isolation level",
                name: name.to_owned(),
                known: "full, seccomp, process".to_owned(),
            })
    }
}

/// The report that `doctor` prints and every run record keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isolation {
    pub level: IsolationLevel,
    /// `linux x86_64`
    pub platform: String,
    pub python: Python,
    /// User id that programs run under. Root keeps its id but loses every capability.
    pub uid: u32,
    /// What is enforced, in words.
    pub enforced: Vec<String>,
    /// What is missing, in words; empty at [`IsolationLevel::Full`].
    pub missing: Vec<String>,
    /// The attacks that were tried when the sandbox started, and what became of them.
    pub canaries: Vec<Canary>,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "isolation  {} ({}, uid {})", self.level.name(), self.platform, self.uid)?;
        writeln!(f, "python     {} {}", self.python.executable.display(), self.python.version)?;
        for item in &self.enforced {
            writeln!(f, "enforced   {item}")?;
        }
        for item in &self.missing {
            writeln!(f, "MISSING    {item}")?;
        }
        let held = self.canaries.iter().filter(|canary| canary.held).count();
        write!(f, "canaries   {held} of {} attacks held", self.canaries.len())?;
        for canary in self.canaries.iter().filter(|canary| !canary.held) {
            write!(f, "\nNOT HELD   {}: {}", canary.name, canary.word)?;
        }
        Ok(())
    }
}

/// The locks that each child puts on, made ready once.
pub(crate) struct Locks {
    pub level: IsolationLevel,
    /// A Landlock ruleset that the zygote inherits; the child restricts itself with it.
    pub ruleset: Option<OwnedFd>,
    pub filter: Vec<u8>,
    pub pid_slots: Vec<usize>,
    pub enforced: Vec<String>,
    pub missing: Vec<String>,
}

impl Locks {
    /// Tries every lock on this machine, and refuses if they are weaker than `require`.
    pub(crate) fn prepare(python: &Python, require: IsolationLevel) -> Result<Locks> {
        let locks = platform::prepare(python);
        // Linux always has seccomp to offer; one without it is not a weaker choice but a broken one.
        if cfg!(target_os = "linux") && locks.level < IsolationLevel::Seccomp {
            return Err(Error::Sandbox(format!(
                "{}; on Linux nothing runs without seccomp, and no flag changes that",
                locks.missing.join("; ")
            )));
        }
        if locks.level < require {
            return Err(Error::Isolation { missing: locks.missing.join("; "), flag: locks.level.flag() });
        }
        Ok(locks)
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::os::fd::OwnedFd;
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
        RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
    };

    use super::{IsolationLevel, Locks, Python};
    use crate::sandbox::filter;

    /// Everything that Landlock of Linux 6.12 can deny: files, TCP, signals, abstract sockets.
    const LANDLOCK: ABI = ABI::V6;

    pub(super) fn prepare(python: &Python) -> Locks {
        let mut enforced = vec!["limits: CPU, wall clock, memory, file size, open files, output".to_owned()];
        let mut missing = Vec::new();
        let ruleset = match ruleset(python, CompatLevel::HardRequirement) {
            Ok(fd) => {
                enforced.push("Landlock: files (standard library, read-only), TCP, signals, sockets".into());
                fd
            }
            Err(error) => {
                missing.push(format!(
                    "Landlock is not fully available (Linux 6.12 or later has all of it): {error}"
                ));
                ruleset(python, CompatLevel::BestEffort).ok().flatten()
            }
        };
        let landlock_is_full = missing.is_empty();
        let filter = seccomp_works().and_then(|()| filter::compile(landlock_is_full));
        let level = match (&filter, landlock_is_full) {
            (Err(_), _) => IsolationLevel::Process,
            (Ok(_), false) => IsolationLevel::Seccomp,
            (Ok(_), true) => IsolationLevel::Full,
        };
        let (filter, pid_slots) = match filter {
            Ok(filter) => {
                enforced.push("seccomp: an allowlist of system calls, SIGSYS for all others".to_owned());
                (filter.bytes, filter.pid_slots)
            }
            Err(error) => {
                missing.push(error);
                (Vec::new(), Vec::new())
            }
        };
        enforced.push("no capabilities, no new privileges".to_owned());
        Locks { level, ruleset, filter, pid_slots, enforced, missing }
    }

    /// The standard library may be read; `/dev/null` may be read and written; nothing else.
    fn ruleset(python: &Python, level: CompatLevel) -> Result<Option<OwnedFd>, RulesetError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(level)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?;
        for (path, reading) in python.library.iter().flat_map(|path| readable(path)) {
            if let Ok(path) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(path, reading))?;
            }
        }
        if let Ok(null) = PathFd::new("/dev/null") {
            ruleset = ruleset.add_rule(PathBeneath::new(null, AccessFs::ReadFile | AccessFs::WriteFile))?;
        }
        Ok(ruleset.into())
    }

    /// What may be done with a path of the library and what lies beneath it. Packages that were
    /// installed into the library's folder are no part of it: of such a folder all but they are read.
    fn readable(path: &Path) -> Vec<(PathBuf, BitFlags<AccessFs>)> {
        const INSTALLED: [&str; 2] = ["site-packages", "dist-packages"];
        let rights = |path: &Path| match path.is_dir() {
            true => AccessFs::ReadFile | AccessFs::ReadDir,
            false => AccessFs::ReadFile.into(),
        };
        if !INSTALLED.iter().any(|name| path.join(name).exists()) {
            return vec![(path.to_owned(), rights(path))];
        }
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let own = entries.filter(|entry| !INSTALLED.iter().any(|name| entry.file_name() == *name));
        let mut readable: Vec<_> = own.map(|entry| (entry.path(), rights(&entry.path()))).collect();
        readable.push((path.to_owned(), AccessFs::ReadDir.into()));
        readable
    }

    /// Asks the kernel whether it can kill a process by filter, without installing one.
    fn seccomp_works() -> Result<(), String> {
        const SECCOMP_GET_ACTION_AVAIL: libc::c_uint = 2;
        let action: u32 = libc::SECCOMP_RET_KILL_PROCESS;
        // SAFETY: the call only reads the four bytes of `action`, which outlives it.
        let answer =
            unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
        match answer {
            0 => Ok(()),
            _ => Err(format!("seccomp is not available: {}", std::io::Error::last_os_error())),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{IsolationLevel, Locks, Python};

    pub(super) fn prepare(_python: &Python) -> Locks {
        Locks {
            level: IsolationLevel::Process,
            ruleset: None,
            filter: Vec::new(),
            pid_slots: Vec::new(),
            enforced: vec!["limits: CPU, wall clock, file size, open files, output".to_owned()],
            missing: vec![
                "this platform has neither Landlock nor seccomp: programs can read and write files, use the network and start processes".to_owned(),
            ],
        }
    }
}

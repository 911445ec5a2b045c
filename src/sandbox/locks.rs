//! The locks that each child puts on, made ready once: what can this machine enforce?

use std::os::fd::OwnedFd;

use super::isolation::{Isolation, IsolationLevel};
use super::python::Python;
use crate::base::{Error, Result};

/// The locks that each child puts on, and what they amount to.
pub(super) struct Locks {
    pub isolation: Isolation,
    /// A Landlock ruleset that the zygote inherits; the child restricts itself with it.
    pub ruleset: Option<OwnedFd>,
    /// A seccomp filter, empty where there is none: the kernel's `struct sock_filter[]`.
    pub filter: Vec<u8>,
    /// Where in it the child's own process id belongs.
    pub pid_slots: Vec<usize>,
}

impl Locks {
    /// Tries every lock on this machine, and refuses if they are weaker than `require`.
    pub fn prepare(python: Python, require: IsolationLevel) -> Result<Locks> {
        let isolation = Isolation {
            level: IsolationLevel::Process,
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            python,
            // SAFETY: `geteuid` has no preconditions and cannot fail.
            uid: unsafe { libc::geteuid() },
            enforced: Vec::new(),
            missing: Vec::new(),
            canaries: Vec::new(),
        };
        let mut locks = Locks { isolation, ruleset: None, filter: Vec::new(), pid_slots: Vec::new() };
        platform::prepare(&mut locks);
        let Isolation { level, missing, .. } = &locks.isolation;
        let missing = missing.join("; ");
        // Linux always has seccomp to offer; one without it is not a weaker choice but a broken one.
        if cfg!(target_os = "linux") && *level < IsolationLevel::Seccomp {
            let why = format!("{missing}; on Linux nothing runs without seccomp, and no flag changes that");
            return Err(Error::Sandbox(why));
        }
        match *level < require {
            true => Err(Error::Isolation { missing, level: level.name() }),
            false => Ok(locks),
        }
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
        RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
    };

    use super::{Isolation, IsolationLevel, Locks, OwnedFd, Python};
    use crate::sandbox::{filter, start_state};

    /// Everything that Landlock of Linux 6.12 can deny: files, TCP, signals, abstract sockets.
    const LANDLOCK: ABI = ABI::V6;

    pub(super) fn prepare(locks: &mut Locks) {
        let Isolation { level, python, enforced, missing, .. } = &mut locks.isolation;
        enforced.push("limits: CPU, wall clock, memory, file size, open files, output".to_owned());
        let landlock = ruleset(python, CompatLevel::HardRequirement);
        let landlock_is_full = landlock.is_ok();
        locks.ruleset = match landlock {
            Ok(ruleset) => {
                enforced
                    .push("Landlock: files (standard library, read-only), TCP, signals, sockets".to_owned());
                ruleset
            }
            Err(error) => {
                missing.push(format!(
                    "Landlock is not fully available (Linux 6.12 or later has all of it): {error}"
                ));
                ruleset(python, CompatLevel::BestEffort).ok().flatten()
            }
        };
        match seccomp_works().and_then(|()| filter::compile(landlock_is_full)) {
            Ok(filter) => {
                (locks.filter, locks.pid_slots) = filter;
                *level = if landlock_is_full { IsolationLevel::Full } else { IsolationLevel::Seccomp };
                enforced
                    .push("seccomp: an allowlist of system calls, EPERM or SIGSYS for all others".to_owned());
            }
            Err(error) => missing.push(error),
        }
        enforced.push("no capabilities, no new privileges".to_owned());
        match start_state::can_fix_addresses() {
            true => enforced.push("the same addresses in every process".to_owned()),
            false => missing.push(
                "address randomisation cannot be switched off here (Docker's default profile refuses): what depends on the order of a program's own objects may differ between two runs".to_owned(),
            ),
        }
    }

    /// The standard library may be read; `/dev/null` may be read and written; nothing else.
    fn ruleset(python: &Python, level: CompatLevel) -> Result<Option<OwnedFd>, RulesetError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(level)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?;
        let library = python.library.iter().flat_map(|path| readable(path));
        let null = ("/dev/null".into(), AccessFs::ReadFile | AccessFs::WriteFile);
        for (path, rights) in library.chain([null]) {
            if let Ok(path) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(path, rights))?;
            }
        }
        Ok(ruleset.into())
    }

    /// What may be done with a path of the library and what lies beneath it. Packages that were
    /// installed into the library's folder are no part of it: of such a folder all but they are read.
    fn readable(path: &Path) -> Vec<(PathBuf, BitFlags<AccessFs>)> {
        const INSTALLED: [&str; 2] = ["site-packages", "dist-packages"];
        let with_rights = |path: PathBuf| match path.is_dir() {
            true => (path, AccessFs::ReadFile | AccessFs::ReadDir),
            false => (path, AccessFs::ReadFile.into()),
        };
        if !INSTALLED.iter().any(|name| path.join(name).exists()) {
            return vec![with_rights(path.to_owned())];
        }
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let own = entries.filter(|entry| !INSTALLED.iter().any(|name| entry.file_name() == *name));
        let folder = (path.to_owned(), AccessFs::ReadDir.into());
        own.map(|entry| with_rights(entry.path())).chain([folder]).collect()
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
    pub(super) fn prepare(locks: &mut super::Locks) {
        let limits = "limits: CPU, wall clock, file size, open files, output";
        locks.isolation.enforced.push(limits.to_owned());
        locks.isolation.missing.push(
            "this platform has neither Landlock nor seccomp: programs can read and write files, use the network and start processes".to_owned(),
        );
    }
}

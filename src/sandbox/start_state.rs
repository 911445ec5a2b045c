//! The state that every zygote starts from, whoever started the kit: programs inherit it.

use std::io;
use std::os::fd::RawFd;

use rustix::process::{Resource, Rlimit, getrlimit};

/// A limit that this process inherited, and the least that it must allow.
struct Needed {
    resource: Resource,
    /// As the shell sets it.
    flag: &'static str,
    at_least: u64,
}

/// Bytes of a program's stack: what a login shell gives.
const STACK: u64 = 8 << 20;

const NEEDED: [Needed; 5] = [
    Needed { resource: Resource::Stack, flag: "ulimit -s, in KiB", at_least: STACK },
    Needed { resource: Resource::Data, flag: "ulimit -d, in KiB", at_least: 2 << 30 },
    Needed { resource: Resource::As, flag: "ulimit -v, in KiB", at_least: 2 << 30 },
    Needed { resource: Resource::Nofile, flag: "ulimit -n", at_least: 256 },
    Needed { resource: Resource::Cpu, flag: "ulimit -t", at_least: 3600 },
];

/// Do the limits that this process inherited leave room for programs? What is missing, if not.
pub(super) fn check_limits() -> Result<(), String> {
    for Needed { resource, flag, at_least } in NEEDED {
        if let Some(limit) = getrlimit(resource).maximum.filter(|limit| *limit < at_least) {
            return Err(format!(
                "the hard limit {resource:?} of whoever started this is {limit}; at least {at_least} is needed ({flag})"
            ));
        }
    }
    Ok(())
}

/// Can the kernel be told to place everything at the same addresses in each process? Docker's default
/// profile refuses.
#[cfg(target_os = "linux")]
pub(super) fn can_fix_addresses() -> bool {
    // SAFETY: `personality` takes and returns a plain number; it changes this thread alone, and back.
    unsafe {
        let before = libc::personality(0xffff_ffff);
        let fixed = libc::personality(before as libc::c_ulong | libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
        libc::personality(before as libc::c_ulong);
        fixed != -1
    }
}

/// Between fork and exec: signals, limits, file mode mask and address layout as in a fresh login. What is
/// refused stays as it is; `check_limits` and `can_fix_addresses` have said so before.
pub(super) fn enter() {
    // SAFETY: plain numbers, and an empty set that lives through the call. All are async-signal-safe.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        libc::umask(0o022);
        #[cfg(target_os = "linux")]
        libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
    }
    for resource in [Resource::Data, Resource::As, Resource::Cpu, Resource::Fsize] {
        let maximum = getrlimit(resource).maximum;
        let _ = rustix::process::setrlimit(resource, Rlimit { current: maximum, maximum });
    }
    for (resource, current) in [(Resource::Stack, STACK), (Resource::Nofile, 256)] {
        let maximum = getrlimit(resource).maximum;
        let _ = rustix::process::setrlimit(resource, Rlimit { current: Some(current), maximum });
    }
}

/// Between fork and exec: a descriptor under another number, which the new program keeps.
pub(super) fn hand_down(fd: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: `dup2` and `fcntl` take and return plain integers.
    let done =
        unsafe { if fd == number { libc::fcntl(fd, libc::F_SETFD, 0) } else { libc::dup2(fd, number) } };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

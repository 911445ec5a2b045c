//! The system calls that a program may make: an allowlist, compiled once by `seccompiler`.
//!
//! Whatever is not on the list kills the process with SIGSYS, which reads as `forbidden`. A
//! program that tries to fork, execute, connect or trace is therefore stopped at that call, and
//! cannot catch the refusal and go on. Opening files is left to Landlock where it is enforced.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

/// Stands in the compiled filter for the child's own process id; the child puts its own there.
const OWN_PID: u32 = 0x7fff_5afe;

/// A compiled filter as bytes (`struct sock_filter[]`), and where in it the child's pid belongs.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub bytes: Vec<u8>,
    pub pid_slots: Vec<usize>,
}

/// Allowed with any arguments: memory, time, reading, the process's own signals and identity.
#[rustfmt::skip]
const ALLOWED: &[c_long] = &[
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_preadv, libc::SYS_write, libc::SYS_writev,
    libc::SYS_lseek, libc::SYS_close, libc::SYS_close_range, libc::SYS_dup, libc::SYS_dup3,
    libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_faccessat, libc::SYS_faccessat2,
    libc::SYS_readlinkat, libc::SYS_getdents64, libc::SYS_getcwd, libc::SYS_umask,
    libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_msync,
    libc::SYS_brk, libc::SYS_futex, libc::SYS_getrandom,
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigpending, libc::SYS_rt_sigtimedwait, libc::SYS_sigaltstack, libc::SYS_restart_syscall,
    libc::SYS_getpid, libc::SYS_gettid, libc::SYS_getppid, libc::SYS_getpgid,
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid,
    libc::SYS_getresuid, libc::SYS_getresgid, libc::SYS_getgroups,
    libc::SYS_getrusage, libc::SYS_times, libc::SYS_getrlimit, libc::SYS_sysinfo, libc::SYS_uname,
    libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_getcpu,
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_gettimeofday,
    libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_setitimer, libc::SYS_getitimer,
    libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    libc::SYS_wait4, libc::SYS_waitid,
    libc::SYS_exit, libc::SYS_exit_group,
];

/// The older names of allowed calls, which only x86-64 still has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_getdents, libc::SYS_dup2,
    libc::SYS_poll, libc::SYS_select, libc::SYS_time, libc::SYS_alarm, libc::SYS_pause, libc::SYS_getpgrp,
    libc::SYS_epoll_create, libc::SYS_epoll_wait,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[c_long] = &[];

/// Questions about a terminal, which `open` and `print` ask of any file: TCGETS, its newer form
/// TCGETS2, and TIOCGWINSZ.
const IOCTLS: [u64; 3] = [0x5401, 0x802c_542a, 0x5413];

const FCNTLS: [i32; 6] =
    [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];

/// A stopped process uses no CPU and answers nothing; no program may stop itself.
const STOPS: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Compiles the allowlist. Without Landlock (`landlock_decides` false) files open read-only.
pub(crate) fn compile(landlock_decides: bool) -> Result<Filter, String> {
    let program = build(landlock_decides).map_err(|error| format!("seccomp filter: {error}"))?;
    let pid_slots = program
        .iter()
        .enumerate()
        .filter(|(_, instruction)| instruction.k == OWN_PID)
        .map(|(i, _)| i * size_of::<sock_filter>() + 4)
        .collect();
    let bytes = program
        .iter()
        .flat_map(|op| [&op.code.to_ne_bytes()[..], &[op.jt, op.jf], &op.k.to_ne_bytes()].concat())
        .collect();
    Ok(Filter { bytes, pid_slots })
}

fn build(landlock_decides: bool) -> Result<BpfProgram, seccompiler::BackendError> {
    let word = |index, op, value| SeccompCondition::new(index, Len::Dword, op, value);
    let own = |index| word(index, Op::Eq, u64::from(OWN_PID));
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();
    for call in ALLOWED.iter().chain(ALLOWED_HERE) {
        rules.insert(*call, vec![]);
    }

    let read_only = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) as u64;
    let opens: &[(c_long, u8)] = &[
        (libc::SYS_openat, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 1),
    ];
    for (call, flags) in opens {
        let rule = match landlock_decides {
            true => vec![],
            false => vec![SeccompRule::new(vec![word(*flags, Op::MaskedEq(read_only), 0)?])?],
        };
        rules.insert(*call, rule);
    }

    let mut ioctls = Vec::new();
    for request in IOCTLS {
        ioctls.push(SeccompRule::new(vec![word(1, Op::Eq, request)?])?);
    }
    rules.insert(libc::SYS_ioctl, ioctls);
    let mut fcntls = Vec::new();
    for command in FCNTLS {
        fcntls.push(SeccompRule::new(vec![word(1, Op::Eq, command as u64)?])?);
    }
    rules.insert(libc::SYS_fcntl, fcntls);

    // Signals: to itself only (`abort` needs that), and none that stops.
    for (call, pid, signal) in [(libc::SYS_kill, 0, 1), (libc::SYS_tkill, 0, 1), (libc::SYS_tgkill, 0, 2)] {
        let mut conditions = vec![own(pid)?];
        for stop in STOPS {
            conditions.push(word(signal, Op::Ne, stop as u64)?);
        }
        rules.insert(call, vec![SeccompRule::new(conditions)?]);
    }

    // Limits: its own only. Hard limits cannot be raised without a capability, and it has none.
    let own_limits = vec![SeccompRule::new(vec![word(0, Op::Eq, 0)?])?, SeccompRule::new(vec![own(0)?])?];
    rules.insert(libc::SYS_prlimit64, own_limits);

    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}

//! The system calls that a program may make: an allowlist, compiled once by `seccompiler`.
//!
//! Whatever is not on the list kills the process with SIGSYS, which reads as `forbidden`. A
//! program that tries to fork, execute, connect or trace is therefore stopped at that call, and
//! cannot catch the refusal and go on. Opening files is left to Landlock where it is enforced.

use std::collections::BTreeMap;

use itertools::Itertools;
use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

// The instructions of a filter, as `linux/bpf_common.h` has them, and where `seccomp_data` has what.
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

/// Stands in the compiled filter for the child's own process id; the child puts its own there.
const OWN_PID: u32 = 0x7fff_5afe;

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

/// Compiles the allowlist. Without Landlock (`landlock_decides` false) files open read-only. Returns the
/// kernel's `struct sock_filter[]` as bytes, and where in them the child's own process id belongs.
pub(super) fn compile(landlock_decides: bool) -> Result<(Vec<u8>, Vec<usize>), String> {
    let program = conditional(landlock_decides, &[])
        .map_err(|error| format!("seccomp filter: {error}"))
        .and_then(|program| with_search(program, &unconditional()))?;
    let own = program.iter().positions(|instruction| instruction.k == OWN_PID);
    let pid_slots = own.map(|i| i * size_of::<sock_filter>() + 4).collect();
    let bytes = program
        .iter()
        .flat_map(|op| [&op.code.to_ne_bytes()[..], &[op.jt, op.jf], &op.k.to_ne_bytes()].concat())
        .collect();
    Ok((bytes, pid_slots))
}

/// Calls that are allowed whatever their arguments, ascending.
fn unconditional() -> Vec<u32> {
    ALLOWED.iter().chain(ALLOWED_HERE).map(|call| *call as u32).sorted_unstable().collect()
}

/// Puts a binary search in front of a program of seccompiler's: calls on the list are allowed there,
/// all others fall through to the program, which decides. A new filter is tried by the kernel on
/// every call there is, and seccompiler asks for one call after another; that cost 0.5 ms a child.
fn with_search(mut program: BpfProgram, calls: &[u32]) -> Result<BpfProgram, String> {
    // seccompiler begins: load the architecture; if it is another, kill; load the call's number.
    let own_architecture = program.get(1).map_or(0, |op| op.k);
    let start = [
        sock_filter { code: LOAD, jt: 0, jf: 0, k: ARCHITECTURE_AT },
        sock_filter { code: JUMP_IF_EQUAL, jt: 1, jf: 0, k: own_architecture },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_KILL_PROCESS },
        sock_filter { code: LOAD, jt: 0, jf: 0, k: NUMBER_AT },
    ];
    if !program.starts_with(&start) {
        return Err("seccomp filter: it does not begin as expected".to_owned());
    }
    // Where the answer changes between "not on the list" and "on the list".
    let mut borders: Vec<u32> = Vec::new();
    for &call in calls {
        match borders.last_mut() {
            Some(end) if *end == call => *end += 1,
            _ => borders.extend([call, call + 1]),
        }
    }
    let mut search = search(&borders, false)?;
    let size = search.len();
    for (at, op) in search.iter_mut().enumerate().filter(|(_, op)| op.code == JUMP) {
        op.k = (size - at - 1) as u32; // the fall through: over what is left of the search
    }
    program.splice(start.len()..start.len(), search);
    Ok(program)
}

/// The search below some borders; `listed` says what holds for numbers below the first of them.
fn search(borders: &[u32], listed: bool) -> Result<BpfProgram, String> {
    let op = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    if borders.is_empty() {
        let leaf = if listed { op(RETURN, 0, libc::SECCOMP_RET_ALLOW) } else { op(JUMP, 0, 0) };
        return Ok(vec![leaf]);
    }
    let middle = borders.len() / 2;
    let below = search(&borders[..middle], listed)?;
    // Each border passed changes the answer.
    let above = search(&borders[middle + 1..], listed ^ middle.is_multiple_of(2))?;
    let jump = u8::try_from(below.len()).map_err(|_| "seccomp filter: too long a jump".to_owned())?;
    Ok([vec![op(JUMP_IF_AT_LEAST, jump, borders[middle])], below, above].concat())
}

/// seccompiler's program for the calls that depend on their arguments, and for `calls`, which do not.
fn conditional(landlock_decides: bool, calls: &[u32]) -> Result<BpfProgram, seccompiler::BackendError> {
    let word = |index, op, value| SeccompCondition::new(index, Len::Dword, op, value);
    let own = |index| word(index, Op::Eq, u64::from(OWN_PID));
    let one_of = |index, values: &[u64]| -> Result<Vec<SeccompRule>, _> {
        values.iter().map(|value| SeccompRule::new(vec![word(index, Op::Eq, *value)?])).collect()
    };
    // A call without rules is allowed whatever its arguments.
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        calls.iter().map(|call| (c_long::from(*call), vec![])).collect();

    let read_only = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) as u64;
    let opens: &[(c_long, u8)] = &[
        (libc::SYS_openat, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 1),
    ];
    for (call, flags) in opens {
        let rule = SeccompRule::new(vec![word(*flags, Op::MaskedEq(read_only), 0)?])?;
        rules.insert(*call, if landlock_decides { vec![] } else { vec![rule] });
    }
    rules.insert(libc::SYS_ioctl, one_of(1, &IOCTLS)?);
    rules.insert(libc::SYS_fcntl, one_of(1, &FCNTLS.map(|command| command as u64))?);

    // Signals: to itself only (`abort` needs that), and none that stops.
    for (call, pid, signal) in [(libc::SYS_kill, 0, 1), (libc::SYS_tkill, 0, 1), (libc::SYS_tgkill, 0, 2)] {
        let mut conditions = vec![own(pid)?];
        for stop in STOPS {
            conditions.push(word(signal, Op::Ne, stop as u64)?);
        }
        rules.insert(call, vec![SeccompRule::new(conditions)?]);
    }

    // Limits: its own only. Hard limits cannot be raised without a capability, and it has none.
    rules.insert(libc::SYS_prlimit64, one_of(0, &[0, u64::from(OWN_PID)])?);

    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a filter answers to a call: the part of the kernel's interpreter that filters use.
    fn answer(program: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = [number.to_ne_bytes(), architecture.to_ne_bytes()].concat();
        data.extend_from_slice(&[0; 8]); // instruction pointer
        arguments.iter().for_each(|argument| data.extend_from_slice(&argument.to_ne_bytes()));
        let (mut at, mut loaded) = (0, 0u32);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let jump = |yes: bool| usize::from(if yes { jt } else { jf });
            at += 1;
            match code {
                LOAD => loaded = u32::from_ne_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
                JUMP => at += k as usize,
                JUMP_IF_EQUAL => at += jump(loaded == k),
                JUMP_IF_AT_LEAST => at += jump(loaded >= k),
                0x25 => at += jump(loaded > k),
                0x45 => at += jump(loaded & k != 0),
                0x54 => loaded &= k,
                RETURN => return k,
                _ => panic!("instruction {code:#x} is not known here"),
            }
        }
    }

    #[test]
    fn the_search_decides_as_the_whole_list_does() {
        let own = u64::from(OWN_PID);
        let values =
            [0, 1, 2, 3, 9, 19, 20, 0x5401, 0x5412, 0x5413, 0o1101, 1031, own, own + 1, 1 << 32, u64::MAX];
        for landlock_decides in [true, false] {
            let whole = conditional(landlock_decides, &unconditional()).unwrap();
            let few = conditional(landlock_decides, &[]).unwrap();
            let quick = with_search(few, &unconditional()).unwrap();
            let own_architecture = whole[1].k;
            let (mut allowed, mut refused) = (0, 0);
            for number in (0..1200).chain(0x4000_0000..0x4000_0400).chain([u32::MAX, 0x8000_0000, OWN_PID]) {
                for architecture in [own_architecture, 0x4000_0003, 0] {
                    for (i, first) in values.iter().enumerate() {
                        let next = |step: usize| values[(i * 7 + step) % values.len()];
                        for step in 0..values.len() {
                            let arguments = [*first, next(step), next(step + 5), 0, 0, 0];
                            let ask = |program| answer(program, architecture, number, arguments);
                            assert_eq!(ask(&quick), ask(&whole), "call {number}, arguments {arguments:?}");
                            match ask(&whole) {
                                libc::SECCOMP_RET_ALLOW => allowed += 1,
                                _ => refused += 1,
                            }
                        }
                    }
                }
            }
            assert!(allowed > 10_000 && refused > 100_000, "{allowed} and {refused}");
            assert!(quick.len() < whole.len(), "{} and {}", quick.len(), whole.len());
        }
    }

    #[test]
    fn every_call_on_the_list_is_allowed_and_its_neighbors_are_not() {
        let calls = unconditional();
        let few = conditional(true, &[]).unwrap();
        let own_architecture = few[1].k;
        let quick = with_search(few, &[3, 4, 7]).unwrap();
        let allowed: Vec<u32> = (0..2000)
            .filter(|number| answer(&quick, own_architecture, *number, [0; 6]) == libc::SECCOMP_RET_ALLOW)
            .collect();
        assert!([3, 4, 7].iter().all(|call| allowed.contains(call)), "{allowed:?}");
        let (bytes, pid_slots) = compile(true).unwrap();
        assert_eq!(bytes.len() % size_of::<sock_filter>(), 0);
        assert_eq!(pid_slots.len(), 4, "kill, tkill, tgkill, prlimit64");
        assert!(calls.windows(2).all(|pair| pair[0] < pair[1]), "a call is listed twice");
    }
}

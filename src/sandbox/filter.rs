//! The system calls that a program may make, compiled once with `seccompiler`. Three classes:
//!
//! - *allowed*: what honest programs need, threads included; some with certain arguments only;
//! - *killed* with SIGSYS, which reads as `forbidden`: what no honest program calls ([`KILLED`]);
//! - *refused* with EPERM: everything else. Python raises `PermissionError`, which a program can catch; if
//!   it does not, that too reads as `forbidden`.
//!
//! Opening files is left to Landlock where it is enforced.

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

/// Allowed with any arguments: memory, time, reading, threads' own business, pipes, waiting for events,
/// the process's own signals and identity.
#[rustfmt::skip]
const ALLOWED: &[c_long] = &[
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_preadv, libc::SYS_write, libc::SYS_writev,
    libc::SYS_lseek, libc::SYS_close, libc::SYS_close_range, libc::SYS_dup, libc::SYS_dup3,
    libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_faccessat, libc::SYS_faccessat2,
    libc::SYS_readlinkat, libc::SYS_getdents64, libc::SYS_getcwd, libc::SYS_umask, libc::SYS_statfs, libc::SYS_fstatfs,
    libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_msync,
    libc::SYS_brk, libc::SYS_futex, libc::SYS_getrandom,
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigpending, libc::SYS_rt_sigtimedwait, libc::SYS_sigaltstack, libc::SYS_restart_syscall,
    libc::SYS_set_robust_list, libc::SYS_set_tid_address, libc::SYS_rseq,
    libc::SYS_getpid, libc::SYS_gettid, libc::SYS_getppid, libc::SYS_getpgid, libc::SYS_getsid,
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid,
    libc::SYS_getresuid, libc::SYS_getresgid, libc::SYS_getgroups,
    libc::SYS_getrusage, libc::SYS_times, libc::SYS_getrlimit, libc::SYS_sysinfo, libc::SYS_uname,
    libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_getcpu, libc::SYS_getpriority,
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_gettimeofday,
    libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_setitimer, libc::SYS_getitimer,
    libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    libc::SYS_pipe2, libc::SYS_eventfd2, libc::SYS_recvfrom, libc::SYS_shutdown,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_getsockopt,
    libc::SYS_wait4, libc::SYS_waitid,
    libc::SYS_exit, libc::SYS_exit_group,
];

/// The older names of allowed calls, which only x86-64 still has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_getdents, libc::SYS_dup2,
    libc::SYS_poll, libc::SYS_select, libc::SYS_time, libc::SYS_alarm, libc::SYS_pause, libc::SYS_getpgrp,
    libc::SYS_epoll_create, libc::SYS_epoll_wait, libc::SYS_pipe, libc::SYS_eventfd,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[c_long] = &[];

/// Ways into other processes and into the kernel.
#[rustfmt::skip]
const KILLED: &[c_long] = &[
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
    libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_userfaultfd,
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl,
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
    libc::SYS_kexec_load, libc::SYS_kexec_file_load,
];

/// Numbers from here on are those of the x32 table, which nothing here is compiled for.
#[cfg(target_arch = "x86_64")]
const FOREIGN_TABLE: Option<u32> = Some(0x4000_0000);
#[cfg(not(target_arch = "x86_64"))]
const FOREIGN_TABLE: Option<u32> = None;

/// What a new thread shares with its maker, as glibc and musl ask for it. The first three make it a thread;
/// without one of them, or with a flag that is not here (namespaces, tracing), it is refused. Flags of
/// `clone3` lie in memory, where a filter cannot read them: it answers "no such call", and C libraries then
/// use `clone`.
const THREAD: i32 = libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
const THREAD_ALSO: i32 = libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_SETTID
    | libc::CLONE_CHILD_CLEARTID
    | libc::CLONE_DETACHED;

/// Questions about a terminal, which `open` and `print` ask of any file: TCGETS, its newer form
/// TCGETS2, and TIOCGWINSZ; and not to block: FIONBIO.
const IOCTLS: [u64; 4] = [0x5401, 0x802c_542a, 0x5413, 0x5421];

const FCNTLS: [i32; 6] =
    [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];

/// A stopped process uses no CPU and answers nothing; no program may stop itself.
const STOPS: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Compiles the filter. Without Landlock (`landlock_decides` false) files open read-only. Returns the
/// kernel's `struct sock_filter[]` as bytes, and where in them the child's own process id belongs.
pub(super) fn compile(landlock_decides: bool) -> Result<(Vec<u8>, Vec<usize>), String> {
    let program = conditional(landlock_decides)
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

/// What is answered to calls whatever their arguments, by their number.
fn unconditional() -> BTreeMap<u32, u32> {
    let answer = |calls: &[c_long], answer| calls.iter().map(|call| (*call as u32, answer)).collect_vec();
    let no_such_call = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    [
        answer(ALLOWED, libc::SECCOMP_RET_ALLOW),
        answer(ALLOWED_HERE, libc::SECCOMP_RET_ALLOW),
        answer(KILLED, libc::SECCOMP_RET_KILL_PROCESS),
        answer(&[libc::SYS_clone3], no_such_call),
    ]
    .concat()
    .into_iter()
    .collect()
}

/// From this number on: an answer, or `None` where arguments decide.
type Border = (u32, Option<u32>);

/// Puts a binary search in front of a program of seccompiler's: what needs no arguments is answered there,
/// all other calls fall through to the program, which decides. A new filter is tried by the kernel on
/// every call there is, and seccompiler asks for one call after another; that cost 0.5 ms a child.
fn with_search(mut program: BpfProgram, answers: &BTreeMap<u32, u32>) -> Result<BpfProgram, String> {
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
    let foreign = FOREIGN_TABLE.map(|number| (number, Some(libc::SECCOMP_RET_KILL_PROCESS)));
    let each = answers.iter().flat_map(|(&call, &answer)| [(call, Some(answer)), (call + 1, None)]);
    let borders: Vec<Border> = each.chain(foreign).collect();
    // A call's end is the next one's beginning, and what does not change is no border.
    let borders = borders.into_iter().coalesce(|a, b| if a.0 == b.0 { Ok(b) } else { Err((a, b)) });
    let borders: Vec<Border> = borders.dedup_by(|a, b| a.1 == b.1).collect();
    let mut search = search(&borders, None)?;
    let size = search.len();
    for (at, op) in search.iter_mut().enumerate().filter(|(_, op)| op.code == JUMP) {
        op.k = (size - at - 1) as u32; // the fall through: over what is left of the search
    }
    program.splice(start.len()..start.len(), search);
    Ok(program)
}

/// The search among some borders; `below` is what holds for numbers below the first of them.
fn search(borders: &[Border], below: Option<u32>) -> Result<BpfProgram, String> {
    let op = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    let Some(&(border, answer)) = borders.get(borders.len() / 2) else {
        return Ok(vec![below.map_or(op(JUMP, 0, 0), |answer| op(RETURN, 0, answer))]);
    };
    let left = search(&borders[..borders.len() / 2], below)?;
    let right = search(&borders[borders.len() / 2 + 1..], answer)?;
    let jump = u8::try_from(left.len()).map_err(|_| "seccomp filter: too long a jump".to_owned())?;
    Ok([vec![op(JUMP_IF_AT_LEAST, jump, border)], left, right].concat())
}

/// seccompiler's program for the calls that depend on their arguments; it refuses all others.
fn conditional(landlock_decides: bool) -> Result<BpfProgram, seccompiler::BackendError> {
    let word = |index, op, value| SeccompCondition::new(index, Len::Dword, op, value);
    let whole = |index, op, value| SeccompCondition::new(index, Len::Qword, op, value);
    let own = |index| word(index, Op::Eq, u64::from(OWN_PID));
    let one_of = |index, values: &[u64]| -> Result<Vec<SeccompRule>, _> {
        values.iter().map(|value| SeccompRule::new(vec![word(index, Op::Eq, *value)?])).collect()
    };
    let all = |conditions| -> Result<Vec<SeccompRule>, _> { Ok(vec![SeccompRule::new(conditions)?]) };
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();

    let read_only = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) as u64;
    let opens: &[(c_long, u8)] = &[
        (libc::SYS_openat, 2),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 1),
    ];
    for (call, flags) in opens {
        // A call without rules is allowed whatever its arguments.
        let rule = all(vec![word(*flags, Op::MaskedEq(read_only), 0)?])?;
        rules.insert(*call, if landlock_decides { vec![] } else { rule });
    }
    rules.insert(libc::SYS_ioctl, one_of(1, &IOCTLS)?);
    rules.insert(libc::SYS_fcntl, one_of(1, &FCNTLS.map(|command| command as u64))?);
    rules.insert(libc::SYS_prctl, one_of(0, &[libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64])?);

    // Threads: the flags that make one, and none beside those that it may have.
    let thread = THREAD as u32 as u64;
    let foreign = !(thread | THREAD_ALSO as u32 as u64);
    rules.insert(libc::SYS_clone, all(vec![whole(0, Op::MaskedEq(foreign | thread), thread)?])?);

    // Sockets: pairs of this process's own, over which nothing is sent to an address, and no out-of-band
    // byte, whose handling in the kernel has been a way out of sandboxes.
    rules.insert(libc::SYS_socketpair, one_of(0, &[libc::AF_UNIX as u64])?);
    let here = vec![word(3, Op::MaskedEq(libc::MSG_OOB as u64), 0)?, whole(4, Op::Eq, 0)?];
    rules.insert(libc::SYS_sendto, all(here)?);

    // Signals: to itself only (`abort` needs that), and none that stops.
    for (call, pid, signal) in [(libc::SYS_kill, 0, 1), (libc::SYS_tkill, 0, 1), (libc::SYS_tgkill, 0, 2)] {
        let mut conditions = vec![own(pid)?];
        for stop in STOPS {
            conditions.push(word(signal, Op::Ne, stop as u64)?);
        }
        rules.insert(call, all(conditions)?);
    }

    // Limits: its own only. Hard limits cannot be raised without a capability, and it has none.
    rules.insert(libc::SYS_prlimit64, one_of(0, &[0, u64::from(OWN_PID)])?);

    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch)?.try_into()
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

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    fn filters(landlock_decides: bool) -> (BpfProgram, BpfProgram, u32) {
        let few = conditional(landlock_decides).unwrap();
        let own_architecture = few[1].k;
        (with_search(few.clone(), &unconditional()).unwrap(), few, own_architecture)
    }

    #[test]
    fn the_search_answers_what_is_listed_and_leaves_the_rest_to_the_arguments() {
        let own = u64::from(OWN_PID);
        let values =
            [0, 1, 2, 3, 9, 19, 20, 0x5401, 0x5412, 0x5413, 0o1101, 1031, own, own + 1, 1 << 32, u64::MAX];
        for landlock_decides in [true, false] {
            let (quick, few, own_architecture) = filters(landlock_decides);
            let listed = unconditional();
            let (mut allowed, mut refused) = (0, 0);
            for number in (0..1200).chain(0x4000_0000..0x4000_0400).chain([u32::MAX, 0x8000_0000, OWN_PID]) {
                for architecture in [own_architecture, 0x4000_0003, 0] {
                    for (i, first) in values.iter().enumerate() {
                        let next = |step: usize| values[(i * 7 + step) % values.len()];
                        for step in 0..values.len() {
                            let arguments = [*first, next(step), next(step + 5), 0, 0, 0];
                            let ask = |program| answer(program, architecture, number, arguments);
                            let expected = match listed.get(&number) {
                                _ if architecture != own_architecture => KILL,
                                _ if FOREIGN_TABLE.is_some_and(|from| number >= from) => KILL,
                                Some(listed) => *listed,
                                None => ask(&few),
                            };
                            assert_eq!(ask(&quick), expected, "call {number}, arguments {arguments:?}");
                            match expected {
                                ALLOW => allowed += 1,
                                _ => refused += 1,
                            }
                        }
                    }
                }
            }
            assert!(allowed > 10_000 && refused > 100_000, "{allowed} and {refused}");
        }
    }

    #[test]
    fn the_three_classes_are_as_listed() {
        let (quick, _, own_architecture) = filters(true);
        let ask = |call: c_long, arguments| answer(&quick, own_architecture, call as u32, arguments);
        for (calls, expected) in [(ALLOWED, ALLOW), (ALLOWED_HERE, ALLOW), (KILLED, KILL)] {
            assert!(calls.iter().all(|call| ask(*call, [0; 6]) == expected));
        }
        let refused =
            [libc::SYS_execve, libc::SYS_socket, libc::SYS_connect, libc::SYS_mount, libc::SYS_setsid];
        assert!(refused.iter().all(|call| ask(*call, [0; 6]) == REFUSE));
        assert_eq!(ask(libc::SYS_clone3, [0; 6]), libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
        let listed = ALLOWED.len() + ALLOWED_HERE.len() + KILLED.len() + 1;
        assert_eq!(listed, unconditional().len(), "a call is listed twice");
        let (bytes, pid_slots) = compile(true).unwrap();
        assert_eq!(bytes.len() % size_of::<sock_filter>(), 0);
        assert_eq!(pid_slots.len(), 4, "kill, tkill, tgkill, prlimit64");
    }

    #[test]
    fn clone_makes_threads_and_nothing_else() {
        let (quick, _, own_architecture) = filters(true);
        let ask =
            |flags: u64| answer(&quick, own_architecture, libc::SYS_clone as u32, [flags, 0, 0, 0, 0, 0]);
        let glibc = 0x003d_0f00; // pthread_create
        assert_eq!((ask(glibc), ask(glibc | 0x40_0000)), (ALLOW, ALLOW));
        assert_eq!(ask(libc::SIGCHLD as u64), REFUSE, "fork");
        let vfork = (libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD) as u64;
        assert_eq!(ask(vfork), REFUSE);
        for missing in [libc::CLONE_VM, libc::CLONE_SIGHAND, libc::CLONE_THREAD] {
            assert_eq!(ask(glibc & !(missing as u64)), REFUSE);
        }
        for more in [libc::CLONE_NEWNS, libc::CLONE_NEWUSER, libc::CLONE_NEWPID, libc::CLONE_PTRACE] {
            assert_eq!(ask(glibc | more as u64), REFUSE);
        }
        assert_eq!(ask(glibc | 1 << 40), REFUSE, "a flag that this kernel does not know");
    }

    #[test]
    fn sockets_are_pairs_and_send_to_no_address() {
        let (quick, _, own_architecture) = filters(true);
        let ask = |call: c_long, arguments| answer(&quick, own_architecture, call as u32, arguments);
        assert_eq!(ask(libc::SYS_socketpair, [libc::AF_UNIX as u64, 1, 0, 0, 0, 0]), ALLOW);
        assert_eq!(ask(libc::SYS_socketpair, [libc::AF_INET as u64, 1, 0, 0, 0, 0]), REFUSE);
        let send = |flags: i32, address: u64| ask(libc::SYS_sendto, [3, 0, 1, flags as u64, address, 0]);
        assert_eq!((send(0, 0), send(libc::MSG_NOSIGNAL, 0)), (ALLOW, ALLOW));
        assert_eq!((send(libc::MSG_OOB, 0), send(0, 4096), send(0, 1 << 33)), (REFUSE, REFUSE, REFUSE));
    }
}

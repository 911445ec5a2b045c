//! Programs that try to become, make, signal, trace or change processes.

use crate::hostile;

/// A system call by number, which no wrapper of Python stands in the way of: `refused` if it has to come back
/// with an error and the program can go on, `killed` if it has to end the program.
macro_rules! syscall {
    ($($class:ident $name:ident: $call:expr;)*) => {$(
        #[test]
        fn $name() {
            let program = format!(
                "import ctypes, os\nlibc = ctypes.CDLL(None)\nbuffer = ctypes.create_string_buffer(256)\ndef f(x):\n    return x + 1 if libc.{} == -1 else 'it happened'",
                $call
            );
            let words = if stringify!($class) == "killed" { "forbidden" } else { "pass, pass" };
            $crate::check(&program, "[[1],[5]]", "[2,6]", words);
        }
    )*};
}

hostile! {
    fork: "forbidden, forbidden", "import os\ndef f(x):\n    os.fork()\n    return x + 1";
    fork_caught: "pass, pass", r"
import os
def f(x):
    try:
        os.fork()
    except BaseException: pass
    return x + 1";
    fork_at_import: "forbidden, forbidden", "import os\nos.fork()\ndef f(x): return x + 1";
    fork_bomb: "forbidden, forbidden", "import os\ndef f(x):\n    while True: os.fork()";
    forkpty: "forbidden, forbidden|not_run", "import os\ndef f(x):\n    os.forkpty()\n    return x + 1";
    daemon: "forbidden, forbidden", r"
import os
def f(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True: pass
        os._exit(0)
    return x + 1";
    shell: "pass, pass", "import os\ndef f(x):\n    return x + 1 if os.system('true') != 0 else 'it happened'";
    popen: "forbidden|exception, forbidden|exception", "import os\ndef f(x):\n    os.popen('id').read()\n    return x + 1";
    subprocess: "forbidden|exception, forbidden|exception", "import subprocess\ndef f(x):\n    subprocess.run(['/bin/true'])\n    return x + 1";
    posix_spawn: "forbidden, forbidden", "import os\ndef f(x):\n    os.posix_spawn('/bin/true', ['true'], {})\n    return x + 1";
    execute: "forbidden, forbidden", "import os\ndef f(x):\n    os.execv('/bin/true', ['true'])";
    execute_python: "forbidden, forbidden", "import os, sys\ndef f(x):\n    os.execv(sys.executable, ['python3', '-c', 'pass'])";
    thread: "pass, pass", "import _thread, time\ndef f(x):\n    _thread.start_new_thread(time.sleep, (9,))\n    return x + 1";
    thread_of_the_library: "pass, pass", r"
import threading
def f(x):
    thread = threading.Thread(target=print, daemon=True)
    thread.start()
    return x + 1";
    /// Stacks of 8 MiB each: the address space is full before the list of processes is.
    thread_bomb: "exception|memory|timeout, exception|memory|timeout|not_run", r"
import threading, time
def f(x):
    while True: threading.Thread(target=time.sleep, args=(9,)).start()";
    thread_pool: "pass, pass", r"
from concurrent.futures import ThreadPoolExecutor
def f(x):
    with ThreadPoolExecutor(2) as pool: return pool.submit(lambda: x + 1).result()";
    multiprocessing_process: "forbidden|exception, forbidden|exception", r"
import multiprocessing
def f(x):
    p = multiprocessing.get_context('fork').Process(target=print)
    p.start(); p.join()
    return x + 1";
    signal_to_the_zygote: "forbidden, forbidden", "import os, signal\ndef f(x):\n    os.kill(os.getppid(), signal.SIGKILL)\n    return x + 1";
    probing_the_zygote: "forbidden, forbidden", "import os\ndef f(x):\n    os.kill(os.getppid(), 0)\n    return x + 1";
    signal_to_the_zygote_caught: "pass, pass", r"
import os
def f(x):
    for pid in range(1, 33000):
        try: os.kill(pid if pid != os.getpid() else 1, 9)
        except OSError: pass
    return x + 1";
    signal_to_everyone: "forbidden, forbidden", "import os\ndef f(x):\n    os.kill(-1, 9)\n    return x + 1";
    signal_to_its_group: "forbidden, forbidden", "import os\ndef f(x):\n    os.killpg(0, 9)\n    return x + 1";
    new_session: "forbidden, forbidden", "import os\ndef f(x):\n    os.setsid()\n    return x + 1";
    new_group: "forbidden, forbidden", "import os\ndef f(x):\n    os.setpgid(0, 0)\n    return x + 1";
    lower_priority: "forbidden, forbidden", "import os\ndef f(x):\n    os.nice(5)\n    return x + 1";
    choosing_processors: "forbidden, forbidden", "import os\ndef f(x):\n    os.sched_setaffinity(0, {0})\n    return x + 1";
    realtime_priority: "forbidden, forbidden", "import os\ndef f(x):\n    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\n    return x + 1";
    lower_priority_of_others: "forbidden, forbidden", "import os\ndef f(x):\n    os.setpriority(os.PRIO_PGRP, 0, 5)\n    return x + 1";
    killing_the_zygotes_group: "forbidden, forbidden", "import os\ndef f(x):\n    os.kill(-os.getppid(), 9)\n    return x + 1";
    limits_of_the_zygote: "forbidden, forbidden", "import os, resource\ndef f(x):\n    resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))\n    return x + 1";
    reading_limits_of_the_zygote: "forbidden, forbidden", "import os, resource\ndef f(x):\n    resource.prlimit(os.getppid(), resource.RLIMIT_CPU)\n    return x + 1";
    no_descriptors_left: "pass, pass", "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\ndef f(x): return x + 1";
    more_descriptors: "exception, exception", "import resource\ndef f(x):\n    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\n    return x + 1";
    thread_of_the_fault_handler: "pass|exited, pass|exited|not_run", "import faulthandler\ndef f(x):\n    faulthandler.dump_traceback_later(0.01, exit=True)\n    return x + 1";
    another_user: "forbidden, forbidden", "import os\ndef f(x):\n    os.setuid(65534)\n    return x + 1";
    root_again: "forbidden, forbidden", "import os\ndef f(x):\n    os.setresuid(0, 0, 0)\n    return x + 1";
    catching_the_kill_by_filter: "forbidden, forbidden", r"
import os, signal
signal.signal(signal.SIGSYS, signal.SIG_IGN)
def f(x):
    os.fork()
    return x + 1";
    waiting_for_children_that_it_has_not: "exception, exception", "import os\ndef f(x):\n    os.wait()";
    system_call_of_the_32_bit_table: "forbidden|crashed", r"
import ctypes, mmap
# mov eax, 2 (fork in the i386 table); int 0x80; ret
code = mmap.mmap(-1, 4096, prot=7)
code.write(b'\xb8\x02\x00\x00\x00\xcd\x80\xc3')
call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
def f(x):
    call()
    return x + 1";
}

// Threads that take no memory at all: `clone` on one shared stack, to code that sleeps for ever.
#[cfg(target_arch = "x86_64")]
hostile! {
    thread_bomb_without_stacks: "memory|timeout", r"
import ctypes, mmap
# Each: loop { pause() }; the maker goes on. mov eax, 56 (clone); mov edi, 0x50f00; lea rsi, stack; syscall; test; jz; loop
stack = mmap.mmap(-1, 65536)
top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + 60000
code = mmap.mmap(-1, 4096, prot=7)
code.write(b'\x48\xbe' + top.to_bytes(8, 'little')          # mov rsi, top
    + b'\xb8\x38\x00\x00\x00' + b'\xbf\x00\x0f\x05\x00'      # mov eax, 56; mov edi, 0x50f00
    + b'\x31\xd2\x4d\x31\xd2\x4d\x31\xc0' + b'\x0f\x05'      # no tids, no tls; syscall
    + b'\x85\xc0\x74\x02\xeb\xe6'                            # child: pause; maker: again
    + b'\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7')               # mov eax, 34 (pause); syscall; again
call = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
def f(x): call()";
}

#[cfg(target_arch = "x86_64")]
syscall! {
    refused raw_fork: "syscall(57)";
    refused raw_vfork: "syscall(58)";
    refused raw_clone: "syscall(56, 17, 0, 0, 0, 0)";
    refused raw_clone3: "syscall(435, buffer, 88)";
    killed raw_fork_of_the_x32_table: "syscall(ctypes.c_long(57 | 0x40000000))";
    refused raw_execveat: "syscall(322, -100, b'/bin/true', 0, 0, 0)";
    killed raw_ptrace_attach: "syscall(101, 16, os.getppid(), 0, 0)";
    killed raw_ptrace_traceme: "syscall(101, 0, 0, 0, 0)";
    killed raw_process_vm_readv: "syscall(310, os.getppid(), buffer, 1, buffer, 1, 0)";
    killed raw_process_vm_writev: "syscall(311, os.getppid(), buffer, 1, buffer, 1, 0)";
    refused raw_kcmp: "syscall(312, os.getpid(), os.getppid(), 0, 0, 0)";
    refused raw_unshare: "syscall(272, 0x10000000)";
    refused raw_setns: "syscall(308, 3, 0)";
    refused raw_mount: "syscall(165, b'none', b'/tmp', b'tmpfs', 0, 0)";
    refused raw_pivot_root: "syscall(155, b'/', b'/')";
    refused raw_chroot: "syscall(161, b'/')";
    refused raw_prctl: "syscall(157, 1, 0, 0, 0, 0)";
    refused raw_second_filter: "syscall(317, 1, 0, buffer)";
    refused raw_pidfd_open: "syscall(434, os.getppid(), 0)";
    refused raw_pidfd_send_signal: "syscall(424, 3, 9, 0, 0)";
    refused raw_queued_signal: "syscall(129, os.getppid(), 9, buffer)";
    killed raw_io_uring: "syscall(425, 8, buffer)";
    killed raw_bpf: "syscall(321, 0, buffer, 128)";
    killed raw_perf: "syscall(298, buffer, 0, -1, -1, 0)";
    killed raw_userfaultfd: "syscall(323, 0)";
    killed raw_keyctl: "syscall(250, 0, 0, 0, 0)";
    refused raw_memfd: "syscall(319, b'x', 0)";
    refused raw_personality: "syscall(135, 0x0040000)";
    killed raw_module: "syscall(175, buffer, 256, b'')";
    refused raw_reboot: "syscall(169, 0xfee1dead, 672274793, 0, 0)";
    refused raw_swapon: "syscall(167, b'/tmp', 0)";
    refused raw_sethostname: "syscall(170, b'x', 1)";
    refused raw_settime: "syscall(227, 0, buffer)";
    refused raw_capset: "syscall(126, buffer, buffer)";
    refused raw_shmget: "syscall(29, 0, 4096, 0o1600)";
    refused raw_message_queue: "syscall(68, 0, 0o1600)";
    refused raw_semaphore: "syscall(64, 0, 1, 0o1600)";
    refused raw_timer: "syscall(222, 0, buffer, buffer)";
    refused raw_kill_with_high_bits_in_the_process_id: "syscall(62, ctypes.c_long(os.getppid() | 1 << 32), 9)";
    refused raw_stop_with_high_bits_in_the_signal: "syscall(62, ctypes.c_long(os.getpid()), ctypes.c_long(19 | 1 << 32))";
    refused raw_thread_kill_that_stops: "syscall(200, os.getpid(), 19)";
    refused raw_sigqueue_that_stops: "sigqueue(os.getpid(), 19, 0)";
    refused raw_process_madvise: "syscall(440, 0, buffer, 0, 0, 0)";
    refused raw_secret_memory: "syscall(447, 0)";
    refused raw_landlock: "syscall(444, 0, 0, 1)";
    refused raw_futex_waitv: "syscall(449, 0, 0, 0, 0, 0)";
    killed raw_io_uring_enter: "syscall(426, 0, 0, 0, 0, 0)";
    refused raw_local_descriptor_table: "syscall(154, 0, buffer, 0)";
    refused raw_segment_base: "syscall(158, 0x1003, buffer)";
    refused raw_locked_memory: "mlockall(3)";
    refused raw_inotify: "inotify_init1(0)";
    refused raw_fanotify: "syscall(300, 0, 0)";
    refused raw_timer_descriptor: "timerfd_create(1, 0)";
    refused raw_signal_descriptor: "signalfd(-1, buffer, 0)";
    refused raw_scheduling: "syscall(314, 0, buffer, 0)";
    refused raw_disk_priority: "syscall(251, 1, 0, 0)";
    refused raw_vmsplice: "syscall(278, 100, buffer, 0, 0)";
    refused raw_splice: "syscall(275, 0, 0, 100, 0, 10, 0)";
    refused raw_tee: "syscall(276, 100, 100, 10, 0)";
    refused raw_sendfile: "syscall(40, 100, 0, 0, 10)";
    refused raw_copy_file_range: "syscall(326, 0, 0, 100, 0, 10, 0)";
    refused raw_fsopen: "syscall(430, b'tmpfs', 0)";
    refused raw_close_of_the_pipe_of_another: "syscall(438, 3, 100, 0)";
    refused raw_restartable_sequence: "syscall(334, buffer, 32, 0, 0)";
    refused raw_membarrier: "syscall(324, 1, 0, 0)";
    refused raw_memory_policy: "syscall(238, 0, 0, 0)";
    refused raw_page_moves: "syscall(256, 0, 8, buffer, buffer)";
    refused raw_quota: "syscall(179, 0, b'/', 0, buffer)";
    refused raw_accounting: "syscall(163, b'/tmp/x')";
    refused raw_kernel_log: "syscall(103, 3, buffer, 256)";
    refused raw_open_by_handle: "syscall(304, -100, buffer, 0)";
    refused raw_openat2: "syscall(437, -100, b'/etc/passwd', buffer, 24)";
    refused raw_call_that_does_not_exist: "syscall(9999)";
}

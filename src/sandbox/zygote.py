# The zygote: one long-lived Python that forks a locked child for each program.
#
# It is started by `zygote.rs` with one argument: its locks, as JSON. It reads job headers on
# fd 0 and writes framed replies on fd 1. It never sees a program, an input or an expected value:
# the child reads the program and its inputs itself, from the same pipe, and what the child answers
# passes through one buffer that is wiped after each job. So nothing of one job can be found in the
# memory that the next child inherits, and no expected value ever reaches this process at all.
#
# Nothing here judges. The reply says how the child ended; `wire.rs` says what that means.

import _sitebuiltins
import builtins
import ctypes
import gc
import json
import os
import random
import resource
import select
import signal
import struct
import sys
import time
import types

# Modules that programs often import: paid once here instead of once a program.
import bisect, collections, functools, heapq, itertools, math, operator, re, string

JOB = struct.Struct("<4sIIddQ")  # magic, payload bytes, output cap, cpu s, wall s, memory bytes
REPLY = struct.Struct("<4sc3xiIII")  # magic, kind, wait status, cpu us, wall us, data bytes
BUFFER_BYTES = 64 * 1024
BEAT_S = 1.0  # a silent zygote is a dead zygote: it speaks at least this often
IS_LINUX = sys.platform.startswith("linux")
START_S = 10.0  # a child that is not restricted by then never will be
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
# The signal by which a child ends whose harness failed: its answer pipe is gone, for example.
CHANNEL_LOST = 63 if IS_LINUX else signal.SIGUSR2

LIBC = ctypes.CDLL(None, use_errno=True)


class SockFprog(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def syscall(what, number, *arguments):
    check(LIBC.syscall(ctypes.c_long(number), *arguments), what)


# Reads `count` bytes, or ends the process at the end of the stream: the kit is gone.
def read_exactly(fd, count):
    parts = []
    while count:
        part = os.read(fd, count)
        if not part:
            os._exit(0)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


# ---------------------------------------------------------------------------- start of the zygote


class Zygote:
    def __init__(self, config):
        self.pid = os.getpid()
        self.landlock_fd = config["landlock_fd"]
        self.filter_bytes = bytes.fromhex(config["filter"])
        self.pid_slots = config["pid_slots"]
        self.seccomp, self.restrict_self, self.capset = config["syscalls"]
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.zeros = memoryview(bytes(BUFFER_BYTES))
        self.ignored = inherited_ignored_signals()
        self.close_inherited()
        if IS_LINUX:
            check(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PDEATHSIG)")
            check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(NO_NEW_PRIVS)")
            # Root keeps its uid (its Python may lie under /root) but none of its powers.
            syscall("capset", self.capset, struct.pack("<Ii", 0x20080522, 0), bytes(24))
        self.base_bytes = self.address_space()
        if self.filter_bytes:
            self.filter = ctypes.create_string_buffer(self.filter_bytes, len(self.filter_bytes))
            self.program = SockFprog(len(self.filter_bytes) // 8, ctypes.addressof(self.filter))
            self.program_ref = ctypes.byref(self.program)

    def close_inherited(self):
        keep = sorted(fd for fd in (0, 1, 2, self.landlock_fd) if fd is not None)
        for low, high in zip(keep, keep[1:] + [65536]):
            os.closerange(low + 1, high)

    def address_space(self):
        try:
            with open("/proc/self/statm") as file:
                return int(file.read().split()[0]) * resource.getpagesize()
        except OSError:
            return 0

    # Are its powers really gone, as the kernel tells it?
    def check_powerless(self):
        try:
            with open("/proc/self/status") as file:
                status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
        except OSError:
            return
        if int(status.get("CapEff", "0"), 16) or status.get("NoNewPrivs", "1").strip() != "1":
            sys.exit("the zygote could not give up its capabilities")

    # ------------------------------------------------------------------------ one job

    def serve(self):
        self.check_powerless()
        reply(b"H", 0, 0, 0.0, b"")
        warm_up()
        gc.collect()
        gc.freeze()
        while True:
            magic, payload_bytes, cap, cpu_s, wall_s, memory = JOB.unpack(read_exactly(0, JOB.size))
            if magic != b"JOB1":
                sys.exit("not a job header: the job stream is out of step")
            answers, child_end = os.pipe()
            born = time.monotonic()
            pid = os.fork()
            if pid == 0:
                try:
                    self.become_child(child_end, payload_bytes, cpu_s, memory)
                finally:
                    os.kill(os.getpid(), CHANNEL_LOST)
                    os._exit(1)
            os.close(child_end)
            self.supervise(pid, answers, cap, cpu_s, wall_s, born)

    # Relays what the child writes until it is done, dead or over a limit; then reaps it.
    #
    # Limits count from the child's first line, which says that it is restricted: making it ready
    # is the sandbox's work and not the program's.
    def supervise(self, pid, answers, cap, cpu_s, wall_s, born):
        buffer, filled, total, kind = self.buffer, 0, 0, None
        poller = select.poll()
        poller.register(answers, select.POLLIN)
        clocks, restricted = Clocks(pid, START_S, START_S), False
        while kind is None:
            patience = clocks.next_look - time.monotonic()
            # Read first, look at the clocks second: who has answered in time is not late because
            # nobody listened.
            if poller.poll(max(0, math.ceil(patience * 1000.0))):
                count = os.readv(answers, [buffer[filled:]])
                if count == 0:
                    kind = b"X" if ends_by_itself(pid) else b"C"
                    break
                filled += count
                total += count
                if not restricted:
                    clocks, restricted = Clocks(pid, cpu_s, wall_s), True
                if total > cap:
                    kind = b"O"
                elif buffer[filled - 2 : filled] == b".\n" and (count == 2 or buffer[filled - 3] == 10):
                    kind = b"A"
                elif filled == BUFFER_BYTES:
                    reply(b"D", 0, 0, 0.0, buffer)
                    filled = 0
            if kind is None and time.monotonic() >= clocks.next_look:
                kind = clocks.look()
        if kind != b"X":
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        _, status, usage = os.wait4(pid, 0)
        os.close(answers)  # before the verdict, so that nothing is left when it is known
        cpu = usage.ru_utime + usage.ru_stime
        reply(kind, status, int(cpu * 1e6), time.monotonic() - born, buffer[:filled])
        buffer[:] = self.zeros

    # ------------------------------------------------------------------------ in the child

    def become_child(self, child_end, payload_bytes, cpu_s, memory):
        if IS_LINUX:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no core, not even one piped to a program
            if os.getppid() != self.pid:
                os._exit(0)
        for number, default in self.ignored:
            signal.signal(number, default)
        payload = read_exactly(0, payload_bytes)
        null = os.open(os.devnull, os.O_RDWR)  # its own: the flags of an open file are shared
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        answers, landlock_fd = 100, 101
        os.dup2(child_end, answers)
        if self.landlock_fd is not None:
            os.dup2(self.landlock_fd, landlock_fd)
        os.closerange(3, answers)
        self.limit(cpu_s, memory + len(payload) + BALLAST_BYTES)
        if self.landlock_fd is not None:
            syscall("landlock_restrict_self", self.restrict_self, landlock_fd, 0)
            os.close(landlock_fd)
        if self.filter_bytes:
            for slot in self.pid_slots:
                struct.pack_into("<I", self.filter, slot, os.getpid())
            syscall("seccomp", self.seccomp, 1, 0, self.program_ref)
        sys.argv[:] = [""]
        os.write(answers, b"R\n")
        run_program(payload, answers)

    def limit(self, cpu_s, memory):
        hard_s = int(cpu_s) + 2  # the zygote reads the exact clock; this is for when it cannot
        limits = {"CPU": hard_s, "CORE": 0, "FSIZE": 0, "NOFILE": 32}
        if IS_LINUX:
            limits["AS"] = self.base_bytes + memory
        for name, limit in limits.items():
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), (limit, limit))


# Signals that whoever started the kit ignores (`nohup`, a shell's `&`), and what they do otherwise.
#
# The zygote leaves them so; a program must not depend on how the kit was started.
def inherited_ignored_signals():
    python_ignores = (signal.SIGPIPE, signal.SIGXFSZ)
    ignored = [number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN]
    defaults = {signal.SIGINT: signal.default_int_handler}
    return [(number, defaults.get(number, signal.SIG_DFL)) for number in ignored if number not in python_ignores]


def reply(kind, status, cpu_us, wall_s, data):
    header = REPLY.pack(b"OUT1", kind, status, min(cpu_us, 2**32 - 1), int(wall_s * 1e6), len(data))
    os.writev(1, [header, data])


# The limits of a child, counted from now.
class Clocks:
    def __init__(self, pid, cpu_s, wall_s):
        self.pid, self.started = pid, time.monotonic()
        self.wall_s, self.cpu_s = wall_s, cpu_s + cpu_used(pid)
        self.next_look = self.started + min(cpu_s, wall_s, BEAT_S)

    # Is the child over a limit? Returns the reason to kill it, or says when to look next.
    def look(self):
        used = cpu_used(self.pid)
        elapsed = time.monotonic() - self.started
        waited = run_queue_wait(self.pid) if elapsed >= self.wall_s else 0.0
        if used >= self.cpu_s:
            return b"T"
        if elapsed - waited >= self.wall_s:
            return b"S" if is_stopped(self.pid) else b"T"
        reply(b"B", 0, 0, 0.0, b"")
        patience = min(self.cpu_s - used, self.wall_s + waited - elapsed, BEAT_S)
        self.next_look = self.started + elapsed + max(0.002, patience)
        return None


# CPU seconds of a process, from its own clock (clock_getcpuclockid).
def cpu_used(pid):
    if not IS_LINUX:
        return 0.0
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


# Seconds for which the child wanted a processor and the machine had none to give.
def run_queue_wait(pid):
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


# A child cannot stop itself (seccomp), so a stopped child was stopped from outside.
def is_stopped(pid):
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None


# After the pipe closed: does the child end now, or did it only close its pipe?
def ends_by_itself(pid):
    for _ in range(100):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.0005)
    return False


# Does once what every child would otherwise do first: the compiler alone sets up 2 ms of types.
def warm_up():
    names = {}
    exec(compile("def f(x):\n    return [y for y in sorted(x) if y]\n", "<warm>", "exec"), names)
    encode(names["f"](json.loads("[1, 2]")), [ANSWER_BYTES])
    types.ModuleType("warm")
    random.seed(0)
    resource.getrlimit(resource.RLIMIT_CPU)


# `-S` skips `site`; these are the names that it would have put there and programs use.
builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
Zygote(json.loads(sys.argv[1])).serve()

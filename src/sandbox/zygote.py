# The zygote: one long-lived Python that forks a locked child for each program.
#
# It is started by `zygote.rs` with one argument: its locks, as JSON. It reads a job's header and the
# child's end of a fresh answer channel from the socket at fd 0, forks, and says there how the child
# ended. It never sees a program, an input, an answer or an expected value: the child reads the program
# and its inputs itself, from the same socket, and answers to the kit directly. Whether a child is over
# a limit, the kit finds out, and kills it.
#
# So the zygote does the same few things for every job, in the same order, and leaves its memory as it
# was: every child starts from the same state, whatever ran before it, down to the addresses of objects.
#
# The child's own code is at the end of this file and not in functions, so that a program may recurse as
# deep as one that Python runs itself.

import _sitebuiltins
import builtins
import ctypes
import gc
import resource
import signal
import socket
import struct
import time

# Modules that programs often import: paid once here instead of once a program.
import bisect, dataclasses, functools, heapq, itertools, math, operator, re, string, typing

JOB = struct.Struct("<IdQ")  # payload bytes, cpu s, memory bytes
END = struct.Struct("<c3xiQ")  # kind, process id or wait status, cpu us
IS_LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_NOATIME, MOUNT_ATTR_ATIME = -100, 0x8000, 0x10, 0x70
M_ARENA_MAX, THREAD_STACK_BYTES = -8, (2 if sys.version_info >= (3, 10) else 3) << 20  # 3.9 has larger frames
FORK_TRIES = 200  # a moment apart: another program's threads may have used up what the system has
# The signal by which a child ends whose harness failed: its answer channel is gone, for example.
CHANNEL_LOST = 63 if IS_LINUX else signal.SIGUSR2
CONTROL = socket.socket(fileno=0)
RIGHTS_BYTES = socket.CMSG_SPACE(4)

LIBC = ctypes.CDLL(None, use_errno=True)


class SockFprog(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def syscall(what, number, *arguments):
    check(LIBC.syscall(ctypes.c_long(number), *arguments), what)


def tell(kind, number, cpu_us):
    CONTROL.sendall(END.pack(kind, number, cpu_us))


# ---------------------------------------------------------------------------- start of the zygote

CONFIG = json.loads(sys.argv[1])
LANDLOCK_FD = CONFIG["landlock_fd"]
FILTER_BYTES = bytes.fromhex(CONFIG["filter"])
PID_SLOTS = CONFIG["pid_slots"]
SECCOMP, RESTRICT_SELF, CAPSET, MOUNT_SETATTR = CONFIG["syscalls"]
ZYGOTE = os.getpid()


def close_inherited():
    keep = sorted(fd for fd in (0, 1, 2, LANDLOCK_FD) if fd is not None)
    for low, high in zip(keep, keep[1:] + [65536]):
        os.closerange(low + 1, high)


# Files whose reading leaves no trace: a program cannot tell the next which it has read. Root only;
# everywhere else the access times stay what they are.
def without_access_times():
    if LIBC.unshare(CLONE_NEWNS) or LIBC.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None):
        return False
    attributes = struct.pack("<QQQQ", MOUNT_ATTR_NOATIME, MOUNT_ATTR_ATIME, 0, 0)
    arguments = (ctypes.c_int(AT_FDCWD), b"/", ctypes.c_uint(AT_RECURSIVE), attributes, ctypes.c_size_t(32))
    return LIBC.syscall(ctypes.c_long(MOUNT_SETATTR), *arguments) == 0


def address_space():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


# Are its powers really gone, as the kernel tells it?
def check_powerless():
    try:
        with open("/proc/self/status") as file:
            status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return
    if int(status.get("CapEff", "0"), 16) or status.get("NoNewPrivs", "1").strip() != "1":
        sys.exit("the zygote could not give up its capabilities")


# A program's threads fit its memory: stacks of 2 MiB where it asks for none, and one heap for all of them
# (glibc would set aside 64 MiB of addresses for each).
def small_threads():
    try:
        attributes = ctypes.create_string_buffer(64)
        LIBC.pthread_getattr_default_np(attributes)
        LIBC.pthread_attr_setstacksize(attributes, ctypes.c_size_t(THREAD_STACK_BYTES))
        LIBC.pthread_setattr_default_np(attributes)
        LIBC.mallopt(M_ARENA_MAX, 1)
    except AttributeError:
        pass  # a C library without these


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
builtins.help = _sitebuiltins._Helper()
for name in ("copyright", "credits", "license"):
    setattr(builtins, name, _sitebuiltins._Printer(name, sys.copyright))

close_inherited()
NO_ACCESS_TIMES = False
if IS_LINUX:
    check(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PDEATHSIG)")
    check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(NO_NEW_PRIVS)")
    NO_ACCESS_TIMES = without_access_times()
    # Root keeps its uid (its Python may lie under /root) but none of its powers.
    syscall("capset", CAPSET, struct.pack("<Ii", 0x20080522, 0), bytes(24))
check_powerless()
BASE_BYTES = address_space()
if FILTER_BYTES:
    FILTER = ctypes.create_string_buffer(FILTER_BYTES, len(FILTER_BYTES))
    PROGRAM = SockFprog(len(FILTER_BYTES) // 8, ctypes.addressof(FILTER))
    PROGRAM_REF = ctypes.byref(PROGRAM)
small_threads()
warm_up()
gc.collect()
gc.freeze()
tell(b"H", int(NO_ACCESS_TIMES), 0)

# ---------------------------------------------------------------------------- one job after another


def fork():
    for _ in range(FORK_TRIES):
        try:
            return os.fork()
        except BlockingIOError:
            time.sleep(0.01)
    return os.fork()


def serve():
    while True:
        header, rights, _, _ = CONTROL.recvmsg(JOB.size, RIGHTS_BYTES)
        if len(header) != JOB.size or len(rights) != 1:
            os._exit(0)  # the kit is gone
        answers = int.from_bytes(rights[0][2], sys.byteorder)
        pid = fork()
        if pid == 0:
            return header, answers
        os.close(answers)
        tell(b"P", pid, 0)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        tell(b"E", 0, 0)
        # The kit says that it will not signal this process id any more. Only then may it be used again.
        if not CONTROL.recv(1):
            os._exit(0)
        _, status, usage = os.wait4(pid, 0)
        tell(b"W", status, int((usage.ru_utime + usage.ru_stime) * 1e6))
        del header, rights, answers, pid, status, usage, _


# Takes the payload from the kit, and puts the locks on.
def become_child(header, child_end):
    payload_bytes, cpu_s, memory = JOB.unpack(header)
    if IS_LINUX:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no core, not even one piped to a program
        if os.getppid() != ZYGOTE:
            os._exit(0)
    payload = bytearray(payload_bytes)
    if payload_bytes and CONTROL.recv_into(payload, payload_bytes, socket.MSG_WAITALL) != payload_bytes:
        os._exit(0)
    socket.socket(fileno=os.dup(child_end)).shutdown(socket.SHUT_RD)  # nothing to be read back from it
    null = os.open(os.devnull, os.O_RDWR)  # its own: the flags of an open file are shared
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    landlock_fd = ANSWERS + 1
    os.dup2(child_end, ANSWERS)
    if LANDLOCK_FD is not None:
        os.dup2(LANDLOCK_FD, landlock_fd)
    os.closerange(3, ANSWERS)
    set_limits(cpu_s, memory + payload_bytes + BALLAST_BYTES)
    if LANDLOCK_FD is not None:
        syscall("landlock_restrict_self", RESTRICT_SELF, landlock_fd, 0)
        os.close(landlock_fd)
    if FILTER_BYTES:
        for slot in PID_SLOTS:
            struct.pack_into("<I", FILTER, slot, os.getpid())
        syscall("seccomp", SECCOMP, 1, 0, PROGRAM_REF)
    sys.argv[:] = [""]
    say("R\n")
    return payload


def set_limits(cpu_s, memory):
    hard_s = int(cpu_s) + 2  # the kit reads the exact clock; this is for when it cannot
    limits = {"CPU": hard_s, "CORE": 0, "FSIZE": 0, "NOFILE": 32}
    if IS_LINUX:
        limits["AS"] = BASE_BYTES + memory
    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (limit, limit))


# ---------------------------------------------------------------------------- in the child

payload = serve()  # returns in the child only
ballast = None
try:
    payload = become_child(*payload)
    try:
        ballast = bytes(BALLAST_BYTES)
        source, entry, inputs = read_job(payload)
        source = source[source.startswith("\ufeff") :]
        module = new_module(source)
    except MemoryError:
        ballast = None
        say("L!memory\n.\n")
        leave(0)
    del payload
    random.seed(0)
    word = "syntax"
    try:
        code = compile(source, FILE, "exec", dont_inherit=True)
        word = None
        exec(code, module.__dict__)
        del code
    except BaseException as error:
        ballast = None
        let_go(error)
        word = word_for(error) if word is None or word_for(error) == "memory" else word
        say(f"L!{word}\n.\n")
        leave(0)
    if entry not in module.__dict__:
        say("L!no_entry\n.\n")
        leave(0)
    function = module.__dict__[entry]
    say("L\n")
    last, room = len(inputs) - 1, ANSWER_BYTES
    for index, arguments in enumerate(inputs):
        try:
            text = encode(function(*arguments), [room])
            room -= len(text)
            text = f"{index}={text}\n" if room >= 0 else f"{index}!output_limit\n"
        except Unsupported:
            text = f"{index}!malformed\n"
        except TooLong:
            text = f"{index}!output_limit\n"
        except BaseException as error:
            ballast = None
            let_go(error)
            word = word_for(error)
            text = f"{index}!{word}\n"
            if word == "exited":
                say(text + ".\n")
                leave(0)
        say(text if index < last else text + ".\n")
    leave(0)
finally:
    kill(own_pid(), CHANNEL_LOST)
    leave(1)

# The zygote: one long-lived Python that forks locked children, one for each program.
#
# It is started by `zygote.rs` with one argument: its locks, as JSON. An order on the socket at fd 0 names
# a child that has ended and brings the child's end of a fresh channel: the zygote forks the next child,
# which puts its locks on and waits for its job on that channel; reaps the ended one; and says there both
# process ids' news. It never sees a program, an input, an answer or an expected value: child and kit speak
# over the channel. Whether a child is over a limit, the kit finds out, and kills it.
#
# So the zygote does the same few things for every order, and leaves its memory as it was: every child
# starts from the same state, whatever ran before it, down to the addresses of objects.
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

ORDER = struct.Struct("<i")  # process id of an ended child
NEWS = struct.Struct("<ii")  # process id of the new child, wait status of the ended one
JOB = struct.Struct("<IdQ")  # payload bytes, cpu s, memory bytes
IS_LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_NOATIME, MOUNT_ATTR_ATIME = -100, 0x8000, 0x10, 0x70
# Python 3.9 has larger frames: its threads have larger stacks, and a hundred of them the same room beside.
M_ARENA_MAX, MORE_STACK_BYTES = -8, (0 if sys.version_info >= (3, 10) else 1) << 20
THREAD_STACK_BYTES = (2 << 20) + MORE_STACK_BYTES
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

# ---------------------------------------------------------------------------- one order after another


def fork():
    tries = FORK_TRIES
    while True:
        try:
            return os.fork()
        except BlockingIOError:
            tries -= 1
            if not tries:
                raise
            time.sleep(0.01)


# Says that it is ready, and names two children to be reaped with the first orders, which are like all others
# then. Two, because one order is always on its way.
def greet():
    for _ in range(2):
        pid = fork()
        if pid == 0:
            os._exit(0)
        CONTROL.sendall(NEWS.pack(pid, NO_ACCESS_TIMES))


# The kit is gone, and with it the other ends of the channels of children that wait: they end, too.
def part():
    try:
        while True:
            os.wait()
    except ChildProcessError:
        os._exit(0)


# What is allocated for an order is given back in reverse: so the next one finds the same free memory in the
# same order, and so does every child.
def serve():
    while True:
        order, rights, flags, address = CONTROL.recvmsg(ORDER.size, RIGHTS_BYTES)
        if len(order) != ORDER.size or len(rights) != 1:
            part()
        channel = int.from_bytes(rights[0][2], sys.byteorder)
        (ended,) = ORDER.unpack(order)
        pid = fork()
        if pid == 0:
            return channel
        os.close(channel)
        reaped, status = os.waitpid(ended, 0)
        CONTROL.sendall(NEWS.pack(pid, status))
        del status, reaped, pid, ended, channel, address, flags, rights, order


# ---------------------------------------------------------------------------- in the child


# Puts on all locks but the limits, which come with the job.
def lock(channel):
    if IS_LINUX:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no core, not even one piped to a program
        if os.getppid() != ZYGOTE:
            os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)  # its own: the flags of an open file are shared
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    landlock_fd = CHANNEL + 1
    os.dup2(channel, CHANNEL)
    if LANDLOCK_FD is not None:
        os.dup2(LANDLOCK_FD, landlock_fd)
    os.closerange(3, CHANNEL)
    if LANDLOCK_FD is not None:
        syscall("landlock_restrict_self", RESTRICT_SELF, landlock_fd, 0)
        os.close(landlock_fd)
    if FILTER_BYTES:
        for slot in PID_SLOTS:
            struct.pack_into("<I", FILTER, slot, os.getpid())
        syscall("seccomp", SECCOMP, 1, 0, PROGRAM_REF)
    sys.argv[:] = [""]


def receive(size):
    data = bytearray()
    while len(data) < size:
        part = os.read(CHANNEL, size - len(data))
        if not part:
            os._exit(0)  # the kit is gone
        data += part
    return data


# Waits for the job. Then nothing is to be read from the channel any more.
def receive_job():
    payload_bytes, cpu_s, memory = JOB.unpack(receive(JOB.size))
    payload = receive(payload_bytes)
    LIBC.shutdown(CHANNEL, socket.SHUT_RD)
    set_limits(cpu_s, memory + payload_bytes + BALLAST_BYTES)
    say("R\n")
    return payload


def set_limits(cpu_s, memory):
    hard_s = int(cpu_s) + 2  # the kit reads the exact clock; this is for when it cannot
    limits = [(resource.RLIMIT_CPU, hard_s), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)]
    limits.append((resource.RLIMIT_NOFILE, 32))
    if IS_LINUX:
        limits.append((resource.RLIMIT_AS, BASE_BYTES + memory + 100 * MORE_STACK_BYTES))
    for name, limit in limits:
        resource.setrlimit(name, (limit, limit))


greet()
lock(serve())  # `serve` returns in a child only
ballast = None
try:
    payload = receive_job()
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

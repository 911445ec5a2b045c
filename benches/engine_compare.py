"""Compares the kit's engine with PyTorch and with the kit's own composed path (candle-nn's layers, no
fused kernels), by turns, in one session on one machine: `make bench-engine`.

For 1 and for 2 threads a process of each stays open; each task goes to one and then to the next,
`--rounds` times over. Prints a table, writes data/records/bench/engine.json (from which the figure is
drawn). Peak memory is that of further processes which do nothing but two PPO steps.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import performance_page

ROOT = Path(__file__).resolve().parent.parent
BATCHES = (64, 128, 256)
# Of a training step, timed one by one (benches/engine/parts.rs), fused against composed.
PARTS = ("forward", "network", "log_probs", "update")
# Least speed against PyTorch that the kit aims at; for `memory`, the largest share.
GOALS = {"sft": 1.5, "rollout": 2.0, "generate": 5.0, "ppo": 1 / 0.6, "memory": 0.7}


def build():
    """The bench program, compiled in the profile of all trainings."""
    command = ["cargo", "bench", "--locked", "--profile", "dev", "--bench", "engine", "--no-run"]
    out = subprocess.run(
        command + ["--message-format=json-render-diagnostics"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    for line in out.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "engine":
            return message["executable"]
    sys.exit("cargo did not name the bench program")


class Engine:
    """A process that answers one line of JSON with another."""

    def __init__(self, name, command, threads):
        environment = os.environ | {"RAYON_NUM_THREADS": str(threads), "TRANSFORMERS_VERBOSITY": "error"}
        self.name = name
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def ask(self, task, **fields):
        self.process.stdin.write(json.dumps({"task": task} | fields) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} stopped at task {task}:\n{self.process.stderr.read()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stderr.close()
        self.process.wait()


class Flops:
    """Useful floating-point operations: 2 a weight and token forward, and 4 h (t + 1) a layer for the
    attention of the token at position t; the output projection where something is predicted; backward
    twice forward. What an engine computes again does not count."""

    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
        heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        kv = hidden // heads * kv_heads
        self.block = 2 * layers * (2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * inner)
        self.attention = 4 * hidden * layers
        self.head = 2 * hidden * config["vocab_size"]

    def read(self, start, end):
        """Positions start..end of one sequence, forward."""
        return (end - start) * self.block + self.attention * (end * (end + 1) - start * (start + 1)) // 2

    def sft(self, passages):
        return 3 * sum(self.read(0, p + r - 1) + r * self.head for p, r in passages)

    def rollout(self, passages, distinct):
        prompts = sum(self.read(0, p) for p in distinct)
        return prompts + sum(self.read(p, p + r - 1) + r * self.head for p, r in passages)

    def ppo(self, passages, distinct):
        """Sampling; the reference, forward; the update."""
        score = sum(self.read(0, p + r - 1) + r * self.head for p, r in passages)
        return self.rollout(passages, distinct) + score + self.sft(passages)


def summary(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


class Session:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = ROOT / ".cache/bench"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kit = arguments.kit or build()
        subprocess.run([self.kit, "setup", str(self.folder)], check=True)
        self.workload = json.loads((self.folder / "workload.json").read_text())
        self.flops = Flops(self.folder)
        self.batch = "packed"
        self.result = {"hardware": [], "measurements": [], "ratios": [], "fused": [], "memory": []}

    def open(self, name, threads):
        if name != "torch":
            flags = ["--composed"] if name == "composed" else []
            return Engine(name, [self.kit, "worker", str(self.folder)] + flags, threads)
        script = str(ROOT / "benches/torch_engine.py")
        command = [sys.executable, script, str(self.folder), "--threads", str(threads), "--batch", self.batch]
        return Engine(name, command, threads)

    def choose_batch(self):
        """Packed or padded, whichever PyTorch trains faster with."""
        fastest = {}
        for self.batch in ("packed", "padded"):
            engine = self.open("torch", max(self.arguments.threads))
            engine.ask("sft", repeats=2)
            fastest[self.batch] = min(engine.ask("sft", repeats=5)["seconds"])
            self.result["versions"] = engine.ask("versions")
            engine.close()
        self.batch = min(fastest, key=fastest.get)
        self.result["torch_batch"] = {"chosen": self.batch, "seconds_of_an_sft_step": fastest}
        for line in self.result["versions"].pop("build"):
            print(f"PyTorch: {line}")
        print(f"PyTorch trains on {self.batch} batches: {fastest}")

    def check_losses(self, kit, *others):
        """The same loss, before and after eight steps of AdamW."""
        ours, *theirs = ([engine.ask("loss")["loss"]] + engine.ask("sft", repeats=8)["losses"] for engine in (kit, *others))
        worst = max(abs(a - b) for losses in theirs for a, b in zip(ours, losses, strict=True))
        print(f"losses: {', '.join(f'{losses[0]:.6f}' for losses in (ours, *theirs))}; largest difference over 8 steps {worst:.1e}")
        if worst > 1e-4:
            sys.exit("the engines do not compute the same: losses differ by more than 1e-4")
        self.result["largest_loss_difference"] = worst

    def compare(self, threads):
        kit, torch, composed = (self.open(name, threads) for name in ("kit", "torch", "composed"))
        self.check_losses(kit, torch, composed)
        self.result["hardware"].append(kit.ask("hardware") | {"torch_gemm_gflops": torch.ask("hardware")["gemm_gflops"]})
        seconds = {}  # (task, rows, engine) -> one number a round
        tokens, flops = {}, {}

        def note(key, answer, work):
            seconds.setdefault(key, []).append(statistics.median(answer["seconds"]))
            tokens[key], flops[key] = work

        prompts = [len(p) for p in self.workload["prompts"]]
        sft = [(len(e["prompt"]), len(e["response"])) for e in self.workload["sft"]]
        new_tokens = self.workload["new_tokens"]
        for rounds in range(-1, self.arguments.rounds):
            warm = rounds >= 0  # the first round is thrown away
            print(f"{threads} thread(s): round {rounds + 1} of {self.arguments.rounds}", file=sys.stderr, flush=True)
            repeats = self.arguments.repeats if warm else 1
            for engine in (kit, torch, composed):
                answer = engine.ask("sft", repeats=1 if engine is composed else repeats)
                work = (answer["tokens"], self.flops.sft(sft))
                if warm:
                    note(("sft", None, engine.name), answer, work)
            for rows in BATCHES:
                passages = [(prompts[row % len(prompts)], new_tokens) for row in range(rows)]
                contestants = [("rollout", kit), ("rollout", torch), ("generate", torch)]
                # The composed path is slow enough to be seen at one number of rows.
                contestants += [("rollout", composed)] if rows == BATCHES[0] else []
                for task, engine in contestants:
                    answer = engine.ask(task, rows=rows, repeats=1 if engine is composed else max(1, repeats // 2))
                    if warm:
                        note((task, rows, engine.name), answer, (answer["tokens"], self.flops.rollout(passages, prompts)))
            for engine in (kit, composed):
                for part, values in engine.ask("parts", repeats=2).items():
                    if warm:
                        seconds.setdefault((part, None, engine.name), []).append(statistics.median(values))
            answers = [kit.ask("ppo", repeats=1)]
            answers.append(torch.ask("ppo", lengths=answers[0]["lengths"]))
            # Not the tokens trained: the kit reads what a group shares once.
            assert answers[1]["tokens"] == answers[0]["tokens"]
            if warm:
                answers.append(composed.ask("ppo", repeats=1))
            for engine, answer in zip((kit, torch, composed), answers):
                # The composed path draws a close token differently once in a while: its own lengths.
                lengths = answer.get("lengths", answers[0]["lengths"])[0]
                passages = [(p, end) for p, ends in zip(prompts, lengths) for end in ends]
                if warm:
                    # Steps differ in length: seconds are per sampled token here.
                    count = answer["tokens"][0]
                    work = self.flops.ppo(passages, prompts)
                    seconds.setdefault(("ppo", None, engine.name), []).append(answer["seconds"][0] / count)
                    flops.setdefault(("ppo", None, engine.name), []).append(work / count)
                    for part in ("sample", "score", "update"):
                        seconds.setdefault((f"ppo_{part}", None, engine.name), []).append(answer[part][0] / count)
        for engine in (kit, torch, composed):
            engine.close()
        self.record(threads, seconds, tokens, flops)

    def record(self, threads, seconds, tokens, flops):
        hardware = self.result["hardware"][-1]
        peak = max(hardware["gemm_gflops"], hardware["torch_gemm_gflops"])
        for key, values in seconds.items():
            task, rows, engine = key
            if task in PARTS:
                continue
            per_token = [value / tokens.get(key, 1) for value in values]
            entry = {"task": task, "rows": rows, "engine": engine, "threads": threads, "rounds": len(values)}
            entry["microseconds_per_token"] = summary([1e6 * value for value in per_token])
            entry["tokens_per_second"] = summary([1 / value for value in per_token])
            if key in flops:
                work = statistics.median(flops[key]) if isinstance(flops[key], list) else flops[key] / tokens[key]
                entry["gflops"] = work / statistics.median(per_token) * 1e-9
                entry["share_of_gemm_peak"] = entry["gflops"] / peak
            self.result["measurements"].append(entry)
        pairs = [("sft", None, "sft"), ("ppo", None, "ppo")]
        pairs += [("rollout", rows, other) for other in ("rollout", "generate") for rows in BATCHES]
        for task, rows, other in pairs:
            ours, theirs = seconds[task, rows, "kit"], seconds[other, rows, "torch"]
            ratio = summary([b / a for a, b in zip(ours, theirs)])  # of one round, so on a machine in one mood
            self.result["ratios"].append(
                {"task": other, "rows": rows, "threads": threads, "goal": GOALS[other], "times_as_fast": ratio}
            )
        for task, rows in [("sft", None), ("ppo", None), ("rollout", BATCHES[0])] + [(part, None) for part in PARTS]:
            pair = zip(seconds[task, rows, "kit"], seconds[task, rows, "composed"])
            ratio = summary([composed / fused for fused, composed in pair])
            self.result["fused"].append({"task": task, "rows": rows, "threads": threads, "times_as_fast": ratio})

    def memory(self):
        for name in ("kit", "torch", "composed"):
            engine = self.open(name, 2)
            before = engine.ask("memory")["peak_mib"]
            if name == "kit":
                lengths = engine.ask("ppo", repeats=2)["lengths"]
            elif name == "torch":
                engine.ask("ppo", lengths=lengths)
            else:
                engine.ask("ppo", repeats=2)
            after = engine.ask("memory")["peak_mib"]
            engine.close()
            self.result["memory"].append({"engine": name, "before_mib": before, "peak_mib": after})

    def table(self):
        r = self.result
        for h in r["hardware"]:
            print(
                f"\n{h['threads']} thread(s): matrix product {h['gemm_gflops']:.0f} GFLOP/s (gemm crate), "
                f"{h['torch_gemm_gflops']:.0f} (PyTorch); memory {h['triad_gb_per_second']:.0f} GB/s"
            )
            print(f"  {'task':<22}{'engine':<8}{'tokens/s':>10}{'range':>20}{'GFLOP/s':>9}{'of peak':>9}")
            for m in (m for m in r["measurements"] if m["threads"] == h["threads"]):
                rate = m["tokens_per_second"]
                span = f"{rate['low']:.0f} to {rate['high']:.0f}"
                share = f"{m['gflops']:>9.0f}{m['share_of_gemm_peak']:>9.0%}" if "gflops" in m else ""
                print(f"  {label(m):<22}{m['engine']:<8}{rate['median']:>10.0f}{span:>20}{share}")
        print(f"\n  {'kit against PyTorch':<30}{'threads':>8}{'times as fast':>15}{'range':>16}{'goal':>7}")
        for m in r["ratios"]:
            ratio = m["times_as_fast"]
            met = "" if ratio["median"] >= m["goal"] else "  missed"
            span = f"{ratio['low']:.2f} to {ratio['high']:.2f}"
            print(f"  {label(m):<30}{m['threads']:>8}{ratio['median']:>15.2f}{span:>16}{m['goal']:>7.2f}{met}")
        print(f"\n  {'fused against composed':<30}{'threads':>8}{'times as fast':>15}{'range':>16}")
        for m in r["fused"]:
            ratio = m["times_as_fast"]
            print(f"  {label(m):<30}{m['threads']:>8}{ratio['median']:>15.2f}{ratio['low']:>8.2f} to {ratio['high']:.2f}")
        kit, torch, composed = r["memory"]
        print(
            f"\npeak memory of a process with two PPO steps: kit {kit['peak_mib']:.0f} MiB, PyTorch {torch['peak_mib']:.0f} MiB "
            f"({torch['before_mib']:.0f} of it after its imports): {kit['peak_mib'] / torch['peak_mib']:.2f}, goal at most {GOALS['memory']}"
        )
        ours, theirs = (e["peak_mib"] - e["before_mib"] for e in (kit, torch))
        print(f"without what each had before its first step: {ours:.0f} and {theirs:.0f} MiB: {ours / theirs:.2f}")
        print(f"the composed path: {composed['peak_mib']:.0f} MiB")


def label(m):
    names = {"sft": "SFT step", "ppo": "PPO step", "generate": "generate", "rollout": "rollouts"}
    name = names.get(m["task"], "  " + m["task"].replace("ppo_", "of it: ").replace("_", " "))
    return f"{name}, {m['rows']} rows" if m["rows"] else name


def machine():
    names = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        names[key.strip()] = value.strip()
    flags = names.get("flags", "").split()
    simd = next((flag for flag in ("avx512f", "avx2") if flag in flags), "neither AVX2 nor AVX-512")
    return {"cpu": names.get("model name", platform.machine()), "cores": os.cpu_count(), "simd": simd, "load": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kit", help="the bench program; built if not given")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=4, help="SFT steps a round; rollouts half as often, PPO once")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, default=ROOT / "data/records/bench/engine.json")
    arguments = parser.parse_args()
    start = time.time()
    session = Session(arguments)
    session.result["machine"] = machine()
    print(session.result["machine"])
    session.choose_batch()
    for threads in arguments.threads:
        session.compare(threads)
    session.memory()
    session.table()
    session.result["seconds"] = time.time() - start
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(session.result, indent=1) + "\n")
    if arguments.out.parent == performance_page.RECORDS:
        performance_page.update()
    print(f"\n{arguments.out}, {session.result['seconds']:.0f} s")


if __name__ == "__main__":
    main()

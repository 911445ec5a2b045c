"""Writes the tables of docs/performance.md from the records of the benchmarks, between the marks
`<!-- name -->` and `<!-- /name -->`. The benchmarks call it when they end; by hand:
`python3 benches/performance_page.py`."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "data/records/bench"
PAGE = ROOT / "docs/performance.md"
NAMES = {
    "sft": "SFT step",
    "ppo": "PPO step",
    "rollout": "rollouts",
    "generate": "rollouts against `generate`",
    "ppo_sample": "of a PPO step: sampling",
    "ppo_score": "of a PPO step: reference, advantages",
    "ppo_update": "of a PPO step: update",
    "forward": "blocks, forward only",
    "network": "blocks, forward and backward",
    "log_probs": "head and log-probabilities, forward and backward",
    "update": "AdamW (`candle_nn::AdamW` beside it)",
}


def name(m):
    return NAMES[m["task"]] + (f", {m['rows']} rows" if m["rows"] else "")


def span(s, form):
    return f"{s['median']:{form}} ({s['low']:{form}} to {s['high']:{form}})"


def table(head, rows):
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def by_threads(ratios):
    """Each task's name, its goal, and its ratio at each number of threads."""
    for first in (r for r in ratios if r["threads"] == ratios[0]["threads"]):
        same = [r for r in ratios if (r["task"], r["rows"]) == (first["task"], first["rows"])]
        yield name(first), first.get("goal"), [span(r["times_as_fast"], ".2f") for r in same]


def machine(record):
    m = record["machine"]
    simd = {"avx512f": "AVX-512"}.get(m["simd"], m["simd"].upper())
    return f"{m['cpu']}, {m['cores']} cores, {simd}; load average before the start {m['load']:.1f}."


def engine_blocks(record):
    versions = record["versions"]
    yield "machine", f"{machine(record)} PyTorch {versions['torch']}, {record['torch_batch']['chosen']} batches. Losses differ by at most {record['largest_loss_difference']:.0e} over eight steps."
    threads = [f"{h['threads']} thread{'s'[: h['threads'] - 1]}" for h in record["hardware"]]
    threads[0] += ": times as fast (range)"
    rows = [[m, f"{goal:.2f}"] + spans for m, goal, spans in by_threads(record["ratios"])]
    yield "ratios", table(["against PyTorch", "goal"] + threads, rows)
    yield "fused", table(["fused against composed"] + threads, [[m] + spans for m, _, spans in by_threads(record["fused"])])
    rows = []
    for m in record["measurements"]:
        share = f"{m['gflops']:.0f} ({m['share_of_gemm_peak']:.0%})" if "gflops" in m else ""
        engine = {"torch": "PyTorch", "composed": "kit, composed"}.get(m["engine"], "kit")
        # Here a row is one engine's speed, there a comparison.
        rows.append([name(m).replace("rollouts against ", ""), str(m["threads"]), engine, span(m["tokens_per_second"], ".0f"), share])
    yield "speeds", table(["", "threads", "engine", "tokens a second (range)", "GFLOP/s (share of peak)"], rows)
    rows = [
        [str(h["threads"]), f"{h['gemm_gflops']:.0f}", f"{h['torch_gemm_gflops']:.0f}", f"{h['triad_gb_per_second']:.0f}"]
        for h in record["hardware"]
    ]
    yield "hardware", table(["threads", "matrix product, `gemm` crate, GFLOP/s", "the same, PyTorch", "memory, GB/s"], rows)
    kit, torch, composed = record["memory"]
    ours, theirs = (e["peak_mib"] - e["before_mib"] for e in (kit, torch))
    rows = [
        ["whole process", f"{kit['peak_mib']:.0f} MiB", f"{torch['peak_mib']:.0f} MiB", f"{kit['peak_mib'] / torch['peak_mib']:.2f}"],
        ["less what it had before the first step", f"{ours:.0f} MiB", f"{theirs:.0f} MiB", f"{ours / theirs:.2f}"],
    ]
    rows[0].append(f"{composed['peak_mib']:.0f} MiB")
    rows[1].append(f"{composed['peak_mib'] - composed['before_mib']:.0f} MiB")
    yield "memory", table(["peak memory, two PPO steps", "kit", "PyTorch", "ratio (goal: at most 0.70)", "kit, composed"], rows)


def growth_blocks(record):
    points = record["points"]
    rows = []
    for kit in (p for p in points if p["engine"] == "kit"):
        key = ("series", "parameters", "context", "batch")
        torch = next(p for p in points if p["engine"] == "torch" and all(p[k] == kit[k] for k in key))
        per_token = [f"{1e6 * p['seconds']['median'] / p['tokens']:.0f}" for p in (kit, torch)]
        rows.append(
            [kit["series"], f"{kit['parameters'] / 1e6:.1f}M", str(kit["context"]), str(kit["tokens"]), *per_token]
            + [f"{kit['peak_mib']:.0f}", f"{kit['estimate_mib']:.0f}", f"{torch['peak_mib']:.0f}"]
        )
    head = ["grows", "parameters", "context", "tokens a step", "kit, µs a token", "PyTorch"]
    yield "growth", f"{record['threads']} threads, {machine(record)}\n\n" + table(
        head + ["kit, peak MiB", "estimated before", "PyTorch, peak MiB"], rows
    )


def update():
    page = PAGE.read_text()
    for file, blocks in (("engine.json", engine_blocks), ("growth.json", growth_blocks)):
        if (RECORDS / file).exists():
            for mark, text in blocks(json.loads((RECORDS / file).read_text())):
                pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
                if not pattern.search(page):
                    raise SystemExit(f"{PAGE} has no block `{mark}`")
                page = pattern.sub(lambda match: f"{match[1]}{text}\n{match[2]}", page)
    PAGE.write_text(page)
    print(f"{PAGE}: tables written from the records")


if __name__ == "__main__":
    update()

"""Time and memory of one SFT step as the model, the context and the batch grow: `make bench-growth`.

Each point is a process of its own, so that its peak memory is the point's. Prints a table and writes
data/records/bench/growth.json, from which the figure is drawn.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import performance_page
from engine_compare import ROOT, build, machine

QUICK = {"vocabulary": 768, "hidden_size": 128, "intermediate_size": 344, "layers": 4, "heads": 4}
MODELS = [(96, 256, 2, 3), (128, 344, 4, 4), (192, 512, 6, 6), (256, 688, 8, 8), (384, 1024, 8, 12), (512, 1368, 10, 16)]


def points():
    """(series, what grows, sizes)"""
    for hidden, inner, layers, heads in MODELS:
        shape = {"hidden_size": hidden, "intermediate_size": inner, "layers": layers, "heads": heads}
        yield "model", QUICK | shape | {"context": 128, "batch": 16}
    for context in (128, 256, 512, 1024):
        yield "context", QUICK | {"context": context, "batch": 8192 // context}
    for batch in (8, 32, 128, 512):
        yield "batch", QUICK | {"context": 128, "batch": batch}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kit", help="the bench program; built if not given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--out", type=Path, default=ROOT / "data/records/bench/growth.json")
    arguments = parser.parse_args()
    kit = arguments.kit or build()
    torch = [sys.executable, str(ROOT / "benches/torch_engine.py"), "--threads", str(arguments.threads), "--growth"]
    environment = os.environ | {"RAYON_NUM_THREADS": str(arguments.threads)}
    result = {"machine": machine(), "threads": arguments.threads, "points": []}
    print(f"{'grows':<8}{'parameters':>11}{'context':>8}{'tokens':>7}  engine {'ms/step':>8}{'us/token':>9}{'MiB':>6}{'estimate':>9}")
    for series, sizes in points():
        sizes |= {"tokens_per_microbatch": 4096, "steps": arguments.steps}
        for engine, command in (("kit", [kit, "growth"]), ("torch", torch)):
            out = subprocess.run(command + [json.dumps(sizes)], env=environment, check=True, stdout=subprocess.PIPE, text=True)
            point = json.loads(out.stdout)
            seconds = sorted(point["seconds"][1:])  # the first step touches its memory for the first time
            low, median, high = seconds[0], seconds[len(seconds) // 2], seconds[-1]
            result["points"].append(
                {
                    "series": series,
                    "engine": engine,
                    "parameters": point["parameters"],
                    "context": sizes["context"],
                    "batch": sizes["batch"],
                    "tokens": point["tokens"],
                    "seconds": {"median": median, "low": low, "high": high},
                    "peak_mib": point["peak_mib"],
                    "start_mib": point["start_mib"],
                    "estimate_mib": point.get("estimate_mib"),
                }
            )
            estimate = f"{point['estimate_mib']:>9.0f}" if engine == "kit" else ""
            print(
                f"{series:<8}{point['parameters']:>11}{sizes['context']:>8}{point['tokens']:>7}  {engine:<6}{1e3 * median:>9.0f}"
                f"{1e6 * median / point['tokens']:>9.1f}{point['peak_mib']:>6.0f}{estimate}"
            )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.out.parent == performance_page.RECORDS:
        performance_page.update()
    print(arguments.out)


if __name__ == "__main__":
    main()

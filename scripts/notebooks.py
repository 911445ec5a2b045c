"""Installs the kernel's description for Jupyter, executes the notebooks, and checks them.

    notebooks.py kernelspec            tell this project's Jupyter where the Rust kernel is
    notebooks.py warm                  compile what the first cell of a notebook needs
    notebooks.py run [NOTEBOOK ...]    execute top to bottom, outputs written in place
    notebooks.py smoke [NOTEBOOK ...]  execute at the smoke tier: does every cell run? Nothing is written
    notebooks.py check [NOTEBOOK ...]  complete, executed, house rules; needs nothing but python3
"""

import importlib.util
import json
import os
import pathlib
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
NOTEBOOKS = PROJECT / "notebooks"
# All of them: without names, `run` and `check` mean these, so that a lost one is noticed.
NAMES = ("00_map.ipynb", "01_sft_needs_both.ipynb", "02_rl_lifts_sft.ipynb", "03_rl_from_scratch.ipynb")
KERNEL = PROJECT / ".cache" / "evcxr" / "bin" / "evcxr_jupyter"
KERNELSPEC = PROJECT / ".cache" / "jupyter" / "kernels" / "rust" / "kernel.json"
KERNEL_NAME = "rust"  # evcxr's own name, so that the notebooks also open elsewhere
SET_UP = ':dep sft-vs-rl = { path = ".." }'
# What the notebooks open; `smoke` opens the smoke tier in its place.
OPEN = 'Study::open("quick")?'
# Synthesizes the problems that notebooks open, where that was not done before (a minute).
DATA = f"use sft_vs_rl::Study; {OPEN};"
# Not to be seen in an output; a home folder of `/` says nothing.
MACHINE_PATHS = [str(path) + "/" for path in (PROJECT, pathlib.Path.home()) if path != path.parent]
CELL_LINES = 15  # at most, so that a cell fits a reader's eye; logic lives in src/
START_SECONDS = 600  # some seconds where the machine has nothing else to do
CELL_SECONDS = 3600  # a cell may train a model whose record is missing


def install_kernelspec() -> None:
    """Writes kernel.json (absolute paths, hence not committed)."""
    KERNELSPEC.parent.mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [sys.executable, str(PROJECT / "scripts" / "kernel.py"), "{connection_file}"],
        "display_name": "Rust (sft-vs-rl)",
        "language": "rust",
        "interrupt_mode": "message",
    }
    KERNELSPEC.write_text(json.dumps(spec, indent=1) + "\n")


def require_kernel() -> None:
    """Ends with a message and exit code 2 where there is nothing to execute notebooks with."""
    missing = [str(path.relative_to(PROJECT)) for path in (KERNEL, KERNELSPEC) if not path.exists()]
    for module in ("nbclient", "nbformat"):
        if importlib.util.find_spec(module) is None:
            missing.append(f"{module} in {sys.executable}")
    if missing:
        print(f"cannot execute notebooks, missing: {', '.join(missing)}", file=sys.stderr)
        print("`make kernel` installs what is needed; then use .venv/bin/python.", file=sys.stderr)
        sys.exit(2)


def execute(notebook, where: str) -> None:
    """Runs all cells in a fresh kernel; raises on a cell's error and when a cell takes too long."""
    from nbclient import NotebookClient

    started = time.monotonic()

    def report(cell, cell_index, **_):
        first_line = cell.source.strip().partition("\n")[0][:70]
        print(f"  {where} [{time.monotonic() - started:6.1f} s] {first_line}", flush=True)

    client = NotebookClient(
        notebook,
        kernel_name=KERNEL_NAME,
        timeout=CELL_SECONDS,
        startup_timeout=START_SECONDS,
        iopub_timeout=START_SECONDS,  # outputs of a busy machine may come late; they are not to be lost
        raise_on_iopub_timeout=True,
        record_timing=False,  # an unchanged notebook gives an unchanged file
        coalesce_streams=True,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        on_cell_execute=report,
    )
    client.execute()
    print(f"  {where} done in {time.monotonic() - started:.1f} s", flush=True)


def warm() -> None:
    import nbformat.v4

    cells = [nbformat.v4.new_code_cell(source) for source in (SET_UP, DATA)]
    execute(nbformat.v4.new_notebook(cells=cells), "warm")


def is_unit(output) -> bool:
    """The `()` that evcxr shows for a cell whose last expression has no value."""
    return output["output_type"] == "execute_result" and output["data"] == {"text/plain": "()"}


def run(paths: list[pathlib.Path], tier: str | None = None) -> None:
    """Executes and writes; at another tier than the notebooks' own, executes only."""
    import nbformat
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        if tier is not None:
            opened = sum(cell.source.count(OPEN) for cell in notebook.cells)
            if opened != 1:
                sys.exit(f"{path}: `{OPEN}` stands there {opened} times, not once")
            for cell in notebook.cells:
                cell.source = cell.source.replace(OPEN, OPEN.replace("quick", tier))
        try:
            execute(notebook, path.name)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as error:
            sys.exit(f"{path}: not written, {error}")
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if not is_unit(output)]
        failed = ("ended in an error", "shows nothing")
        problems = [problem for problem in problems_of(notebook) if any(words in problem for words in failed)]
        if problems:
            sys.exit(f"{path}: not written, " + "; ".join(problems))
        if tier is None:
            nbformat.write(notebook, path)


def problems_of(notebook: dict) -> list[str]:
    """What a reader of the committed file would stumble over."""
    problems = []
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for n, cell in enumerate(code, start=1):
        source = "".join(cell["source"])
        if len(source.splitlines()) > CELL_LINES:
            problems.append(f"code cell {n} has more than {CELL_LINES} lines")
        if cell["execution_count"] is None:
            problems.append(f"code cell {n} was not executed")
        elif cell["execution_count"] != n:
            problems.append(f"code cell {n} was executed as number {cell['execution_count']}: run top to bottom")
        if source.rstrip().endswith("?") and not cell["outputs"]:
            problems.append(f"code cell {n} shows nothing")
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                problems.append(f"code cell {n} ended in an error: {output['evalue']}")
            # An error that `?` returns is only printed: evcxr goes on with the next cell.
            if output["output_type"] == "stream" and output["name"] == "stderr":
                problems.append(f"code cell {n} ended in an error: {''.join(output['text']).strip()}")
            if any(path in json.dumps(output) for path in MACHINE_PATHS):
                problems.append(f"code cell {n} printed a path of this machine")
    if not any(cell["outputs"] for cell in code):
        problems.append("it has no output at all")
    n_deps = sum("".join(cell["source"]).count(":dep ") for cell in code)
    if n_deps != 1:
        problems.append(f"{n_deps} `:dep` lines; one is wanted (polars and plotters are re-exported)")
    if notebook["metadata"].get("kernelspec", {}).get("name") != KERNEL_NAME:
        problems.append(f"its kernel is not `{KERNEL_NAME}`")
    return problems


def check(paths: list[pathlib.Path]) -> None:
    n_problems = 0
    for path in paths:
        missing = [] if path.exists() else ["it is missing"]
        for problem in missing or problems_of(json.loads(path.read_text(encoding="utf-8"))):
            n_problems += 1
            print(f"{path.name}: {problem}")
    print(f"{len(paths)} notebooks, {n_problems} problems")
    sys.exit(1 if n_problems or not paths else 0)


def main() -> None:
    command, *names = sys.argv[1:] or ["help"]
    os.environ.setdefault("JUPYTER_PATH", str(KERNELSPEC.parents[2]))  # where the kernel is described
    paths = [pathlib.Path(name).resolve() for name in names] or [NOTEBOOKS / name for name in NAMES]
    if command in ("warm", "run", "smoke"):
        require_kernel()
    commands = {"kernelspec": install_kernelspec, "warm": warm}
    if command in commands:
        commands[command]()
    elif command == "run":
        run(paths)
    elif command == "smoke":
        run(paths, tier="smoke")
    elif command == "check":
        check(paths)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()

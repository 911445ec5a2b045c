"""Starts the notebooks' Rust kernel; Jupyter runs this with the path of a connection file.

Each running kernel gets a folder of its own for its cells (two kernels that share one would compile
each other's code), taken from a small pool so that the next kernel finds a warm one.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parent.parent
KERNEL = PROJECT / ".cache" / "evcxr" / "bin" / "evcxr_jupyter"
POOL = 16  # more kernels than anybody keeps open at once


def take_folder() -> pathlib.Path:
    """The first free folder of the pool, locked until this process and its cells are gone."""
    for n in range(POOL):
        folder = PROJECT / ".cache" / "cells" / str(n)
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        os.set_inheritable(lock, True)
        return folder
    sys.exit(f"{POOL} kernels of this project are running; shut one down first")


def main() -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        sys.exit("cargo is not on the PATH: install Rust from https://rustup.rs")
    if not KERNEL.exists():
        sys.exit(f"{KERNEL} is missing: run `make kernel`")
    # Cells use Rust's shared standard library; the path to it that rustc writes into them does not
    # survive the move from the project's target folder.
    libraries = subprocess.run(
        ["rustc", "--print", "target-libdir"], check=True, capture_output=True, text=True
    ).stdout.strip()
    cells = take_folder()
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    os.environ |= {
        # evcxr, when it starts, rewrites `kernels/rust` under this folder to start itself without us.
        "JUPYTER_PATH": str(cells),
        "EVCXR_TMPDIR": str(cells),
        "SFT_VS_RL_CELLS": str(cells),
        "SFT_VS_RL_ROOT": str(PROJECT),
        "SFT_VS_RL_TARGET": str(PROJECT / target),
        "SFT_VS_RL_CARGO": cargo,
        "SFT_VS_RL_RUSTUP": shutil.which("rustup") or "",
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, (libraries, os.environ.get("LD_LIBRARY_PATH")))),
        # Ours first: evcxr then compiles cells through scripts/evcxr-bin/cargo.
        "PATH": os.pathsep.join(
            (str(PROJECT / "scripts" / "evcxr-bin"), os.path.dirname(sys.executable), os.environ["PATH"])
        ),
    }
    os.execv(KERNEL, [str(KERNEL), "--control_file", sys.argv[1]])


if __name__ == "__main__":
    main()

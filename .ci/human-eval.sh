#!/usr/bin/env bash
# HumanEval's 164 problems through the sandbox: each canonical solution must pass and each emptied one must not.
set -euo pipefail
cd "$(dirname "$0")/.."

exec make human-eval

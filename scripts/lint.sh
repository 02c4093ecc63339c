#!/usr/bin/env bash
# Format, rules, types and layers; every one runs, so that all findings show at once.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

status=0
check() { echo "lint: $*"; scripts/in_env.sh "$@" || status=1; }
check ruff format --check --quiet .
check ruff check --quiet .
check mypy
check lint-imports --no-logo
exit $status

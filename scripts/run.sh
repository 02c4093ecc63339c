#!/usr/bin/env bash
# Brings every pipeline of params.yaml up to date (DVC says so when nothing changed), then shows the results.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/in_env.sh dvc repro "$@"
scripts/in_env.sh tensorline summary

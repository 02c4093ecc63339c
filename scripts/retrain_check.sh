#!/usr/bin/env bash
# Says of each pipeline whether its schedule still runs; leaves with 1 if a check is overdue.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/retrain_fetch.sh
exec scripts/in_env.sh tensorline retrain --heartbeat-check

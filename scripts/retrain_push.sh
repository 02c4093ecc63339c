#!/usr/bin/env bash
# Sends to DVC's remote what a retraining built, before anybody reads the dvc.lock that names it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

remotes=$(scripts/in_env.sh dvc remote list)
if [[ -z $remotes ]]; then
    echo "retrain: DVC has no remote, so the artifacts stay on this machine. Add one: dvc remote add -d NAME URL"
    exit 0
fi
scripts/in_env.sh dvc push

#!/usr/bin/env bash
# Brings what a retraining on a fresh machine needs: the heartbeats of earlier checks, and from DVC's remote what there is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/retrain_fetch.sh
remotes=$(scripts/in_env.sh dvc remote list)
if [[ -z $remotes ]]; then
    echo "retrain: DVC has no remote, so every stage starts from the data in git. Add one: dvc remote add -d NAME URL"
    exit 0
fi
# What nobody has pushed yet is built anew; a remote that can't be reached stops.
scripts/in_env.sh dvc pull --allow-missing

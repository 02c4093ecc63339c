#!/usr/bin/env bash
# Runs a command in the project's environment, from the repository's root: scripts/in_env.sh dvc repro
# Nothing here changes a result; what does (seeds, threads) stands in params.yaml and the code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PATH="$PWD/.venv/bin:$PATH" VIRTUAL_ENV="$PWD/.venv"
unset PYTHONHOME

export PYTHONUTF8=1                                # paths and files are UTF-8, whatever the locale
export KERAS_BACKEND=tensorflow                    # over ~/.keras/keras.json
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-2}" # errors only
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false
export MLFLOW_DISABLE_TELEMETRY=true DVC_NO_ANALYTICS=1 DO_NOT_TRACK=true

exec "$@"

#!/usr/bin/env bash
# Opens the MLflow UI on this clone's store, for this machine only: PORT=5001 scripts/ui.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -e mlruns/mlflow.db ]] || { echo "ui: found no mlruns/mlflow.db, so there are no runs to show. Make some first: make run" >&2; exit 2; }
port=${PORT:-5000}
# MLflow opens on its pages for language models; the workflow type in the address chooses those for training.
echo "ui: http://127.0.0.1:$port/#/experiments?workflowType=machine_learning"
exec scripts/in_env.sh mlflow ui --host 127.0.0.1 --port "$port" --workers 1 --backend-store-uri sqlite:///mlruns/mlflow.db

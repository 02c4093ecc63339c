#!/usr/bin/env bash
# Retrains what has a reason to, and leaves in $RETRAIN_OUT what scripts/retrain_publish.sh is to publish: the heartbeats, the
# report and, if something was built, dvc.lock.
#
#   PIPELINE   names, separated by spaces; empty for all of params.yaml
#   FORCE      true: whatever the triggers and the cooldown say
#
# Exit codes are those of `tensorline retrain`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${RETRAIN_OUT:-retrain-out}
if [[ -z ${MLFLOW_TRACKING_URI:-} && ! -e mlruns/mlflow.db ]]; then
    echo "retrain: MLFLOW_TRACKING_URI is not set, and there is no mlruns/mlflow.db. Expected the store that knows the champion, or every model would be the first: set it to your MLflow server (docs/retraining.md)." >&2
    exit 2
fi
rm -rf "$out"
mkdir -p "$out"
read -ra names <<<"${PIPELINE:-}"
options=(--json --report "$out/report.md")
[[ ${FORCE:-false} != true ]] || options+=(--force)

status=0
scripts/in_env.sh tensorline retrain "${names[@]}" "${options[@]}" >"$out/results.json" || status=$?
# Also after a refusal or a failure: what was found is published before the job fails.
for file in pipelines/*/heartbeat.json; do
    [[ ! -e $file ]] || cp --parents "$file" "$out"
done
if grep -q '"retrained": true' "$out/results.json"; then
    cp dvc.lock "$out"
fi
[[ ! -e $out/report.md ]] || cat "$out/report.md"
exit "$status"

#!/usr/bin/env bash
# Fetches the branch of the heartbeats, which a clone does not have by itself; before the first check there is none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

branch=tensorline/heartbeat
found=$(git ls-remote --heads origin "$branch")
if [[ -n $found ]]; then
    git fetch --quiet --depth 1 origin "+refs/heads/$branch:refs/remotes/origin/$branch"
    echo "retrain: fetched $branch"
else
    echo "retrain: no branch $branch yet, so no check before this one is known"
fi

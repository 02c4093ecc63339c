#!/usr/bin/env bash
# Publishes what scripts/retrain_run.sh left in $RETRAIN_OUT: the heartbeats go to a branch of their own, and dvc.lock, if
# something was built, becomes a pull request with the report (a merge request where GITLAB_CI is set).
#
# Needs git and, on GitHub, gh; nothing of the project's environment, so that the job that may write runs little code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=${RETRAIN_OUT:-retrain-out}
export GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-Tensorline} GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-tensorline@users.noreply.github.com}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

commit() { # commit PARENT MESSAGE FILE ...: makes a commit of PARENT ('' is none) with these files of $out; prints its hash
    local parent=$1 message=$2 file index tree
    index=$(mktemp -d)
    export GIT_INDEX_FILE=$index/index
    if [[ -n $parent ]]; then git read-tree "$parent"; else git read-tree --empty; fi
    for file in "${@:3}"; do
        git update-index --add --cacheinfo "100644,$(git hash-object -w "$out/$file"),$file"
    done
    tree=$(git write-tree)
    unset GIT_INDEX_FILE
    rm -rf "$index"
    git commit-tree "$tree" ${parent:+-p "$parent"} -m "$message"
}

mapfile -t beats < <(cd "$out" && find pipelines -name heartbeat.json 2>/dev/null | LC_ALL=C sort)
if ((${#beats[@]} == 0)); then
    echo "retrain: $out holds no heartbeat, so nothing was checked. Run scripts/retrain_run.sh first." >&2
    exit 2
fi

scripts/retrain_fetch.sh
before=$(git rev-parse --quiet --verify refs/remotes/origin/tensorline/heartbeat || true)
made=$(commit "$before" "Checked whether to retrain" "${beats[@]}")
git push --quiet origin "$made:refs/heads/tensorline/heartbeat"
echo "retrain: pushed the heartbeat"

if [[ ! -e $out/dvc.lock ]] || git cat-file blob HEAD:dvc.lock 2>/dev/null | cmp --silent - "$out/dvc.lock"; then
    echo "retrain: nothing new to propose"
    exit 0
fi

branch=tensorline/retrain
base=${CI_DEFAULT_BRANCH:-${GITHUB_REF_NAME:-$(git symbolic-ref --short HEAD)}}
title=$(head -n 1 "$out/report.md")
title=${title#\# }
made=$(commit "$(git rev-parse HEAD)" "Retrained: $title" dvc.lock "${beats[@]}")
if [[ -n ${GITLAB_CI:-} ]]; then
    # A push option holds one line; the report is an artifact of the job.
    git push --quiet --force -o merge_request.create -o "merge_request.target=$base" -o "merge_request.title=$title" \
        -o "merge_request.description=The report: ${CI_JOB_URL:-report.md}" origin "$made:refs/heads/$branch"
    echo "retrain: pushed $branch and asked for a merge request"
    exit 0
fi
# One proposal at a time: a newer build takes the place of one that nobody has merged.
git push --quiet --force origin "$made:refs/heads/$branch"
number=$(gh pr list --head "$branch" --base "$base" --state open --json number --jq '.[0].number // empty')
if [[ -n $number ]]; then
    gh pr edit "$number" --title "$title" --body-file "$out/report.md"
    echo "retrain: renewed pull request $number"
else
    gh pr create --head "$branch" --base "$base" --title "$title" --body-file "$out/report.md"
fi

#!/usr/bin/env bash
# Writes both lock files anew from pyproject.toml and setup-requirements.in: names, versions, markers and hashes, no addresses.
# Versions stay as they are where they can; `scripts/lock.sh --upgrade` takes the newest that fit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ -x .venv/setup/bin/uv ]] || { echo "lock: found no .venv/setup/bin/uv. Run 'make setup' first." >&2; exit 2; }

compile() { # compile SOURCE LOCK [OPTION ...]
    .venv/setup/bin/uv pip compile --quiet --no-python-downloads --universal --python-version 3.10 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$1" --output-file "$2" "${@:3}"
    echo "lock: wrote $2 ($(grep -c == "$2") packages)"
}
compile pyproject.toml requirements.lock --extra dev "$@"
compile scripts/setup-requirements.in scripts/setup-requirements.lock "$@"

#!/usr/bin/env bash
# Removes what stages wrote and what tools cached. What can't be made again stays: .venv, mlruns and DVC's cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# All are found before the first is removed: find fails on a folder that vanishes while it looks into it.
folders="$(
    find . -maxdepth 1 \( -name artifacts -o -name .pytest_cache -o -name .mypy_cache -o -name .ruff_cache -o -name .import_linter_cache \)
    find . \( -path ./.venv -o -path ./.git -o -path ./.dvc -o -path ./artifacts \) -prune -o -type d -name __pycache__ -print
)"
while IFS= read -r folder; do
    [[ -n "$folder" ]] || continue
    rm -rf "$folder"
    echo "clean: removed ${folder#./}"
done <<< "$folders"
echo "clean: kept .venv, mlruns and .dvc/cache ('dvc checkout' brings artifacts back from there)"

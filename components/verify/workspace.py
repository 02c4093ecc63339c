"""Holds the artifacts in the workspace against what dvc.lock recorded, and against the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from components.verify.cache import put_into_cache
from components.verify.finding import Finding
from components.verify.hashing import digests
from components.verify.lock_file import DIRECTORY, Output, Recorded

CHECK = "workspace"
_MAX_NAMED = 3


def hash_workspace(recorded: Recorded) -> dict[Path, str]:
    """md5 of each file of each output that is there."""
    return digests((path for output in recorded.outputs for path in _there(recorded.root / output.path)), "md5", "artifacts")


def check_workspace(
    recorded: Recorded, hashed: Mapping[Path, str], sound: frozenset[str], damaged: frozenset[str], *, fix: bool
) -> list[Finding]:
    """Compares.

    Args:
        recorded: What DVC has recorded.
        hashed: As `hash_workspace` gives it.
        sound: The names of the cache's objects that are as they should be.
        damaged: The names of those that are, or were, not: the check of the cache tells of them.
        fix: Puts what only the workspace has into the cache, and checks out what only the cache has.
    """
    findings = []
    absent: dict[str, list[Output]] = {}
    for output in recorded.outputs:
        files = recorded.files(output)
        known = (output.digest in sound or not output.digest.endswith(DIRECTORY)) and files is not None
        here = _there(recorded.root / output.path)
        if output.digest in damaged and not known:
            continue  # without the list of its files nothing can be said, and the check of the cache says so
        if not here and (not known or files is None or not all(digest in sound | damaged for digest in files.values())):
            absent.setdefault(_owner(output), []).append(output)
        elif not known or files is None:
            findings.append(_unlisted(output))
        else:
            findings += _compare(recorded, output, files, here, hashed, sound, damaged, fix=fix)
    return findings + [_absent(owner, outputs) for owner, outputs in absent.items()]


def _there(path: Path) -> list[Path]:
    if path.is_dir():
        found = [Path(folder, name) for folder, _, names in os.walk(path, followlinks=True) for name in names]
        return sorted(found)
    return [path] if path.is_file() else []


def _owner(output: Output) -> str:
    """The folder under which what is absent is told once: artifacts/NAME, or the output itself."""
    parts = output.path.split("/")
    return "/".join(parts[:2]) if parts[0] == "artifacts" and len(parts) > 2 else output.path


def _absent(owner: str, outputs: list[Output]) -> Finding:
    names = [output.path.removeprefix(f"{owner}/") for output in outputs]
    own = "" if names == [owner] else f": {_listed(names)}"
    what = f"neither in the workspace nor whole in DVC's cache{own}; dvc.lock records {'it' if len(names) == 1 else 'them'}"
    return Finding(CHECK, "error", owner, what, "dvc pull gets it from the remote, if it was pushed there; else: dvc repro")


def _unlisted(output: Output) -> Finding:
    what = "DVC's cache lacks the list of its files, so it can't be held against dvc.lock"
    return Finding(CHECK, "warning", output.path, what, f"dvc commit {output.maker} records what is there; or: {output.again}")


def _compare(
    recorded: Recorded,
    output: Output,
    files: Mapping[str, str],
    here: list[Path],
    hashed: Mapping[Path, str],
    sound: frozenset[str],
    damaged: frozenset[str],
    *,
    fix: bool,
) -> list[Finding]:
    root = recorded.root
    names = {path.relative_to(root).as_posix(): path for path in here}
    missing = [name for name in files if name not in names]
    changed = [name for name in files if name in names and hashed.get(names[name]) != files[name]]
    extra = [name for name in names if name not in files]
    findings = []
    if missing and not changed and not extra and all(files[name] in sound for name in missing):
        findings.append(_missing(recorded, output, missing, whole=not here, fix=fix))
    elif missing or changed or extra:
        parts = [("missing", missing), ("changed", changed), ("not recorded", extra)]
        what = "; ".join(f"{word}: {_listed(_within(output, some))}" for word, some in parts if some)
        kept = f"if the change is meant: dvc commit {output.maker}; if not: dvc checkout --force {output.path}, or dvc repro"
        findings.append(Finding(CHECK, "warning", output.path, f"not as dvc.lock records it: {what}", kept))
    uncached = [
        name
        for name, digest in files.items()
        if digest not in sound and digest not in damaged and name not in missing and name not in changed
    ]
    if uncached:
        findings.append(_uncached(recorded, output, {name: files[name] for name in uncached}, fix=fix))
    return findings


def _missing(recorded: Recorded, output: Output, missing: list[str], *, whole: bool, fix: bool) -> Finding:
    which = "it is not there" if whole else f"not there: {_listed(_within(output, missing))}"
    what = f"{which}; DVC's cache has it"
    found = Finding(CHECK, "warning", output.path, what, f"dvc checkout {output.path}, which tensorline verify --fix runs")
    if not fix:
        return found
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "checkout", "--quiet", output.path],
        cwd=recorded.root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.split())
        return replace(found, fix=f"dvc checkout {output.path} said: {said}")
    return replace(found, done="checked out", mended=True)


def _uncached(recorded: Recorded, output: Output, files: Mapping[str, str], *, fix: bool) -> Finding:
    what = f"only in the workspace: DVC's cache lacks {_listed(_within(output, list(files)))}, so dvc push can't send it"
    found = Finding(CHECK, "warning", output.path, what, "tensorline verify --fix puts it into the cache")
    if not fix:
        return found
    for name, digest in files.items():
        put_into_cache(recorded.root / name, recorded.object_path(digest))
    return replace(found, done="put into the cache", mended=True)


def _within(output: Output, names: list[str]) -> list[str]:
    return [name.removeprefix(f"{output.path}/") for name in names]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(sorted(names)[:_MAX_NAMED]) + more

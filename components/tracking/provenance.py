"""Where a run comes from: the commit, what was changed since, and the bytes that its stage depends on."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from components.tracking.redaction import redact

# What stages and `tensorline retrain` write themselves is no change of the sources.
_OWN_OUTPUTS = ("dvc.lock", "artifacts", "mlruns", "pipelines/*/heartbeat.json")
_MAX_DIFF_CHARS = 1_000_000
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class GitState:
    """The sources that a run was made from.

    Attributes:
        commit: Full hash; None if there is none, and then `problem` says why.
        branch: None outside a branch.
        dirty: Whether the working tree differs from the commit: changed, staged, deleted or untracked files.
        diff: Against the commit, credentials blanked, cut visibly where very long.
        untracked: Files that git neither tracks nor ignores; the diff does not show them.
        problem: Why there is no commit.
    """

    commit: str | None
    branch: str | None
    dirty: bool
    diff: str
    untracked: tuple[str, ...]
    problem: str | None = None


def git_state(root: Path) -> GitState:
    """The state of the working tree at `root`, read without taking git's locks; Tensorline's own outputs don't count."""
    try:
        inside = _git(root, "rev-parse", "--is-inside-work-tree")
    except FileNotFoundError:
        return GitState(None, None, dirty=False, diff="", untracked=(), problem="git is not installed")
    if inside.returncode != 0:
        return GitState(None, None, dirty=False, diff="", untracked=(), problem=redact(inside.stderr.strip().split("\n")[0]))
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    commit = head.stdout.strip() or None
    branch = _git(root, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip() or None
    # Before the first commit everything staged is new: compared with the empty tree.
    base = commit or _git(root, "hash-object", "-t", "tree", "/dev/null").stdout.strip()
    sources = ("--", ".", *(f":(exclude){path}" for path in _OWN_OUTPUTS))
    diff = redact(_git(root, "diff", "--no-color", "--no-ext-diff", "--no-textconv", base, *sources).stdout)
    if len(diff) > _MAX_DIFF_CHARS:
        diff = f"{diff[:_MAX_DIFF_CHARS]}\n… cut here: the diff has {len(diff):,} characters, {_MAX_DIFF_CHARS:,} are kept\n"
    listed = _git(root, "ls-files", "--others", "--exclude-standard", "-z", *sources).stdout
    untracked = tuple(sorted(path for path in listed.split("\0") if path))
    problem = None if commit else "no commit yet"
    return GitState(commit, branch, dirty=bool(diff or untracked), diff=diff, untracked=untracked, problem=problem)


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "--no-optional-locks", "-c", "core.quotePath=false", *arguments],
        cwd=root,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def digest_paths(paths: Iterable[Path | str], root: Path | None = None) -> dict[str, str]:
    """sha256 of each file or folder by its path as given; `missing` where there is nothing.

    A folder's digest covers the names and contents of all files in it, `__pycache__` left out.

    Args:
        paths: Files and folders, relative to `root`.
        root: Default: the working directory.
    """
    return {str(path): _digest((root or Path()) / path) for path in paths}


def _digest(path: Path) -> str:
    if path.is_file():
        return _digest_file(path)
    if not path.is_dir():
        return "missing"
    digest = hashlib.sha256()
    # DVC may link folders to its cache, so links are followed.
    for folder, folders, files in os.walk(path, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            file = Path(folder, name)
            digest.update(f"{file.relative_to(path).as_posix()}\0{_digest_file(file)}\n".encode())
    return digest.hexdigest()


def _digest_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()

"""Finds what killed processes left half-written."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from components.verify.finding import Finding

CHECK = "leftovers"
_PARTIAL_STAGE = re.compile(r"\.partial-(?P<stage>\w+)")
_OLD = re.compile(r"\.old-(?P<key>\w+)")
_RUN_FILE = re.compile(r"\.\w+\.json\.new")
_OUTPUT = re.compile(r"\..+\.(?P<pid>\d+)\.partial")


def check_leftovers(root: Path, *, fix: bool) -> list[Finding]:
    """Looks through artifacts/, mlruns/ and the root; what a living process is writing is left alone.

    Args:
        root: The repository's root.
        fix: Removes them, and puts an old artifact back where its stage was killed before the new one stood.
    """
    findings: list[Finding] = []
    for pipeline in _folders(root / "artifacts"):
        findings += _of_stages(root, pipeline, fix=fix)
        for file in sorted((pipeline / "runs").glob(".*.json.new")):
            if _RUN_FILE.fullmatch(file.name):
                findings.append(_removed(root, file, "a run's file, half-written", fix=fix))
    for file in _partial_files(root):
        findings.append(_removed(root, file, "an output that a killed process was writing", fix=fix))
    draft = root / "mlruns" / "mlflow.db.new"
    if draft.exists() and not _is_open(draft):
        findings.append(_removed(root, draft, "an MLflow store, half-made", fix=fix))
    return findings


def _of_stages(root: Path, pipeline: Path, *, fix: bool) -> Iterator[Finding]:
    for folder in _folders(pipeline, hidden=True):
        partial, old = _PARTIAL_STAGE.fullmatch(folder.name), _OLD.fullmatch(folder.name)
        if partial and not _is_running(root, pipeline.name, partial["stage"]):
            yield _removed(root, folder, f"what stage {partial['stage']} was making when it was killed", fix=fix)
        elif old and not _is_running(root, pipeline.name):
            yield _old(root, folder, folder.with_name(old["key"]), fix=fix)


def _old(root: Path, folder: Path, current: Path, *, fix: bool) -> Finding:
    if current.exists():
        return _removed(root, folder, f"an older {current.name}, which the newer one has replaced", fix=fix)
    what = f"the old {current.name}: its stage was killed before the new one stood in its place"
    shown = str(current.relative_to(root))
    found = Finding(CHECK, "warning", _shown(root, folder), what, f"tensorline verify --fix puts it back as {shown}")
    if not fix:
        return found
    folder.rename(current)
    return replace(found, done=f"put back as {shown}", mended=True)


def _removed(root: Path, path: Path, what: str, *, fix: bool) -> Finding:
    found = Finding(CHECK, "warning", _shown(root, path), f"left over: {what}", "tensorline verify --fix removes it")
    if not fix:
        return found
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return replace(found, done="removed", mended=True)


def _partial_files(root: Path) -> Iterator[Path]:
    """Files of predictions and logs that are renamed once they are whole, in the root and below artifacts/."""
    below = (Path(folder, name) for folder, _, names in os.walk(root / "artifacts") for name in names)
    for path in sorted([*root.iterdir(), *below]):
        if path.name.endswith(".partial") and path.is_file() and not _is_written(path):
            yield path


def _is_written(path: Path) -> bool:
    """Whether a living process is writing a file: the one in its name, else any that has it open."""
    named = _OUTPUT.fullmatch(path.name)
    return psutil.pid_exists(int(named["pid"])) if named else _is_open(path)


def _is_open(path: Path) -> bool:
    target = str(path.resolve())
    for process in psutil.process_iter():
        try:
            if any(file.path == target for file in process.open_files()):
                return True
        except psutil.Error:
            continue  # it ended meanwhile, or is another user's
    return False


def _is_running(root: Path, pipeline: str, stage: str = "") -> bool:
    """Whether a process that works in `root` runs the stage, or any, of the pipeline."""
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            runs = any(word == f"components.{stage}" or (not stage and word.startswith("components.")) for word in command)
            runs = runs or (stage in {"", "train"} and "train" in command)  # tensorline train NAME
            if runs and pipeline in command and Path(process.cwd()) == root.resolve():
                return True
        except psutil.Error:
            continue
    return False


def _folders(folder: Path, *, hidden: bool = False) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name.startswith(".") == hidden)


def _shown(root: Path, path: Path) -> str:
    return str(path.relative_to(root))

"""Holds artifacts against the runs of the MLflow store, and runs against their artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.tracking.audit import StoredRun, has_artifacts, runs_left_running
from components.tracking.reconcile import reconcile
from components.tracking.run_file import read_run_file
from components.tracking.store import Store
from components.verify.finding import Finding

CHECK = "runs"
_TRIAL = ".trial"


def check_running(store: Store, *, fix: bool) -> list[Finding]:
    """Runs that are RUNNING although their process, of this machine, is gone.

    Args:
        store: The MLflow store.
        fix: Closes them as KILLED, at their last sign of life.
    """
    left = runs_left_running(store)
    closed = set(reconcile(store)) if fix and left else set()
    return [
        Finding(
            CHECK,
            "error",
            _named(run),
            f"RUNNING, but {run.process} is gone; expected it closed",
            "tensorline verify --fix closes it as KILLED, at its last sign of life; so does the next stage",
            "closed as KILLED, at its last sign of life" if run.run_id in closed else "",
            run.run_id in closed,
        )
        for run in left
    ]


def check_artifacts(root: Path, store: Store, runs: Mapping[str, StoredRun], recorded_stages: set[str]) -> list[Finding]:
    """Artifacts whose run the store does not have.

    Args:
        root: The repository's root.
        store: The MLflow store.
        runs: Of the store.
        recorded_stages: As in dvc.lock, such as `train@taxi`: a missing run file of theirs is a missing output.
    """
    findings: list[Finding] = []
    folders = sorted(path for path in (root / "artifacts").glob("*") if path.is_dir() and not path.name.startswith("."))
    made_by = _stage_outputs(root)
    for pipeline in folders:
        unknown: dict[str, list[str]] = {}
        for file in sorted((pipeline / "runs").glob("*.json")):
            try:
                ref = read_run_file(file)
            except UserError as error:
                findings.append(_damaged(root, file, str(error)))
                continue
            run = runs.get(ref.run_id)
            if run is None or run.is_deleted:
                unknown.setdefault("does not have" if run is None else "has deleted", []).append(file.stem)
        findings += [_unknown(pipeline.name, store, said, stages) for said, stages in sorted(unknown.items())]
        for stage, names in made_by.items():
            there = [name for name in names if (pipeline / name).exists()]
            file = pipeline / "runs" / f"{stage}.json"
            if there and not file.exists() and f"{stage}@{pipeline.name}" not in recorded_stages:
                what = f"no {file.relative_to(root)} tells which run made them: {', '.join(there)}"
                fix = f"make them anew: dvc repro --force --single-item {stage}@{pipeline.name}"
                findings.append(Finding(CHECK, "warning", f"artifacts/{pipeline.name}", what, fix))
    return findings


def check_runs(store: Store, runs: Mapping[str, StoredRun]) -> list[Finding]:
    """Finished runs of stages whose artifacts are gone; each stage logs what it depended on as it starts."""
    return [
        Finding(
            CHECK,
            "error",
            _named(run),
            f"has no artifacts in {run.artifacts}; expected at least provenance/dependencies.json",
            "bring them back from a backup of the store; else delete the run, and make its artifacts anew",
        )
        for run in runs.values()
        if run.stage
        and not run.stage.endswith(_TRIAL)
        and run.status == "FINISHED"
        and not run.is_deleted
        and not has_artifacts(store, run)
    ]


def _damaged(root: Path, file: Path, message: str) -> Finding:
    problem = message.removeprefix(f"{file}: ").partition(". Expected")[0]
    shown = str(file.relative_to(root))
    return Finding(CHECK, "error", shown, f"damaged: {problem}", f"dvc checkout --force {shown}")


def _unknown(pipeline: str, store: Store, said: str, stages: list[str]) -> Finding:
    if said == "has deleted":
        fix = "mlflow runs restore --run-id ID, with the id that is in the file"
    else:
        fix = (
            "if they were made with another store, name it: MLFLOW_TRACKING_URI=…; else make them anew: "
            f"dvc repro --force register@{pipeline}"
        )
    what = f"{store.shown} {said} the runs that made them: {', '.join(stages)}"
    return Finding(CHECK, "warning", f"artifacts/{pipeline}", what, fix)


def _named(run: StoredRun) -> str:
    return f"run {run.run_id} ({run.pipeline} · {run.stage})"


def _stage_outputs(root: Path) -> dict[str, list[str]]:
    """Stage → names of its artifacts, as dvc.yaml has them; the run's file is none."""
    from ruamel.yaml import YAML

    stages: dict[str, Any] = YAML(typ="safe", pure=True).load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    found = {}
    for stage, body in stages.items():
        outs = [out if isinstance(out, str) else next(iter(out)) for out in body.get("do", body).get("outs", [])]
        found[stage] = [Path(out).name for out in outs if Path(out).parent.name != "runs"]
    return found

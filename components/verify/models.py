"""Rehashes the registry's models, and holds versions against their runs and the champion against the versions."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components import progress
from components.tracking.audit import StoredModel, StoredRun, StoredVersion, version_files
from components.tracking.packaging import ARTIFACT
from components.tracking.registry import FILES
from components.tracking.store import Store
from components.verify.finding import Finding
from components.verify.hashing import digests

CHECK = "models"
_MODEL_FILE = f"{ARTIFACT}/model.json"
_MAX_NAMED = 3


@dataclass(frozen=True)
class Rehashed:
    """What the registry's models are.

    Attributes:
        findings: What is not as it should be.
        num_versions, num_bytes: That were read.
        num_without_list: Versions of a time before digests of their files were recorded: only model.json was compared.
    """

    findings: list[Finding]
    num_versions: int
    num_bytes: int
    num_without_list: int


def check_models(store: Store, models: list[StoredModel], runs: Mapping[str, StoredRun]) -> Rehashed:
    """Rehashes the files of each version, downloaded one version after another where they lie on a server.

    Args:
        store: The MLflow store.
        models: As it has them.
        runs: As it has them.
    """
    findings: list[Finding] = []
    num_bytes = 0
    versions = [version for model in models for version in model.versions]
    for number, version in enumerate(versions, start=1):
        with tempfile.TemporaryDirectory(prefix="tensorline-verify-") as scratch:
            if store.database is None:
                progress.tell(f"models: downloading {_named(version)} ({number} of {len(versions)})")
            folder = version_files(store, version, Path(scratch))
            findings += _check_files(store, version, folder)
            if folder is not None:
                num_bytes += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                if folder.is_relative_to(scratch):
                    shutil.rmtree(folder)
        run = runs.get(version.run_id)
        if run is None or run.is_deleted:
            findings.append(_without_run(version, run))
    findings += [_dangling(model) for model in models if model.champion is not None and model.champion not in model.numbers]
    num_without_list = sum(version.files_digest is None for version in versions)
    return Rehashed(findings, len(versions), num_bytes, num_without_list)


def _check_files(store: Store, version: StoredVersion, folder: Path | None) -> list[Finding]:
    if folder is None:
        what = f"its files are gone from {store.shown}"
        return [Finding(CHECK, "error", _named(version), what, _instead(version))]
    wrong: list[str] = []
    if version.files_digest is not None:
        wrong = _wrong_files(folder, version.files_digest)
    try:
        digest = json.loads((folder / _MODEL_FILE).read_text(encoding="utf-8"))["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        digest = None
    if digest != version.digest and not any(_MODEL_FILE in name for name in wrong):
        found = "can't be read" if digest is None else f"holds the digest {digest}"
        wrong.append(f"{_MODEL_FILE} {found}, and {version.digest} was registered")
    if not wrong:
        return []
    more = f" and {len(wrong) - _MAX_NAMED} more" if len(wrong) > _MAX_NAMED else ""
    what = f"not as it was registered: {', '.join(wrong[:_MAX_NAMED])}{more}"
    return [Finding(CHECK, "error", _named(version), what, _instead(version))]


def _wrong_files(folder: Path, expected: str) -> list[str]:
    """What is wrong with which file; a file that the list does not have may have been added later."""
    try:
        content = (folder / FILES).read_bytes()
    except OSError:
        return [f"{FILES} is missing"]
    if hashlib.sha256(content).hexdigest() != expected:
        return [f"{FILES}, the list of its files, is damaged"]
    recorded: dict[str, str] = json.loads(content)
    found = digests((folder / name for name in recorded), "sha256", "models")
    wrong = {name: found.get(folder / name) for name, digest in recorded.items() if found.get(folder / name) != digest}
    return [f"{name} is {'missing' if digest is None else 'damaged'}" for name, digest in wrong.items()]


def _without_run(version: StoredVersion, run: StoredRun | None) -> Finding:
    if run is None:
        what = f"its run {version.run_id or '(none)'} is not in the store"
        fix = "nothing tells any more where it comes from: promote one whose run is there instead"
        return Finding(CHECK, "warning", _named(version), what, fix)
    what = f"its run {version.run_id} is deleted"
    return Finding(CHECK, "warning", _named(version), what, f"mlflow runs restore --run-id {version.run_id}")


def _dangling(model: StoredModel) -> Finding:
    there = ", ".join(model.numbers) or "none"
    what = f"the champion is version {model.champion}, which is gone; there are: {there}"
    fix = "choose one of them: tensorline promote NAME VERSION --why …; until then the next candidate finds no incumbent"
    return Finding(CHECK, "error", f"model {model.name}", what, fix)


def _instead(version: StoredVersion) -> str:
    return (
        "bring the files back from a backup of the store; if it is the champion: tensorline rollback; and delete it: "
        f"mlflow.MlflowClient().delete_model_version('{version.model_name}', '{version.number}')"
    )


def _named(version: StoredVersion) -> str:
    return f"model {version.model_name}, version {version.number}"

"""Each thing that verify looks at is damaged for real, and exactly that is found, told and mended."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.cli import verify as cli
from components.tracking.process import PID, process_tags
from components.tracking.provenance import GitState
from components.tracking.registry import Candidate, register_candidate
from components.tracking.run_file import read_run_file, write_run_file
from components.tracking.runs import start_stage_run
from components.tracking.store import Store, open_store, sqlite_uri
from components.verify.finding import Finding
from components.verify.verify import Report, verify

CLEAN = GitState("c0ffee", "main", dirty=False, diff="", untracked=())
NO_PROCESS = "4194305"  # above the greatest process id that Linux gives
DVC_YAML = """\
stages:
  train:
    foreach:
      taxi: {}
    do:
      cmd: mkdir -p artifacts/${key}/runs && cp -r made/model artifacts/${key}/ && cp made/train.json artifacts/${key}/runs/
      outs:
        - artifacts/${key}/model
        - artifacts/${key}/runs/train.json
"""


def dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, empty_database: Path, model_dir: Path) -> Path:
    """A repository with one stage, built by DVC and pushed to a remote, whose model is version 1 and champion. Read only."""
    root = tmp_path_factory.mktemp("built") / "the repository"
    (root / ".dvc").mkdir(parents=True)
    (root / "mlruns").mkdir()
    (root / ".dvc" / "config").write_text(
        "[core]\n    no_scm = true\n    remote = near\n['remote \"near\"']\n    url = ../remote\n"
    )
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "params.yaml").write_text("pipelines: {}\n")
    (root / "made" / "model" / "keras").mkdir(parents=True)
    (root / "made" / "model" / "model.json").write_text('{"digest": "d1"}')
    (root / "made" / "model" / "keras" / "model.keras").write_bytes(b"weights")
    shutil.copyfile(empty_database, root / "mlruns" / "mlflow.db")
    store = Store(sqlite_uri(root / "mlruns" / "mlflow.db"))
    with start_stage_run(store, "taxi", "train", params={}, git=CLEAN, dependencies={"data": "1"}) as run:
        pass
    write_run_file(root / "made" / "train.json", run.ref)
    register_candidate(store, Candidate("taxi", "taxi", model_dir, "d1", True, "good", {"auc": 0.9}, None, run.ref.run_id))
    dvc(root, "repro", "--quiet")
    dvc(root, "push", "--quiet")
    return root


@pytest.fixture
def root(tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, for one test to damage; MLflow records whole paths, so they are moved with it."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "the repository"
    shutil.copytree(built, root, symlinks=True)
    sql(
        root,
        *(
            f"UPDATE {table} SET {column} = replace({column}, '{built.as_uri()}', '{root.as_uri()}')"
            for table, column in (
                ("experiments", "artifact_location"),
                ("runs", "artifact_uri"),
                ("logged_models", "artifact_location"),
                ("model_versions", "storage_location"),
            )
        ),
    )
    monkeypatch.chdir(root)
    return root


def sql(root: Path, *statements: str) -> None:
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def look(root: Path, *, fix: bool = False) -> Report:
    return verify(root, open_store(root), fix=fix)


def findings(root: Path, *, fix: bool = False) -> list[Finding]:
    return list(look(root, fix=fix).findings)


def cached(root: Path, content: bytes) -> Path:
    """The object of DVC's cache that holds this content."""
    (found,) = (path for path in (root / ".dvc/cache/files/md5").rglob("*") if path.is_file() and path.read_bytes() == content)
    return found


def damage(path: Path, content: bytes = b"rot") -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def run_id(root: Path) -> str:
    return read_run_file(root / "artifacts/taxi/runs/train.json").run_id


def model_files(root: Path) -> Path:
    (folder,) = (root / "mlruns/artifacts/taxi/models").iterdir()
    return folder / "artifacts"


def test_what_is_sound(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if "mlruns" not in path.parts}
    report = look(root)
    assert (report.findings, report.is_sound) == ((), True)
    assert (report.num_objects, report.num_outputs, report.num_runs, report.num_versions) == (4, 2, 1, 1)
    assert report.num_without_list == 0
    num_bytes = sum(path.stat().st_size for path in model_files(root).rglob("*") if path.is_file())
    num_bytes += sum(path.stat().st_size for path in (root / ".dvc/cache/files").rglob("*") if path.is_file())
    assert report.num_bytes == num_bytes
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if "mlruns" not in path.parts} == before


def test_a_damaged_object_is_replaced_by_the_copy_in_the_workspace(root: Path) -> None:
    path = cached(root, b"weights")
    damage(path)
    found = Finding(
        "cache",
        "error",
        str(path.relative_to(root)),
        "damaged: its content has the md5 9b30f8b6a9e7c7e5ac5a5a0d2ac4a1a4; expected the one that its name says. It is "
        "artifacts/taxi/model/keras/model.keras",
        "tensorline verify --fix takes the copy in the workspace if it is sound, else removes it; then: dvc pull, or dvc repro "
        "--force --single-item train@taxi",
    )
    import hashlib
    from dataclasses import replace

    md5 = hashlib.md5(b"rot", usedforsecurity=False).hexdigest()
    found = replace(found, what=re.sub("[0-9a-f]{32}", md5, found.what))
    assert findings(root) == [found]
    assert findings(root, fix=True) == [replace(found, done="replaced by the copy in the workspace", mended=True)]
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"weights", 0o444)
    assert findings(root) == []
    assert "up to date" in dvc(root, "status").stdout

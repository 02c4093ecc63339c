"""The stage killed -9 and stopped by SIGTERM in mid-training ends as an undisturbed one, in one MLflow run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.bridge import stage as bridge
from components.tracking.store import Store, open_store
from tests.conftest import ROOT, working_in

pytestmark = pytest.mark.slow
NAMED_BY_PROCESS = {"saved_model.pb", "fingerprint.pb"}
"""TensorFlow numbers a graph's functions as the process makes them, and gives each SavedModel a random id."""


@pytest.fixture
def repository(penguins: Path, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Penguins, tuned and not yet trained."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "root"
    shutil.copytree(penguins, root, ignore=shutil.ignore_patterns("artifacts", "mlruns"))
    for key in ("ingest_report", "schema", "transform_graph", "transformed_examples", "best_hyperparameters"):
        shutil.copytree(penguins / "artifacts" / "penguins" / key, root / "artifacts" / "penguins" / key)
    (root / "mlruns").mkdir()
    shutil.copyfile(empty_database, root / "mlruns" / "mlflow.db")
    return root


def model_files(root: Path) -> dict[str, bytes]:
    folder = root / "artifacts" / "penguins"
    return {
        str(file.relative_to(folder)): b"" if file.name in NAMED_BY_PROCESS else file.read_bytes()
        for key in ("model", "model_run")
        for file in sorted((folder / key).rglob("*"))
        if file.is_file()
    }


def train_until(root: Path, epoch: int, number: signal.Signals) -> tuple[int, str]:
    """Starts the stage, sends it the signal when it tells of `epoch`; (status, what it then wrote to standard error)."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "components.train", "penguins"]
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if f"epoch {epoch}/" in line:
                process.send_signal(number)
                break
        _, errors = process.communicate()
    return process.returncode, errors


def the_run(store: Store) -> Any:
    """The only run that there is."""
    (run,) = store.client.search_runs([store.client.get_experiment_by_name("penguins").experiment_id])
    return run


def test_killed_in_mid_training(repository: Path, penguins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    undisturbed = json.loads((penguins / "artifacts" / "penguins" / "model_run" / "history.json").read_text())["epochs"]
    assert len(undisturbed) > 8
    store, states = open_store(repository), repository / "artifacts" / "penguins" / ".state" / "train"

    assert train_until(repository, 3, signal.SIGKILL)[0] == -signal.SIGKILL
    first = the_run(store)
    assert first.info.status == "RUNNING"

    status, errors = train_until(repository, 6, signal.SIGTERM)
    assert (status, errors) == (
        128 + signal.SIGTERM,
        "\npenguins · train: stopped. What was done is kept. To go on: dvc repro, or python -m components.train penguins\n",
    )
    assert (the_run(store).info.run_id, the_run(store).info.status) == (first.info.run_id, "KILLED")
    assert [file.name for file in states.glob("*/Trainer/*")] == ["phase-0.zip"]
    assert not (repository / "artifacts" / "penguins" / "model").exists()

    with working_in(repository):
        bridge.run_stage("train", "penguins", repository)
    told = capsys.readouterr().out
    assert f"penguins · train     goes on where it was stopped, in MLflow run {first.info.run_id}\n" in told
    shown = [int(number) for number in re.findall(r"epoch (\d+)/", told)]
    assert shown[0] in {7, 8}  # the signal takes a moment
    assert shown == list(range(shown[0], len(undisturbed) + 1))
    assert model_files(repository) == model_files(penguins)
    assert not states.exists()

    run = the_run(store)
    assert (run.info.run_id, run.info.status) == (first.info.run_id, "FINISHED")
    assert run.data.tags["tensorline.resumed"] == "2"
    for name in undisturbed[0]:
        curve = store.client.get_metric_history(run.info.run_id, name)
        assert [(point.step, point.value) for point in curve] == [
            (step, epoch[name]) for step, epoch in enumerate(undisturbed)
        ]

"""The stage killed -9 in mid-search goes on where it stopped, and ends as an undisturbed one, to the byte."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.bridge import stage as bridge
from components.errors import TensorlineError
from components.tracking.store import open_store
from tests.conftest import ROOT, working_in

pytestmark = pytest.mark.slow

# Of three trials of one epoch the best goes on for two more, with the weights that it had.
TUNE = """\
tune:
  algorithm: hyperband
  max_trials: 4
  epochs: 3
  space: {num_layers: 1, units_0: {values: [16, 32]}}
"""


@pytest.fixture
def repository(penguins: Path, tmp_path: Path, empty_database: Path) -> Path:
    """Penguins, transformed and not yet tuned."""
    root = tmp_path / "root"
    kept = ("examples", "ingest_report", "schema", "transform_graph", "transformed_examples")
    shutil.copytree(penguins, root, ignore=shutil.ignore_patterns("artifacts", "mlruns"))
    for key in kept:
        shutil.copytree(penguins / "artifacts" / "penguins" / key, root / "artifacts" / "penguins" / key)
    (root / "mlruns").mkdir()
    shutil.copyfile(empty_database, root / "mlruns" / "mlflow.db")
    write_tune(root, TUNE)
    return root


def write_tune(root: Path, section: str) -> None:
    file = root / "pipelines" / "penguins" / "params.yaml"
    before, _, after = file.read_text().partition("tune:\n")
    file.write_text(before + section + "\ntrain:" + after.partition("\ntrain:")[2])


def files(root: Path) -> dict[str, bytes]:
    folder = root / "artifacts" / "penguins"
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for key in ("best_hyperparameters", "tuner_results")
        for file in sorted((folder / key).iterdir())
    }


def tune(root: Path) -> list[str]:
    with working_in(root):
        return bridge.run_stage("tune", "penguins", root)


def test_killed_in_mid_search(repository: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(repository, undisturbed)
    lines = tune(undisturbed)
    trials = json.loads(files(undisturbed)["tuner_results/trials.json"])["trials"]
    assert [(trial["status"], len(trial["epochs"])) for trial in trials] == [("COMPLETED", epochs) for epochs in (1, 1, 1, 2)]
    assert trials[3]["hyperparameters"]["tuner/trial_id"] in {"0", "1", "2"}

    command = [sys.executable, "-m", "components.tune", "penguins"]
    with subprocess.Popen(
        command,
        cwd=repository,
        env={"PYTHONPATH": str(ROOT), "TENSORLINE_WARM": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "trial 2/4" in line:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    states = repository / "artifacts" / "penguins" / ".state" / "tune"
    (state,) = states.glob("*/*/search/search.json")
    ended = json.loads(state.read_text())["oracle"]["end_order"]
    assert ended[:2] == ["0", "1"]
    assert not (repository / "artifacts" / "penguins" / "tuner_results").exists()
    (stale := states / "another").mkdir()

    assert tune(repository) == lines
    assert files(repository) == files(undisturbed)
    assert not stale.exists()  # of inputs that are no more
    assert not states.exists()

    # One run, as if it had never been killed: one point a trial, one nested run each.
    stores = [open_store(root) for root in (repository, undisturbed)]
    runs = [store.client.search_runs([store.client.get_experiment_by_name("penguins").experiment_id]) for store in stores]
    names = [sorted((run.info.run_name, run.info.status) for run in each) for each in runs]
    assert names[0] == names[1] == [*((f"trial-{number}", "FINISHED") for number in range(4)), ("tune", "FINISHED")]
    searches = [next(run for run in each if run.info.run_name == "tune") for each in runs]
    assert [search.data.tags.get("tensorline.resumed") for search in searches] == ["1", None]
    assert searches[0].data.metrics == searches[1].data.metrics
    objective = json.loads(files(undisturbed)["tuner_results/trials.json"])["objective"]
    curves = [
        [(point.step, point.value) for point in store.client.get_metric_history(search.info.run_id, objective)]
        for store, search in zip(stores, searches, strict=True)
    ]
    assert curves[0] == curves[1]
    assert [step for step, _ in curves[0]] == [0, 1, 2, 3]


def test_other_parameters_begin_anew(repository: Path) -> None:
    from components.bridge.job import Job
    from components.bridge.tracked import track

    folders = []
    for epochs in (3, 5, 3):
        write_tune(repository, TUNE.replace("epochs: 3", f"epochs: {epochs}"))
        with track(Job.load("penguins", repository), "tune") as tracked:
            folders.append(tracked.state_folder)
    example = next((repository / "artifacts" / "penguins" / "transformed_examples" / "Split-train").iterdir())
    example.write_bytes(example.read_bytes() + b"more")
    with track(Job.load("penguins", repository), "tune") as tracked:
        folders.append(tracked.state_folder)
    assert folders[0] == folders[2]
    assert len(set(folders)) == 3
    assert folders[0].parent == repository / "artifacts" / "penguins" / ".state" / "tune"


def test_a_search_that_found_nothing_leaves_its_trials_and_no_state(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.tune.search import Search

    def run_trial(self: Search, trial: object, *args: object, **kwargs: object) -> None:
        raise ValueError("no such layer")

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(Search, "run_trial", run_trial)
    with pytest.raises(TensorlineError, match=r"The first 3 trials failed with the same error, .*: ValueError: no such layer"):
        tune(repository)
    client = open_store(repository).client
    runs = client.search_runs([client.get_experiment_by_name("penguins").experiment_id])
    assert sorted((run.info.run_name, run.info.status, run.data.tags.get("tensorline.trial.reason", "")) for run in runs) == [
        *((f"trial-{number}", "FAILED", "ValueError: no such layer") for number in range(3)),
        ("tune", "FAILED", ""),
    ]
    assert not list((repository / "artifacts" / "penguins" / ".state").glob("tune/*/*/search/*"))

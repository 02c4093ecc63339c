from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import UserError
from components.tracking.store import Store, local_path, open_store, sqlite_uri

ROOT = Path(__file__).parents[3]

START = """
import sys
from pathlib import Path
from components.tracking.provenance import GitState
from components.tracking.runs import start_stage_run
from components.tracking.store import open_store

store = open_store(Path(sys.argv[1]))
git = GitState(None, None, dirty=False, diff="", untracked=(), problem="none")
for number in range(5):
    with start_stage_run(store, "taxi", sys.argv[2], params={"number": number}, git=git, dependencies={}) as run:
        run.log_history([{"loss": 1.0}] * 3)
"""


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_two_processes_that_create_the_store_at_once_lose_no_run(tmp_path: Path) -> None:
    processes = [python(START, str(tmp_path), stage) for stage in ("train", "tune")]
    for process in processes:
        out, err = process.communicate(timeout=240)
        assert (process.returncode, out, err) == (0, "", "")
    store = open_store(tmp_path)
    (taxi,) = [each for each in store.client.search_experiments() if each.name == "taxi"]
    runs = store.client.search_runs([taxi.experiment_id])
    found = sorted((run.info.run_name, run.data.params["number"], run.info.status) for run in runs)
    assert found == [(stage, str(number), "FINISHED") for stage in ("train", "tune") for number in range(5)]
    assert sorted(path.name for path in (tmp_path / "mlruns").iterdir()) == ["artifacts", "create.lock", "mlflow.db"]


@pytest.mark.slow
def test_a_store_that_was_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db.new").write_bytes(b"half")
    (tmp_path / "mlruns" / "mlflow.db").touch()
    assert [each.name for each in open_store(tmp_path).client.search_experiments()] == ["Default"]


@pytest.mark.parametrize("folder", ["plain", "with space", "größe 数", "100%25 #1 [x]", "what?"])
def test_paths(tmp_path: Path, empty_database: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / folder
    (root / "mlruns").mkdir(parents=True)
    shutil.copyfile(empty_database, root / "mlruns" / "mlflow.db")
    store = open_store(root)
    experiment_id = store.experiment_id("taxi")
    location = store.client.get_experiment(experiment_id).artifact_location
    assert location == (root / "mlruns" / "artifacts" / "taxi").as_uri()
    assert location.isascii()
    assert " " not in location
    run = store.client.create_run(experiment_id)
    store.client.log_text(run.info.run_id, "hello", "notes/größe.txt")
    written = root / "mlruns" / "artifacts" / "taxi" / run.info.run_id / "artifacts" / "notes" / "größe.txt"
    assert written.read_text(encoding="utf-8") == "hello"
    assert local_path(run.info.artifact_uri) == written.parents[1]
    assert Store(store.uri).database == root / "mlruns" / "mlflow.db"


def test_the_environment_names_another_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert open_store(Path("/repository")) == Store(f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ann:hunter2@mlflow.example.org")
    store = open_store(Path("/repository"))
    assert (store.shown, store.database) == ("https://***@mlflow.example.org", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    message = (
        "MLFLOW_TRACKING_URI=./mlruns: a folder. Expected a database or a server, which is all that MLflow still takes: "
        "unset it for mlruns/mlflow.db, or set it to sqlite:///PATH or https://HOST"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        open_store(tmp_path)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_text("some text that is no database", encoding="utf-8")
    message = f"{database}: no SQLite database. Expected the MLflow store: set the file aside."
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        _ = Store(sqlite_uri(database)).client


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "mlruns").touch()
    message = (
        f"{tmp_path}/mlruns/mlflow.db: File exists. Expected a folder and a file that can be written, for the MLflow store: "
        "mend the permissions, or name another store in the environment variable MLFLOW_TRACKING_URI."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        _ = Store(sqlite_uri(tmp_path / "mlruns" / "mlflow.db")).client


def test_a_store_of_another_mlflow(store: Store) -> None:
    assert store.database
    with sqlite3.connect(store.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    connection.close()
    message = f"MLflow store {store.database}: Detected out-of-date database schema (found version 451aebb31d03, but expected "
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        _ = store.client


def test_a_deleted_experiment(store: Store) -> None:
    experiment_id = store.experiment_id("taxi")
    assert store.experiment_id("taxi") == experiment_id
    store.client.delete_experiment(experiment_id)
    message = (
        f"MLflow store {store.database}: experiment 'taxi' is deleted. Expected it active, or not there. Bring it back: "
        f"mlflow experiments restore --experiment-id {experiment_id}"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        store.experiment_id("taxi")


def test_a_store_that_was_moved(store: Store, tmp_path: Path) -> None:
    store.experiment_id("taxi")
    assert store.database
    old = store.database.parent
    new = old.parent / "moved"
    old.rename(new)
    message = (
        f"MLflow store {new}/mlflow.db: the artifacts of experiment 'taxi' are recorded in {old}/artifacts/taxi, which is not "
        f"there. Expected them in {new}/artifacts: the store was moved. Move it back, or set it aside and start a new one by "
        "renaming the folder mlruns."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        Store(sqlite_uri(new / "mlflow.db")).experiment_id("taxi")


def test_the_default_store_is_restored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    with store.as_default():
        assert mlflow.get_tracking_uri() == store.uri
    assert (mlflow.get_tracking_uri(), os.environ["MLFLOW_TRACKING_URI"]) == ("https://mlflow.example.org",) * 2
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert not mlflow.is_tracking_uri_set()


def test_mlflow_loads_no_pickle_and_sends_nothing() -> None:
    from mlflow.environment_variables import MLFLOW_ALLOW_PICKLE_DESERIALIZATION, MLFLOW_DISABLE_TELEMETRY

    assert (MLFLOW_ALLOW_PICKLE_DESERIALIZATION.get(), MLFLOW_DISABLE_TELEMETRY.get()) == (False, True)

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.errors import TensorlineError, UserError
from components.tracking.process import process_tags
from components.tracking.provenance import GitState
from components.tracking.run_log import reopen
from components.tracking.runs import Terminated, start_stage_run
from components.tracking.store import Store, local_path

CLEAN = GitState("c0ffee", "main", dirty=False, diff="", untracked=())
DIRTY = GitState(None, None, dirty=True, diff="+password = ***\n", untracked=("a", "größe"), problem="no commit yet")


def start(store: Store, **changes: Any) -> Any:
    arguments = {"params": {}, "git": CLEAN, "dependencies": {}} | changes
    return start_stage_run(store, "taxi", "train", **arguments)


def files(store: Store, run_id: str) -> dict[str, str]:
    root = local_path(store.client.get_run(run_id).info.artifact_uri)
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in found}


def test_a_run_says_where_it_comes_from(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    dependencies = {"data/taxi": "11", "components/train": "22"}
    params = {"train": {"epochs": 3, "early_stopping": None}, "beam": {"password": "hunter2"}}
    with start(store, params=params, dependencies=dependencies, data_digest="33", tags={"tensorline.seed": "7"}) as run:
        assert store.client.get_run(run.ref.run_id).info.status == "RUNNING"
    found = store.client.get_run(run.ref.run_id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "train")
    assert store.client.get_experiment(found.info.experiment_id).name == "taxi"
    assert found.data.params == {"train.epochs": "3", "train.early_stopping": "None", "beam.password": "***"}
    assert found.data.tags == {
        "tensorline.stage": "train",
        "tensorline.pipeline": "taxi",
        "tensorline.commit": "c0ffee",
        "tensorline.dirty": "false",
        "tensorline.dependencies": "df172a5e7489efc1c3fb33582ad25de5115d89fe5f7832444572001720c95116",
        "tensorline.data_digest": "33",
        "tensorline.seed": "7",
        "mlflow.runName": "train",
        "mlflow.source.name": "components.train taxi",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": "c0ffee",
        "mlflow.source.git.branch": "main",
        "mlflow.user": "ann",
        **process_tags(),
    }
    assert files(store, run.ref.run_id) == {
        "provenance/dependencies.json": '{\n "components/train": "22",\n "data/taxi": "11"\n}'
    }


def test_a_dirty_working_tree_is_recorded_with_its_diff(store: Store) -> None:
    with start(store, git=DIRTY) as run:
        pass
    tags = store.client.get_run(run.ref.run_id).data.tags
    assert (tags["tensorline.commit"], tags["tensorline.dirty"]) == ("none: no commit yet", "true")
    assert "mlflow.source.git.commit" not in tags
    assert files(store, run.ref.run_id) == {
        "provenance/dependencies.json": "{}",
        "provenance/working_tree.diff": "+password = ***\n",
        "provenance/untracked.txt": "a\ngröße\n",
    }


def test_an_exception_fails_the_run(store: Store) -> None:
    with pytest.raises(UserError, match=r"^cannot read postgresql://ann:hunter2@db$"), start(store) as run:
        raise UserError("cannot read postgresql://ann:hunter2@db")
    found = store.client.get_run(run.ref.run_id)
    assert found.info.status == "FAILED"
    assert found.data.tags["tensorline.error"] == "UserError: cannot read postgresql://***@db"
    story = files(store, run.ref.run_id)["error.txt"]
    assert story.endswith("components.errors.UserError: cannot read postgresql://***@db\n")
    assert story.startswith("Traceback (most recent call last):\n")
    assert "hunter2" not in story


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """Also where the tests run in the background, as of which Python leaves SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "error", "why"),
    [(signal.SIGINT, KeyboardInterrupt, "Ctrl-C"), (signal.SIGTERM, Terminated, "SIGTERM: asked to stop")],
)
@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_a_signal_kills_the_run(store: Store, number: signal.Signals, error: type[BaseException], why: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(error, match=re.escape(why) if error is Terminated else "^$"), start(store) as run:  # noqa: PT012
        os.kill(os.getpid(), number)
        signal.pause()
    found = store.client.get_run(run.ref.run_id)
    assert (found.info.status, found.data.tags["tensorline.killed"]) == ("KILLED", why)
    assert signal.getsignal(signal.SIGTERM) is before
    assert Terminated().code == 143


@pytest.mark.parametrize(("code", "status"), [(0, "FINISHED"), (None, "FINISHED"), (3, "FAILED")])
def test_leaving_by_sys_exit_goes_by_the_code(store: Store, code: int | None, status: str) -> None:
    with pytest.raises(SystemExit, match=f"^{code}$"), start(store) as run:
        raise SystemExit(code)
    assert store.client.get_run(run.ref.run_id).info.status == status


def test_what_a_run_can_hold(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "rejects.csv").write_text("file,line\n", encoding="utf-8")
    with start(store) as run:
        run.log_history([{"loss": 1.0, "val_auc (%)": 0.5}, {"loss": 0.5, "val_auc (%)": 0.75}])
        run.log_metrics({"auc": 0.9})
        run.log_artifact(folder, "ingest")
        run.log_artifact(folder / "rejects.csv")
        run.log_text("token=abcdef", "notes.txt")
        run.log_dataset("taxi", "a" * 64, "s3://key:secret@bucket/taxi")
    found = store.client.get_run(run.ref.run_id)
    assert found.data.metrics == {"loss": 0.5, "val_auc ___": 0.75, "auc": 0.9}
    history = store.client.get_metric_history(run.ref.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 1.0), (1, 0.5)]
    assert files(store, run.ref.run_id) == {
        "provenance/dependencies.json": "{}",
        "ingest/rejects.csv": "file,line\n",
        "rejects.csv": "file,line\n",
        "notes.txt": "token=***",
    }
    (data,) = found.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest, data.dataset.source) == (
        "taxi",
        "a" * 36,
        '{"uri": "s3://***@bucket/taxi"}',
    )
    assert [(tag.key, tag.value) for tag in data.tags] == [("mlflow.data.context", "train")]


def test_more_than_mlflow_takes_at_once(store: Store) -> None:
    with start(store, params={"column": {f"c{number}": number for number in range(250)}}) as run:
        run.log_history([{f"m{number}": 1.0 for number in range(50)}] * 50)
        run.set_tags({f"t{number}": "x" for number in range(150)})
    data = store.client.get_run(run.ref.run_id).data
    assert (len(data.params), len(data.metrics), len(store.client.get_metric_history(run.ref.run_id, "m7"))) == (250, 50, 50)
    assert data.tags["t149"] == "x"


def test_a_parameter_never_changes(store: Store) -> None:
    with start(store, params={"epochs": 3}) as run:
        message = rf"^MLflow run {run.ref.run_id} \(train\): .*'epochs'.*"
        with pytest.raises(TensorlineError, match=re.compile(message, re.DOTALL)):
            run.log_params({"epochs": 4})


def test_trials_are_nested_runs(store: Store) -> None:
    with start(store) as run:
        first = run.log_trial("trial 00", {"units": 8}, [{"val_auc": 0.5}, {"val_auc": 0.75}], {"score": 0.75})
        second = run.log_trial("trial 01", {"units": 16}, [], {}, status="FAILED")
    found = [store.client.get_run(run_id) for run_id in (first, second)]
    assert [(each.info.run_name, each.info.status, each.data.params, each.data.metrics) for each in found] == [
        ("trial 00", "FINISHED", {"units": "8"}, {"val_auc": 0.75, "score": 0.75}),
        ("trial 01", "FAILED", {"units": "16"}, {}),
    ]
    assert found[0].data.tags == {
        "mlflow.parentRunId": run.ref.run_id,
        "mlflow.runName": "trial 00",
        "tensorline.stage": "train.trial",
        "tensorline.pipeline": "taxi",
        "tensorline.trial.status": "COMPLETED",
        **process_tags(),
    }


def test_reopen_adds_to_a_run_and_leaves_its_end(store: Store, tmp_path: Path) -> None:
    with start(store) as run:
        pass
    before = store.client.get_run(run.ref.run_id).info
    again = reopen(store, run.ref.run_id)
    assert again
    assert again == run
    again.log_metrics({"auc": 0.9})
    again.log_text("report", "report.html")
    after = store.client.get_run(run.ref.run_id)
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.end_time)
    assert after.data.metrics == {"auc": 0.9}


def test_reopen_finds_no_run_of_another_store_or_a_deleted_one(store: Store) -> None:
    assert reopen(store, "0" * 32) is None
    with start(store) as run:
        pass
    store.client.delete_run(run.ref.run_id)
    assert reopen(store, run.ref.run_id) is None


def test_the_process_is_this_one() -> None:
    assert process_tags() == {
        "tensorline.process.pid": str(os.getpid()),
        "tensorline.process.host": socket.gethostname(),
        "tensorline.process.machine": process_tags()["tensorline.process.machine"],
        "tensorline.process.started": process_tags()["tensorline.process.started"],
    }

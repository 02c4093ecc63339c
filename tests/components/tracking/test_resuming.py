"""The run of a killed stage goes on under its id: one point a step, one nested run a trial."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from components.tracking.process import HOST, PID, STARTED, process_tags
from components.tracking.run_file import RunRef, read_run_file, write_run_file
from components.tracking.run_log import RunLog
from components.tracking.runs import Terminated, start_stage_run
from components.tracking.store import Store
from tests.components.tracking.test_runs import CLEAN, DIRTY


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "state" / "run.json"


def start(store: Store, note: Path, **changes: Any) -> Any:
    arguments = {"params": {"train": {"epochs": 4}}, "git": CLEAN, "dependencies": {}} | changes
    return start_stage_run(store, "taxi", "tune", note=note, **arguments)


def log_three_epochs(run: RunLog) -> None:
    for step, loss in enumerate((3.0, 2.0, 1.0)):
        run.log_metrics({"loss": loss, "val_loss": 2 * loss}, step=step)


def kill(store: Store, note: Path) -> RunLog:
    """A run of which SIGTERM left two of three epochs, a whole trial and half of another."""
    with pytest.raises(Terminated), start(store, note) as run:  # noqa: PT012
        run.log_history([{"loss": 3.0, "val_loss": 6.0}, {"loss": 2.0}])
        run.log_trial("trial-0", {"units": 8}, [{"loss": 1.0}], {"score": 0.5})
        begun = run.log_trial("trial-1", {"units": 16}, [{"loss": 1.0}], {}, status="KILLED")
        store.client.set_tag(begun, "tensorline.killed", "found later")
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    return run


def test_it_goes_on(store: Store, note: Path) -> None:
    killed = kill(store, note)
    before = store.client.get_run(killed.ref.run_id)
    assert (before.info.status, before.data.tags["tensorline.killed"]) == ("KILLED", "SIGTERM: asked to stop")
    with start(store, note, git=DIRTY) as run:
        now = store.client.get_run(run.ref.run_id)
        assert (run, run.before.num_attempts) == (killed, 1)
        assert (now.info.status, now.data.tags["tensorline.resumed"]) == ("RUNNING", "1")
        assert "tensorline.killed" not in now.data.tags
        assert now.data.tags["tensorline.dirty"] == "true"  # of this attempt
        log_three_epochs(run)
        run.log_params({"best": {"units": 16}})
        assert [
            run.log_trial(f"trial-{number}", {"units": 8 + 8 * number}, [{"loss": 1.0}, {"loss": 0.5}], {"score": 0.7})
            for number in range(2)
        ] == [run.before.trials["trial-0"], run.before.trials["trial-1"]]
        run.log_trial("trial-2", {"units": 24}, [], {"score": 0.8})
    after = store.client.get_run(run.ref.run_id)
    assert (after.info.status, after.info.start_time) == ("FINISHED", before.info.start_time)
    assert after.data.params == {"train.epochs": "4", "best.units": "16"}
    for name, factor in (("loss", 1), ("val_loss", 2)):
        curve = store.client.get_metric_history(run.ref.run_id, name)
        points = sorted((metric.step, metric.value) for metric in curve)
        assert points == [(0, 3.0 * factor), (1, 2.0 * factor), (2, 1.0 * factor)]
    runs = store.client.search_runs([run.ref.experiment_id])
    trials = {
        each.info.run_name: (each.info.status, each.data.params, each.data.metrics, "tensorline.killed" in each.data.tags)
        for each in runs
        if each.info.run_id != run.ref.run_id
    }
    assert len(runs) == 4
    assert trials == {
        "trial-0": ("FINISHED", {"units": "8"}, {"loss": 1.0, "score": 0.5}, False),
        "trial-1": ("FINISHED", {"units": "16"}, {"loss": 0.5, "score": 0.7}, False),
        "trial-2": ("FINISHED", {"units": "24"}, {"score": 0.8}, False),
    }


def test_again_and_again(store: Store, note: Path) -> None:
    ids = set()
    for attempts in range(3):
        with pytest.raises(KeyboardInterrupt), start(store, note) as run:  # noqa: PT012
            assert run.before.num_attempts == attempts
            ids.add(run.ref.run_id)
            run.log_metrics({"loss": 1.0 / (attempts + 1)}, step=attempts)
            raise KeyboardInterrupt
    with start(store, note) as run:
        ids.add(run.ref.run_id)
    assert ids == {run.ref.run_id}
    assert store.client.get_run(run.ref.run_id).data.tags["tensorline.resumed"] == "3"
    assert len(store.client.get_metric_history(run.ref.run_id, "loss")) == 3


@pytest.mark.parametrize("how", ["finished", "failed", "deleted", "elsewhere", "running", "damaged"])
def test_a_run_that_was_not_killed_here_does_not(store: Store, note: Path, how: str) -> None:
    if how == "finished":
        with start(store, note) as first:
            pass
    elif how == "failed":
        with pytest.raises(ValueError, match=r"^no$"), start(store, note) as first:
            raise ValueError("no")
    else:
        first = kill(store, note)
    run_id = first.ref.run_id
    assert read_run_file(note).run_id == run_id
    if how == "deleted":
        store.client.delete_run(run_id)
    elif how == "elsewhere":
        write_run_file(note, RunRef("0" * 32, "1", "tune", "taxi"))
    elif how == "running":  # by a process of this host that lives
        for name, value in process_tags().items():
            store.client.set_tag(run_id, name, value)
        store.client.update_run(run_id, status="RUNNING")
    elif how == "damaged":
        note.write_text("{")
    status = store.client.get_run(run_id).info.status
    with start(store, note) as run:
        assert run.ref.run_id != run_id
        assert run.before.num_attempts == 0
    assert read_run_file(note) == run.ref
    assert store.client.get_run(run_id).info.status == status


def test_a_run_of_a_container_that_is_no_more_goes_on(store: Store, note: Path) -> None:
    killed = kill(store, note)
    for name, value in {HOST: "pod-1", PID: "1", STARTED: "1.0"}.items():
        store.client.set_tag(killed.ref.run_id, name, value)
    store.client.update_run(killed.ref.run_id, status="RUNNING")
    with start(store, note) as run:
        assert run == killed
    assert store.client.get_run(run.ref.run_id).data.tags[HOST] == process_tags()[HOST]


def test_a_signal_never_strikes_in_the_middle_of_a_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would leave SQLite's lock behind, and the run RUNNING."""
    told: list[str] = []
    log_batch = store.client.log_batch
    with pytest.raises(Terminated), start_stage_run(store, "taxi", "train", params={}, git=CLEAN, dependencies={}) as run:  # noqa: PT012

        def interrupted(*arguments: Any, **keywords: Any) -> None:
            if not told:
                told.append("signalled")
                os.kill(os.getpid(), signal.SIGTERM)
            log_batch(*arguments, **keywords)
            told.append("written")

        monkeypatch.setattr(store.client, "log_batch", interrupted)
        run.log_metrics({"loss": 1.0})
        told.append("went on")
    found = store.client.get_run(run.ref.run_id)
    assert (found.info.status, found.data.metrics) == ("KILLED", {"loss": 1.0})
    assert told == ["signalled", "written", "written"]  # the metric, and why the run was killed

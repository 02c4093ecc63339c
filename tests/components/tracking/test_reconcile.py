from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.tracking.process import HOST, MACHINE, PID, STARTED, process_tags
from components.tracking.provenance import GitState
from components.tracking.reconcile import reconcile
from components.tracking.runs import start_stage_run
from components.tracking.store import Store

ROOT = Path(__file__).parents[3]
CLEAN = GitState("c0ffee", "main", dirty=False, diff="", untracked=())

HANG = """
import sys, time
from components.tracking.provenance import GitState
from components.tracking.runs import start_stage_run
from components.tracking.store import Store

git = GitState(None, None, dirty=False, diff="", untracked=(), problem="none")
with start_stage_run(Store(sys.argv[1]), "taxi", "train", params={}, git=git, dependencies={}) as run:
    run.log_metrics({"loss": 1.0})
    print(run.ref.run_id, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("reaped", [True, False])
def test_the_next_start_closes_a_run_whose_process_was_killed(store: Store, reaped: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", HANG, store.uri], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    run_id = process.stdout.readline().strip()
    try:
        assert reconcile(store) == []
        assert store.client.get_run(run_id).info.status == "RUNNING"
    finally:
        process.send_signal(signal.SIGKILL)
        if reaped:
            process.wait()
        else:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    with start_stage_run(store, "penguins", "ingest", params={}, git=CLEAN, dependencies={}):
        pass
    run = store.client.get_run(run_id)
    (loss,) = store.client.get_metric_history(run_id, "loss")
    assert (run.info.status, run.info.end_time) == ("KILLED", loss.timestamp)
    why = run.data.tags["tensorline.killed"]
    assert why.startswith("found at 2")
    host = process_tags()[HOST]
    assert why.endswith(f": process {process.pid} on {host} is gone; the end is the run's last sign of life")
    process.wait()
    process.stdout.close()


def test_what_is_left_alone(store: Store) -> None:
    mine = process_tags()
    experiment_id = store.experiment_id("taxi")

    def make(tags: dict[str, str]) -> str:
        run_id: str = store.client.create_run(experiment_id, tags=tags).info.run_id
        return run_id

    gone = make({**mine, PID: "4194305"})  # above the greatest process id that Linux gives
    reused = make({**mine, STARTED: "1.00"})
    twin = make({**mine, MACHINE: "0123456789abcdef", PID: "4194305"})  # another machine of the same name
    alive, elsewhere, by_hand = make(mine), make({**mine, HOST: "elsewhere", PID: "4194305"}), make({})
    assert sorted(reconcile(store)) == sorted([gone, reused])
    statuses = {run_id: store.client.get_run(run_id).info.status for run_id in (gone, reused, alive, elsewhere, by_hand, twin)}
    assert statuses == {gone: "KILLED", reused: "KILLED"} | dict.fromkeys((alive, elsewhere, by_hand, twin), "RUNNING")
    assert reconcile(store) == []

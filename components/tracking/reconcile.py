"""Closes runs that were left RUNNING by a process that is gone: killed -9, out of memory, power cut."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from components.tracking.process import HOST, PID, is_gone
from components.tracking.run_log import KILLED
from components.tracking.store import Store, pages

if TYPE_CHECKING:
    from mlflow.entities import Run


def reconcile(store: Store) -> list[str]:
    """Sets such runs of this host KILLED, in all experiments; returns their ids.

    The run ends when it last gave a sign of life, which is the latest metric or the start: nobody knows when it was
    killed. Runs of other hosts, or made by hand, are left alone.
    """
    closed = []
    for run in left_running(store):
        tags = run.data.tags
        last_sign_ms = max([run.info.start_time, *(metric.timestamp for metric in run.data._metric_objs)])  # noqa: SLF001
        now = datetime.fromtimestamp(time.time(), tz=timezone.utc).isoformat(timespec="seconds")
        message = f"found at {now}: process {tags[PID]} on {tags[HOST]} is gone; the end is the run's last sign of life"
        store.client.set_tag(run.info.run_id, KILLED, message)
        store.client.set_terminated(run.info.run_id, "KILLED", last_sign_ms)
        closed.append(run.info.run_id)
    return closed


def left_running(store: Store) -> list[Run]:
    """The runs of all experiments that are RUNNING although their process, of this host, is gone."""
    experiments = [experiment.experiment_id for experiment in pages(store.client.search_experiments)]
    running = pages(store.client.search_runs, experiments, "attributes.status = 'RUNNING'")
    return [run for run in running if is_gone(run.data.tags)]

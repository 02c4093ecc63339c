"""Records one stage execution as one MLflow run."""

from __future__ import annotations

import hashlib
import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.tracking.flatten import tag_values
from components.tracking.process import process_tags, user_name
from components.tracking.provenance import GitState
from components.tracking.reconcile import reconcile
from components.tracking.redaction import redact
from components.tracking.run_file import RunRef, read_run_file, write_run_file
from components.tracking.run_log import KILLED, PIPELINE, STAGE, RunLog, go_on
from components.tracking.sigterm import Terminated, signals_wait, sigterm_raises
from components.tracking.store import Store

COMMIT = "tensorline.commit"
_logger = logging.getLogger(__name__)


@contextmanager
def start_stage_run(
    store: Store,
    pipeline: str,
    stage: str,
    *,
    params: Mapping[str, Any],
    git: GitState,
    dependencies: Mapping[str, str],
    data_digest: str | None = None,
    tags: Mapping[str, str] | None = None,
    note: Path | None = None,
) -> Iterator[RunLog]:
    """Opens a run of the experiment `pipeline`, named after the stage, and closes it as the block ends.

    FINISHED; FAILED after an exception, whose message becomes a tag and whose traceback an artifact; KILLED after Ctrl-C or
    SIGTERM. Runs whose process is gone are closed first.

    Args:
        store: The MLflow store.
        pipeline: Its name is the experiment's.
        stage: Its name is the run's.
        params: Nested; the sections that the stage reads.
        git: State of the working tree.
        dependencies: Path → digest of what the stage depends on (`provenance.digest_paths`).
        data_digest: Of the examples or the raw data.
        tags: Further tags.
        note: File for the id of the run, beside the state that survives a kill. If it names a run of this store that was
            killed, that one goes on: RUNNING again, with the tag `tensorline.resumed` for how often.
    """
    reconcile(store)
    experiment_id = store.experiment_id(pipeline)
    identity = {**_tags(pipeline, stage, git, dependencies, data_digest), **(tags or {})}
    log = _noted(store, note, identity) if note else None
    if log is None:
        run = store.client.create_run(experiment_id, tags=tag_values(identity), run_name=stage)
        log = RunLog(store, RunRef(run.info.run_id, experiment_id, stage, pipeline))
        if note:
            write_run_file(note, log.ref)
    with sigterm_raises():
        try:
            log.log_params(params)
            log.log_text(json.dumps(dict(dependencies), indent=1, sort_keys=True), "provenance/dependencies.json")
            if git.diff:
                log.log_text(git.diff, "provenance/working_tree.diff")
            if git.untracked:
                log.log_text("\n".join(git.untracked) + "\n", "provenance/untracked.txt")
            yield log
        except BaseException as error:
            _close_after(error, log)
            raise
        with signals_wait():
            store.client.set_terminated(log.ref.run_id, "FINISHED")


def _noted(store: Store, note: Path, identity: Mapping[str, str]) -> RunLog | None:
    """The run that `note` names, if it goes on."""
    try:
        ref = read_run_file(note)
    except UserError as error:  # there is none yet, or the power went while it was written
        _logger.info("a new run: %s", error)
        return None
    return go_on(store, ref.run_id, identity)


def _tags(
    pipeline: str, stage: str, git: GitState, dependencies: Mapping[str, str], data_digest: str | None
) -> dict[str, str]:
    digest = hashlib.sha256(json.dumps(dict(dependencies), sort_keys=True).encode()).hexdigest()
    tags = {
        STAGE: stage,
        PIPELINE: pipeline,
        COMMIT: git.commit or f"none: {git.problem}",
        "tensorline.dirty": str(git.dirty).lower(),
        "tensorline.dependencies": digest,
        "mlflow.source.name": f"components.{stage} {pipeline}",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": user_name(),
        **process_tags(),
    }
    if data_digest:
        tags["tensorline.data_digest"] = data_digest
    if git.commit:
        tags["mlflow.source.git.commit"] = git.commit
    if git.branch:
        tags["mlflow.source.git.branch"] = git.branch
    return tags


@signals_wait()
def _close_after(error: BaseException, log: RunLog) -> None:
    """Closes the run truthfully; whatever goes wrong here must not hide `error`."""
    from mlflow.exceptions import MlflowException

    leaving = isinstance(error, SystemExit) and not isinstance(error, Terminated) and not error.code
    if leaving:
        status, tags = "FINISHED", {}
    elif isinstance(error, (KeyboardInterrupt, Terminated, GeneratorExit)):
        status, tags = "KILLED", {KILLED: str(error) or "Ctrl-C"}
    else:
        status, tags = "FAILED", {"tensorline.error": f"{type(error).__name__}: {error}"}
    try:
        if tags:
            log.set_tags(tags)
        if status == "FAILED":
            log.log_text("".join(traceback.format_exception(error)), "error.txt")
        log.store.client.set_terminated(log.ref.run_id, status)
    except (MlflowException, OSError) as closing:
        _logger.error("MLflow run %s could not be closed as %s: %s", log.ref.run_id, status, redact(str(closing)))

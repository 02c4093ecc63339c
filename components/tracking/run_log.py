"""What can be written to an MLflow run, while it runs and after."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import TensorlineError
from components.plot_style import write_png
from components.tracking.flatten import flatten, key_for, tag_values
from components.tracking.process import on_this_host, process_tags
from components.tracking.redaction import redact
from components.tracking.run_file import RunRef
from components.tracking.sigterm import signals_wait
from components.tracking.store import Store, pages

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.entities import Metric

_MAX_BATCH_METRICS = 1000
_MAX_BATCH_PARAMS = 100
_MAX_DIGEST_CHARS = 36
_TRIAL_STATUS = {"COMPLETED": "FINISHED", "FAILED": "FAILED", "INVALID": "FAILED"}

STAGE = "tensorline.stage"
PIPELINE = "tensorline.pipeline"
KILLED = "tensorline.killed"
RESUMED = "tensorline.resumed"


@dataclass(frozen=True)
class Before:
    """What killed attempts have logged to a run that goes on.

    Attributes:
        num_attempts: How many there were.
        params: Names.
        points: (metric, step).
        trials: Name of a nested run → its id.
    """

    num_attempts: int = 0
    params: frozenset[str] = frozenset()
    points: frozenset[tuple[str, int]] = frozenset()
    trials: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunLog:
    """One run; its status and its times are left as they are. Signals wait until a method has written what it writes.

    Attributes:
        store: Where the run is.
        ref: Which run, stage and pipeline.
        before: What it has already, and does not get again: a curve keeps one point a step.
    """

    store: Store
    ref: RunRef
    before: Before = field(default=Before(), compare=False)

    @signals_wait()
    def log_params(self, params: Mapping[str, Any]) -> None:
        """Logs nested parameters under dotted names. Raises: TensorlineError if one was logged with another value."""
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException

        batch = [Param(key, value) for key, value in flatten(params).items() if key not in self.before.params]
        try:
            for start in range(0, len(batch), _MAX_BATCH_PARAMS):
                self.store.client.log_batch(self.ref.run_id, params=batch[start : start + _MAX_BATCH_PARAMS])
        except MlflowException as error:
            raise TensorlineError(f"MLflow run {self.ref.run_id} ({self.ref.stage}): {redact(str(error))}") from None

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Logs single values."""
        self._log_metrics(_metrics(metrics, step))

    def log_history(self, epochs: Sequence[Mapping[str, float]]) -> None:
        """Logs the metrics of each epoch; the first is step 0."""
        self._log_metrics([metric for step, metrics in enumerate(epochs) for metric in _metrics(metrics, step)])

    @signals_wait()
    def _log_metrics(self, metrics: Sequence[Metric]) -> None:
        metrics = [metric for metric in metrics if (metric.key, metric.step) not in self.before.points]
        for start in range(0, len(metrics), _MAX_BATCH_METRICS):
            self.store.client.log_batch(self.ref.run_id, metrics=metrics[start : start + _MAX_BATCH_METRICS])

    @signals_wait()
    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags, credentials blanked."""
        from mlflow.entities import RunTag

        batch = [RunTag(key, value) for key, value in tag_values(tags).items()]
        for start in range(0, len(batch), _MAX_BATCH_PARAMS):
            self.store.client.log_batch(self.ref.run_id, tags=batch[start : start + _MAX_BATCH_PARAMS])

    @signals_wait()
    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Copies a file, or what a folder holds, into `folder` of the run's artifacts ('' is their root)."""
        log = self.store.client.log_artifacts if path.is_dir() else self.store.client.log_artifact
        log(self.ref.run_id, str(path), folder or None)

    @signals_wait()
    def log_text(self, text: str, file: str) -> None:
        """Writes text, credentials blanked, to the artifact `file`."""
        self.store.client.log_text(self.ref.run_id, redact(text), file)

    def log_figures(self, figures: Mapping[str, Figure]) -> None:
        """Writes pictures, each to the artifact that is its key (PNG), all in one go."""
        if not figures:
            return
        with tempfile.TemporaryDirectory(prefix="tensorline-") as scratch:
            for file, figure in figures.items():
                path = Path(scratch, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_png(figure, path)
            self.log_artifact(Path(scratch))

    @signals_wait()
    def log_dataset(self, name: str, digest: str, source: str, context: str = "") -> None:
        """Records data that the stage read.

        Args:
            name: As people call it.
            digest: Of its content; MLflow keeps 36 characters.
            source: File, folder or glob.
            context: What it was used for, such as `training`; default: the stage.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name, digest[:_MAX_DIGEST_CHARS], "local", json.dumps({"uri": redact(source)}, ensure_ascii=False))
        tag = InputTag("mlflow.data.context", context or self.ref.stage)
        self.store.client.log_inputs(self.ref.run_id, [DatasetInput(dataset, [tag])])

    @signals_wait()
    def log_trial(
        self,
        name: str,
        params: Mapping[str, Any],
        epochs: Sequence[Mapping[str, float]],
        metrics: Mapping[str, float],
        status: str = "COMPLETED",
        reason: str | None = None,
    ) -> str:
        """Logs one trial of a search as a nested run; returns its id.

        Args:
            name: As `trial 03`.
            params: Its hyperparameters.
            epochs: Metrics of each epoch.
            metrics: Its results, such as the score.
            status: KerasTuner's: COMPLETED, FAILED, INVALID; all others never ended and are KILLED.
            reason: Why it failed, or was cut short; a tag.
        """
        if name in self.before.trials and self._has_ended(self.before.trials[name]):
            return self.before.trials[name]
        tags = {
            "mlflow.parentRunId": self.ref.run_id,
            STAGE: f"{self.ref.stage}.trial",
            PIPELINE: self.ref.pipeline,
            "tensorline.trial.status": status,
            **({"tensorline.trial.reason": reason} if reason else {}),
            **process_tags(),
        }
        trial = self._trial(name, tags)
        trial.log_params(params)
        trial.log_history(epochs)
        trial.log_metrics(metrics, step=max(len(epochs) - 1, 0))
        self.store.client.set_terminated(trial.ref.run_id, _TRIAL_STATUS.get(status, "KILLED"))
        return trial.ref.run_id

    def _has_ended(self, run_id: str) -> bool:
        return self.store.client.get_run(run_id).info.status in {"FINISHED", "FAILED"}

    def _trial(self, name: str, tags: Mapping[str, str]) -> RunLog:
        """The nested run that a killed attempt began for this trial, or a new one."""
        begun = go_on(self.store, self.before.trials[name], tags) if name in self.before.trials else None
        if begun is not None:
            return begun
        run = self.store.client.create_run(self.ref.experiment_id, tags=tag_values(tags), run_name=name)
        return RunLog(self.store, RunRef(run.info.run_id, self.ref.experiment_id, tags[STAGE], self.ref.pipeline))


@signals_wait()
def go_on(store: Store, run_id: str, tags: Mapping[str, str]) -> RunLog | None:
    """A run as `reopen`, RUNNING again, with what it has; None also if it ended by itself, or its process still lives.

    Args:
        store: The MLflow store.
        run_id: Of a run that was killed.
        tags: Those of this attempt: they replace the ones of the attempt before.
    """
    log = reopen(store, run_id)
    if log is None:
        return None
    run = store.client.get_run(run_id)
    # `reconcile` has closed those of this host whose process is gone. Of another host's nobody knows (a container has a new
    # name each time that it starts), but whoever asks holds the state which that process worked on.
    if run.info.status not in {"KILLED", "RUNNING"} or (run.info.status == "RUNNING" and on_this_host(run.data.tags)):
        return None
    # First whose it is, then that it runs: else another process would find it running without one, and close it.
    log.set_tags(tags)
    if KILLED in run.data.tags:
        store.client.delete_tag(run_id, KILLED)
    store.client.update_run(run_id, status="RUNNING")
    histories = (store.client.get_metric_history(run_id, name) for name in run.data.metrics)
    nested = pages(store.client.search_runs, [log.ref.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    before = Before(
        num_attempts=int(run.data.tags.get(RESUMED, "0")) + 1,
        params=frozenset(run.data.params),
        points=frozenset((metric.key, metric.step) for history in histories for metric in history),
        trials={child.info.run_name: child.info.run_id for child in nested},
    )
    log.set_tags({RESUMED: str(before.num_attempts)})
    return replace(log, before=before)


def reopen(store: Store, run_id: str) -> RunLog | None:
    """A run that has ended, to add to it; None if this store does not have it.

    Artifacts that came from a shared DVC cache may name a run in someone else's store.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    try:
        run = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return None
    if run.info.lifecycle_stage != "active":
        return None
    tags = run.data.tags
    return RunLog(store, RunRef(run_id, run.info.experiment_id, tags.get(STAGE, ""), tags.get(PIPELINE, "")))


def _metrics(metrics: Mapping[str, float], step: int) -> list[Metric]:
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    return [Metric(key_for(name), float(value), now_ms, step) for name, value in metrics.items()]

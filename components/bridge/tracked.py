"""Wraps a stage in its MLflow run: what the bridge tells the tracking store, and what it asks of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.bridge.dvc_file import stage_dependencies
from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.tracking.profiles import champion_profile
from components.tracking.provenance import digest_paths, git_state
from components.tracking.registry import champion
from components.tracking.run_file import read_run_file, write_run_file
from components.tracking.run_log import RunLog, reopen
from components.tracking.runs import start_stage_run
from components.tracking.store import Store, open_store

RUN_FILE = "run.json"


@dataclass(frozen=True)
class Tracked:
    """One stage execution and its run.

    Attributes:
        state_folder: As `state_folder` gives it; what ingest, validate and transform keep there, does not depend on which data
            there are.
    """

    job: Job
    stage: str
    store: Store
    run: RunLog
    state_folder: Path

    def on_progress(self, metrics: Mapping[str, float], step: int, num_steps: int) -> None:
        """Logs what was published, so that the curve grows while the model learns."""
        self.run.log_metrics(metrics, step=step - 1)

    def champion_folder(self, download_to: Path) -> Path | None:
        """The champion's model folder; None if there is no champion."""
        found = champion(self.store, self.job.params.register_.model_name, download_to)
        return found.folder if found else None

    def champion_profile(self, download_to: Path) -> tuple[Path | None, dict[str, str]]:
        """The profile of the champion's training data, None if there is none; and what to tell of it."""
        model_name = self.job.params.register_.model_name
        found = champion_profile(self.store, model_name, download_to)
        return found.folder, {"baseline_version": found.version or "", "baseline_reason": found.reason}

    def exec_properties(self) -> dict[str, str]:
        """What only this run knows, for the components that take it."""
        return {"tracking_uri": self.store.uri, "train_run_id": self._train_run_id()}

    def log(self, outcome: Outcome) -> None:
        """Writes a stage's outcome to its run, and what concerns the model to the run that trained it."""
        run = self.run
        run.log_params(outcome.params)
        run.log_metrics(outcome.metrics)
        run.set_tags(outcome.tags)
        for path, folder in outcome.files.items():
            run.log_artifact(path, folder)
        run.log_figures(outcome.figures)
        if outcome.dataset is not None:
            run.log_dataset(*outcome.dataset)
        for trial in outcome.trials:
            score = {} if trial.score is None else {"score": trial.score}
            run.log_trial(trial.name, trial.params, trial.epochs, score, trial.status, trial.reason)
        if outcome.model_metrics or outcome.model_files:
            model_run = reopen(self.store, self._train_run_id()) if self._train_run_id() else None
            if model_run is not None:
                model_run.log_metrics(outcome.model_metrics)
                for path, folder in outcome.model_files.items():
                    model_run.log_artifact(path, folder)

    def write_run_file(self, path: Path) -> None:
        """Notes the run's id beside the artifacts."""
        write_run_file(path, self.run.ref)

    def _train_run_id(self) -> str:
        file = self.job.artifact("runs") / "train.json"
        # None before the first training, or beside artifacts that were made elsewhere; a damaged one is an error.
        return read_run_file(file).run_id if file.exists() else ""


@contextmanager
def track(job: Job, stage: str, *, resumable: bool = False) -> Iterator[Tracked]:
    """Opens the run of one stage execution, with its parameters and where it comes from.

    Args:
        job: The pipeline.
        stage: Its name.
        resumable: The run of a killed attempt with the same inputs goes on.
    """
    store = open_store(job.root)
    data = job.ingest_report()
    params, dependencies = _inputs(job, stage)
    folder = _state_folder(job, stage, params, dependencies)
    with start_stage_run(
        store,
        job.name,
        stage,
        params=params,
        git=git_state(job.root),
        dependencies=dependencies,
        data_digest=data["data_digest"] if data else None,
        note=folder / RUN_FILE if resumable else None,
    ) as run:
        yield Tracked(job, stage, store, run, folder)


def state_folder(job: Job, stage: str) -> Path:
    """Where the stage may keep what is to survive a kill; another folder for any other inputs, code or parameters."""
    return _state_folder(job, stage, *_inputs(job, stage))


def _state_folder(job: Job, stage: str, params: Mapping[str, Any], dependencies: Mapping[str, str]) -> Path:
    if stage == "ingest":  # which keeps spans, each by its own content, however many of them there are
        data = {key: value for key, value in params["data"].items() if key != "last_spans"}
        params = {**params, "data": data}
        raw_data = Path(job.shared.pipelines[job.name].data)
        dependencies = {path: digest for path, digest in dependencies.items() if Path(path) != raw_data}
    elif stage == "validate":  # which keeps sums of records, by these and by all that shapes the sums, but for its code
        params = {}
        dependencies = {path: digest for path, digest in dependencies.items() if Path(path).parts[0] == "components"}
    elif stage == "transform":  # likewise of the examples; what is made of the graph is not kept, nor of the anomalies
        artifacts = f"artifacts/{job.name}"
        other = (f"{artifacts}/examples", f"{artifacts}/anomalies")
        dependencies = {path: digest for path, digest in dependencies.items() if path not in other}
    inputs = json.dumps({"params": params, "dependencies": dependencies}, sort_keys=True)
    return state_root(job, stage) / hashlib.sha256(inputs.encode()).hexdigest()[:16]


def _inputs(job: Job, stage: str) -> tuple[dict[str, Any], dict[str, str]]:
    """(parameters, digests of the dependencies) of the stage."""
    needs = stage_dependencies(job.root, stage, job.name, job.shared.pipelines[job.name].model_dump())
    return _sections(job, needs.params), digest_paths(needs.paths, job.root)


def state_root(job: Job, stage: str) -> Path:
    """The states that a stage of a pipeline keeps, one for each of its inputs, where DVC deletes nothing."""
    return job.artifact(".state") / stage


def _sections(job: Job, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The parameters that the stage reads, defaults filled in."""
    own = {
        **job.params.model_dump(mode="json", by_alias=True, exclude={"transform", "model"}),
        "transform": job.params.transform.model_dump(mode="json"),
        "model": job.params.model.model_dump(mode="json"),
    }
    shared = job.shared.model_dump(mode="json")
    values: dict[str, Any] = {}
    for file, keys in wanted.items():
        source = own if file == job.params_file else shared
        for key in keys:
            value: Any = source
            for part in key.split("."):
                value = value[part]
            values[key] = value
    return values

"""Computes drift or skew at any time, without touching artifacts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.drift.build import plan_like, profile_split
from components.drift.profile import Profile, read_profile
from components.drift.report import Against, Comparison, judge, load_baseline
from components.drift.settings import settings_of
from components.errors import UserError
from components.tracking.profiles import champion_profile
from components.tracking.registry import champion
from components.tracking.store import open_store

if TYPE_CHECKING:
    from components.bridge.job import Job


def compare_anew(job: Job, against: Against, scratch: Path) -> Comparison:
    """Compares what there is now.

    Args:
        job: The pipeline.
        against: `champion`: the training data of the last validate against those of the champion that there is now. `eval`:
            the eval split against the training split. `serving`: the log of requests against the champion's training data.
        scratch: Where files of a registry that is not on this machine's disk go.

    Raises: UserError if there are no training data yet, or no requests; TensorlineError if files are damaged.
    """
    drift = settings_of(job.params).drift
    how: dict[str, Any] = {"limits": drift.limits.model_dump(), "significance": drift.significance, "ignore": drift.ignore}
    if against == "eval":
        return _against_eval(job, how)
    store, model_name = open_store(job.root), job.params.register_.model_name
    stored = champion_profile(store, model_name, scratch / "profile")
    baseline, reason = None, stored.reason
    if stored.folder is not None:
        baseline, reason = load_baseline(stored.folder)
    if against == "champion":
        current = _profile_of_training(job)
        return judge("champion", baseline, current, version=stored.version, reason=reason, **how)
    found = champion(store, model_name, scratch / "model") if baseline is not None else None
    if baseline is None or found is None:
        return judge("serving", None, None, version=stored.version, reason=reason, **how)

    from components.drift.serving import LOG_FOLDER, comparable, profile_log

    inputs = json.loads((found.folder / "model.json").read_text(encoding="utf-8"))["inputs"]
    shown = f"artifacts/{job.name}/{LOG_FOLDER}"
    requests = profile_log(job.artifact(LOG_FOLDER), shown, baseline, job.params.data, inputs)
    return judge("serving", baseline, requests, version=stored.version, only=comparable(inputs, baseline), **how)


def _against_eval(job: Job, how: dict[str, Any]) -> Comparison:
    training, examples = _profile_of_training(job), job.artifact("examples")
    if not (examples / "Split-eval").is_dir():
        return judge("eval", None, None, reason="there is no eval split", **how)
    return judge("eval", training, profile_split(examples, "eval", plan_like(training)), **how)


def _profile_of_training(job: Job) -> Profile:
    if not job.artifact("profile").is_dir():
        raise UserError(
            f"artifacts/{job.name}/profile: no such folder. Expected the profile of the training data: dvc repro "
            f"validate@{job.name}"
        )
    return read_profile(job.artifact("profile"))

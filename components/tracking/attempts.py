"""What MLflow knows of earlier attempts to retrain a pipeline, and of its champion, as `tensorline retrain` asks it.

An attempt is a run of the stage name `retrain`, whose tags say what came of it. It survives where a machine in CI does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from components.tracking.moves import champion_version
from components.tracking.run_log import STAGE
from components.tracking.store import Store, pages

if TYPE_CHECKING:
    from mlflow.entities import Run

RETRAIN = "retrain"
AttemptOutcome = Literal["promoted", "refused", "unchanged", "stopped", "failed"]
"""`refused`: the gate said no; `unchanged`: there was nothing to build, or the model is the champion already; `stopped`: a
stage refused the data; `failed`: anything else went wrong, and the data may be tried again."""
_PREFIX = "tensorline.retrain."
_METRICS = "tensorline.metrics"
_DATA_DIGEST = "tensorline.data_digest"
_MANY = 1000


@dataclass(frozen=True)
class Attempt:
    """One attempt to retrain.

    Attributes:
        at: UTC, ISO 8601: when it began.
        outcome: See `AttemptOutcome`; None while it runs, or if it was killed.
        why: Why it was refused or stopped, or what changed, in words.
        data: Digest of the folder of the raw data.
        spans: That were there; none where data have no spans.
        version: Of the model that it registered.
        run_id: The MLflow run.
    """

    at: str
    outcome: AttemptOutcome | None
    why: str
    data: str
    spans: tuple[str, ...]
    version: str | None
    run_id: str

    def tags(self) -> dict[str, str]:
        """As the run keeps them."""
        return {
            f"{_PREFIX}outcome": self.outcome or "",
            f"{_PREFIX}why": self.why,
            f"{_PREFIX}data": self.data,
            f"{_PREFIX}spans": json.dumps(self.spans, ensure_ascii=False),
            f"{_PREFIX}version": self.version or "",
        }


@dataclass(frozen=True)
class ChampionFacts:
    """What is known of the champion without its files.

    Attributes:
        version: Its number.
        registered_at: UTC, ISO 8601.
        data_digest: Of the raw data that it was trained on, as in ingest.json; None where its run is not known.
        metrics: Overall, on the test split when it was registered, as in the report's metrics.json.
    """

    version: str
    registered_at: str
    data_digest: str | None
    metrics: dict[str, float]


def last_attempts(store: Store, pipeline: str) -> list[Attempt]:
    """The attempts that the store knows, the newest first; one that was killed or still runs has no outcome."""
    return [_attempt(run) for run in _runs(store, pipeline, RETRAIN)]


def last_training(store: Store, pipeline: str) -> str | None:
    """When the last run of the stage train began, by whomever: UTC, ISO 8601; None if there was none."""
    latest = next(_runs(store, pipeline, "train"), None)
    return None if latest is None else _iso(latest.info.start_time)


def champion_facts(store: Store, model_name: str) -> ChampionFacts | None:
    """What is known of the champion; None if there is none."""
    from mlflow.exceptions import MlflowException

    version = champion_version(store, model_name)
    if version is None:
        return None
    try:
        digest = store.client.get_run(version.run_id).data.tags.get(_DATA_DIGEST) if version.run_id else None
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        digest = None  # artifacts of someone else's cache may name a run that this store does not have
    metrics = json.loads(version.tags.get(_METRICS, "{}"))
    return ChampionFacts(str(version.version), _iso(version.creation_timestamp), digest, metrics)


def _runs(store: Store, pipeline: str, stage: str) -> Iterator[Run]:
    """Runs of a stage, the newest first; none before the first of the pipeline."""
    from mlflow.entities import ViewType

    experiment = store.client.get_experiment_by_name(pipeline)
    if experiment is None:
        return iter(())
    found = f"tags.`{STAGE}` = '{stage}'"
    wanted: tuple[Any, ...] = ([experiment.experiment_id], found, ViewType.ACTIVE_ONLY, _MANY, ["attributes.start_time DESC"])
    return pages(store.client.search_runs, *wanted)


def _attempt(run: Run) -> Attempt:
    tags = run.data.tags
    outcome: Any = tags.get(f"{_PREFIX}outcome") or None
    return Attempt(
        _iso(run.info.start_time),
        outcome,
        tags.get(f"{_PREFIX}why", ""),
        tags.get(f"{_PREFIX}data", ""),
        tuple(json.loads(tags.get(f"{_PREFIX}spans", "[]"))),
        tags.get(f"{_PREFIX}version") or None,
        run.info.run_id,
    )


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, tz=timezone.utc).isoformat(timespec="seconds")

"""What the MLflow store knows, in plain terms, for those who hold it against what is on the disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.tracking.moves import CHAMPION, versions_of
from components.tracking.process import HOST, PID
from components.tracking.reconcile import left_running
from components.tracking.registry import DIGEST, FILES_DIGEST
from components.tracking.run_log import PIPELINE, STAGE
from components.tracking.store import Store, local_path, pages

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class StoredRun:
    """A run of a stage, or of a trial.

    Attributes:
        run_id: Its id.
        pipeline, stage: As its tags say; '' for a run that Tensorline did not make.
        status: As MLflow's: RUNNING, FINISHED, FAILED, KILLED.
        is_deleted: In MLflow's trash, by itself or with its experiment.
        process: Which one made it, in words.
        artifacts: Where its artifacts are, as MLflow's address.
    """

    run_id: str
    pipeline: str
    stage: str
    status: str
    is_deleted: bool
    process: str
    artifacts: str


@dataclass(frozen=True)
class StoredVersion:
    """A version of a registered model that the register stage made.

    Attributes:
        model_name, number: Which.
        run_id: The run that it names.
        digest: Of the model, as in its model.json.
        files_digest: Of its list of files; None for one that was registered before there was such a list.
    """

    model_name: str
    number: str
    run_id: str
    digest: str
    files_digest: str | None


@dataclass(frozen=True)
class StoredModel:
    """A registered model with a version that the register stage made.

    Attributes:
        name: Its name.
        champion: The version under the alias; None if there is none.
        versions: Those of Tensorline.
        numbers: Those of all versions.
    """

    name: str
    champion: str | None
    versions: tuple[StoredVersion, ...]
    numbers: tuple[str, ...]


def database_problem(store: Store) -> str | None:
    """What SQLite says of a damaged database; None for a sound one, one that is not there, and a server."""
    if store.database is None or not store.database.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{store.database.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if verdict == "ok" else str(verdict)


def stored_runs(store: Store) -> dict[str, StoredRun]:
    """All runs of all experiments, the deleted ones too, by their ids."""
    from mlflow.entities import ViewType

    experiments = list(pages(lambda page_token: store.client.search_experiments(ViewType.ALL, page_token=page_token)))
    deleted = {each.experiment_id for each in experiments if each.lifecycle_stage != "active"}
    ids = [each.experiment_id for each in experiments]
    found = (_stored(run, deleted) for run in pages(store.client.search_runs, ids, "", ViewType.ALL))
    return {run.run_id: run for run in found}


def runs_left_running(store: Store) -> list[StoredRun]:
    """The runs that `reconcile` would close."""
    return [_stored(run, set()) for run in left_running(store)]


def _stored(run: Run, deleted_experiments: set[str]) -> StoredRun:
    tags = run.data.tags
    return StoredRun(
        run.info.run_id,
        tags.get(PIPELINE, ""),
        tags.get(STAGE, ""),
        run.info.status,
        run.info.lifecycle_stage != "active" or run.info.experiment_id in deleted_experiments,
        f"process {tags.get(PID, 'unknown')} on {tags.get(HOST, 'unknown')}",
        run.info.artifact_uri,
    )


def has_artifacts(store: Store, run: StoredRun) -> bool:
    """Whether there is any artifact of the run."""
    if run.artifacts.startswith("file:"):
        folder = local_path(run.artifacts)
        return folder.is_dir() and any(folder.iterdir())
    return bool(store.client.list_artifacts(run.run_id))


def stored_models(store: Store) -> list[StoredModel]:
    """The registered models of Tensorline."""
    models = []
    for model in pages(lambda page_token: store.client.search_registered_models(page_token=page_token)):
        found = sorted(versions_of(store, model.name), key=lambda version: int(version.version))
        versions = tuple(
            StoredVersion(
                model.name,
                str(version.version),
                version.run_id or "",
                version.tags[DIGEST],
                version.tags.get(FILES_DIGEST),
            )
            for version in found
            if DIGEST in version.tags
        )
        # Of the model itself: a version that is gone no longer tells of the alias.
        champion = store.client.get_registered_model(model.name).aliases.get(CHAMPION)
        if versions or champion is not None:
            numbers = tuple(str(version.version) for version in found)
            models.append(StoredModel(model.name, None if champion is None else str(champion), versions, numbers))
    return models


def version_files(store: Store, version: StoredVersion, download_to: Path) -> Path | None:
    """The folder of a version's files, where it lies or downloaded; None if there are none."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        location = store.client.get_model_version_download_uri(version.model_name, version.number)
        if location.startswith("file:"):
            folder = local_path(location)
        else:
            folder = Path(download_artifacts(artifact_uri=location, dst_path=str(download_to), tracking_uri=store.uri))
    except MlflowException:
        return None
    return folder if folder.is_dir() and any(folder.iterdir()) else None

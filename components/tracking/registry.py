"""The model registry: every candidate becomes a version with its verdict; the champion moves only through the gate."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from components.errors import UserError
from components.tracking.flatten import cut
from components.tracking.moves import OVERRIDDEN, ROLLED_BACK, champion_version, move_champion, registered_model, versions_of
from components.tracking.packaging import ARTIFACT, pack
from components.tracking.profiles import PROFILE, add_profile
from components.tracking.provenance import digest_paths, git_state
from components.tracking.redaction import redact
from components.tracking.registry_lock import registry_lock
from components.tracking.run_log import RunLog, reopen
from components.tracking.runs import COMMIT, start_stage_run
from components.tracking.store import Store, local_path

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

Verdict = Literal["promoted", "refused", "no incumbent", "unchanged"]
"""`no incumbent`: promoted, as there was no champion; `unchanged`: the candidate is the champion already."""
DIGEST = "tensorline.digest"
FILES_DIGEST = "tensorline.files"
"""Tag of a version: sha256 of its file `FILES`."""
FILES = "files.json"
"""Beside the model's files: the sha256 of each, by its path."""
_VERDICT = "tensorline.verdict"
_REASON = "tensorline.reason"
_METRICS = "tensorline.metrics"
_THRESHOLD = "tensorline.decision_threshold"
_FAILED_CHECKS = "tensorline.failed_checks"
_MAX_TAG_CHARS = 100_000
_MODEL_URI = "models:/"


@dataclass(frozen=True)
class Candidate:
    """A model that asks to become the champion.

    Attributes:
        model_name: Of the registered model.
        pipeline: That it comes from.
        model_dir: Format-Serving/, keras/ and model.json.
        digest: As in model.json.
        promote: What the gate said.
        reason: Why, or why not.
        metrics: Overall, on the test split.
        compared_with: Digest of the champion that the gate compared it with; None if there was none.
        train_run_id: The MLflow run that trained it; '' if there is none.
        example: A few rows of raw columns.
        failed_checks: Of the gate, by name.
        profile_dir: The profile of the training data; None if there is none.
    """

    model_name: str
    pipeline: str
    model_dir: Path
    digest: str
    promote: bool
    reason: str
    metrics: Mapping[str, float]
    compared_with: str | None
    train_run_id: str
    example: pd.DataFrame | None = None
    failed_checks: tuple[str, ...] = ()
    profile_dir: Path | None = None


@dataclass(frozen=True)
class Registration:
    """What came of a candidate.

    Attributes:
        model_name: Of the registered model.
        version: Of the candidate.
        digest: Of the candidate.
        verdict: See `Verdict`.
        reason: Why, or why not.
        moved: Whether the champion moved to the candidate.
        champion: The version that is champion now; None if there is none.
        run_id: The run that holds the model.
        model_id: MLflow's id of the model.
    """

    model_name: str
    version: str
    digest: str
    verdict: Verdict
    reason: str
    moved: bool
    champion: str | None
    run_id: str
    model_id: str


@dataclass(frozen=True)
class Champion:
    """The version under the alias `champion`, or another that was asked for.

    Attributes:
        model_name: Of the registered model.
        version: Its number.
        digest: As in model.json.
        run_id: The run that holds the model.
        folder: Its files, in the layout of artifacts/NAME/model.
    """

    model_name: str
    version: str
    digest: str
    run_id: str
    folder: Path


def champion(store: Store, model_name: str, download_to: Path) -> Champion | None:
    """The champion; None if there is none.

    Args:
        store: The MLflow store.
        model_name: Of the registered model.
        download_to: Where the files go if they are not on this machine's disk already.

    Raises: UserError if the champion's files are gone, or if it is no model of Tensorline.
    """
    version = champion_version(store, model_name)
    if version is None:
        return None
    return _found(store, version, "champion, ", download_to, "Move the alias to another version: tensorline rollback")


def model_version(store: Store, model_name: str, number: str, download_to: Path) -> Champion:
    """A version of a model, champion or not; arguments as of `champion`.

    Raises: UserError if there is no such model or version, or as `champion`.
    """
    registered_model(store, model_name)
    versions = {str(version.version): version for version in versions_of(store, model_name)}
    if number not in versions:
        raise UserError(
            f"model '{model_name}': version {number} does not exist in {store.shown}. Expected one of: "
            f"{', '.join(sorted(versions, key=int)) or 'none is registered'}."
        )
    return _found(store, versions[number], "", download_to, "Take another version: tensorline history lists them")


@dataclass(frozen=True)
class Judged:
    """A version and what became of it.

    Attributes:
        version: Its number.
        at: When it was registered, UTC, ISO 8601.
        verdict: See `Verdict`; `unknown` if it was not the register stage that made it.
        reason: Why, or why not.
        failed_checks: Of the gate, by name.
        overridden: When, by whom and why a person made it the champion; None if nobody did.
    """

    version: str
    at: str
    verdict: str
    reason: str
    failed_checks: list[str]
    overridden: str | None


def judged_versions(store: Store, model_name: str) -> list[Judged]:
    """Every version, oldest first. Raises: UserError if there is no such model."""
    registered_model(store, model_name)
    return [
        Judged(
            version=str(each.version),
            at=datetime.fromtimestamp(each.creation_timestamp / 1000, timezone.utc).isoformat(timespec="seconds"),
            verdict=each.tags.get(_VERDICT, "unknown"),
            reason=each.tags.get(_REASON, ""),
            failed_checks=list(filter(None, each.tags.get(_FAILED_CHECKS, "").split(", "))),
            overridden=each.tags.get(OVERRIDDEN),
        )
        for each in sorted(versions_of(store, model_name), key=lambda each: int(each.version))
    ]


def _found(store: Store, version: ModelVersion, called: str, download_to: Path, fix: str) -> Champion:
    folder = _folder(store, version, download_to, called)
    if DIGEST not in version.tags or not (folder / "model.json").is_file():
        raise UserError(
            f"model '{version.name}': {called}version {version.version}: expected the model's files in {folder}, and a tag "
            f"{DIGEST}, as the register stage writes them. {fix}"
        )
    return Champion(version.name, str(version.version), version.tags[DIGEST], version.run_id, folder)


def register_candidate(store: Store, candidate: Candidate) -> Registration:
    """Gives the candidate a version, and moves the champion to it if the gate said so.

    The same digest makes no second version: the one that there is gets the new verdict. A version that a rollback took the
    alias from is not promoted again.

    Raises: UserError if the champion is another one now than the gate compared the candidate with.
    """
    client = store.client
    _ensure_model(store, candidate.model_name)
    with registry_lock(store, candidate.model_name):
        current = champion_version(store, candidate.model_name)
        found = versions_of(store, candidate.model_name, f" AND tags.`{DIGEST}` = '{candidate.digest}'")
        version = min(found, key=lambda each: int(each.version)) if found else None
        if version and candidate.profile_dir is not None:
            add_profile(store, version, candidate.profile_dir)
        if version and current and version.version == current.version:
            _note_threshold(store, candidate, version)
            reason = f"it is the champion already, version {version.version}"
            return _registration(candidate, version, "unchanged", reason, moved=False, champion=version)
        _check_compared(candidate, current)
        verdict: Verdict = "refused"
        reason = candidate.reason
        if candidate.promote:
            verdict = "promoted" if current else "no incumbent"
        if version and candidate.promote and ROLLED_BACK in version.tags:
            verdict = "refused"
            reason = (
                f"version {version.version} was rolled back ({version.tags[ROLLED_BACK]}); to make it the champion again: "
                f"tensorline rollback {candidate.pipeline} --to {version.version}"
            )
        tags = {
            _VERDICT: verdict,
            _REASON: cut(redact(reason), _MAX_TAG_CHARS),
            _METRICS: json.dumps(dict(candidate.metrics), sort_keys=True),
        }
        if version is None:
            version = _create_version(store, candidate, tags)
        else:
            for key, value in tags.items():
                if version.tags.get(key) != value:
                    client.set_model_version_tag(candidate.model_name, version.version, key, value)
        _note_threshold(store, candidate, version)
        _note_checks(store, candidate, version)
        client.update_model_version(candidate.model_name, version.version, f"{verdict}: {redact(reason)}")
        moved = verdict != "refused"
        if moved:
            move_champion(store, candidate.model_name, "promote", str(version.version), reason)
        return _registration(candidate, version, verdict, reason, moved=moved, champion=version if moved else current)


def _registration(
    candidate: Candidate, version: ModelVersion, verdict: Verdict, reason: str, *, moved: bool, champion: ModelVersion | None
) -> Registration:
    return Registration(
        candidate.model_name,
        str(version.version),
        candidate.digest,
        verdict,
        reason,
        moved,
        str(champion.version) if champion else None,
        version.run_id,
        version.source.removeprefix(_MODEL_URI),
    )


def _note_threshold(store: Store, candidate: Candidate, version: ModelVersion) -> None:
    """The threshold is that of the last evaluation, also where the model is the same: costs may have changed."""
    threshold = candidate.metrics.get("decision_threshold")
    if threshold is not None:
        store.client.set_model_version_tag(candidate.model_name, version.version, _THRESHOLD, f"{threshold:.9g}")
    elif _THRESHOLD in version.tags:
        store.client.delete_model_version_tag(candidate.model_name, version.version, _THRESHOLD)


def _note_checks(store: Store, candidate: Candidate, version: ModelVersion) -> None:
    """Which checks the last evaluation failed, to be searched by."""
    if candidate.failed_checks:
        failed = ", ".join(candidate.failed_checks)
        store.client.set_model_version_tag(candidate.model_name, version.version, _FAILED_CHECKS, failed)
    elif _FAILED_CHECKS in version.tags:
        store.client.delete_model_version_tag(candidate.model_name, version.version, _FAILED_CHECKS)


def _check_compared(candidate: Candidate, current: ModelVersion | None) -> None:
    digest = current.tags.get(DIGEST) if current else None
    if candidate.compared_with == digest:
        return
    then = f"the champion with digest {candidate.compared_with[:12]}…" if candidate.compared_with else "no champion"
    now = f"version {current.version}" if current else "none"
    raise UserError(
        f"register: the evaluation compared the candidate with {then}, and the champion of '{candidate.model_name}' is "
        f"now {now}. Expected the same at both times: another run, a rollback or another MLflow store came between. Evaluate "
        f"again: dvc repro --force --single-item evaluate@{candidate.pipeline} && dvc repro register@{candidate.pipeline}"
    )


def _ensure_model(store: Store, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _create_version(store: Store, candidate: Candidate, tags: Mapping[str, str]) -> ModelVersion:
    run = reopen(store, candidate.train_run_id) if candidate.train_run_id else None
    if run is None:
        # Under a plain TFX pipeline, or with artifacts from someone else's cache, the model needs a run to hang on.
        git = git_state(Path())
        with start_stage_run(store, candidate.pipeline, "register", params={}, git=git, dependencies={}) as run:
            run.log_metrics(candidate.metrics)
            return _create_version_on(store, candidate, run, tags)
    return _create_version_on(store, candidate, run, tags)


def _create_version_on(store: Store, candidate: Candidate, run: RunLog, tags: Mapping[str, str]) -> ModelVersion:
    data = store.client.get_run(run.ref.run_id).data
    model, files_digest = _log_model(store, candidate, run, data.params)
    with store.as_default():
        version = store.client.create_model_version(
            candidate.model_name,
            source=f"{_MODEL_URI}{model.model_id}",
            run_id=run.ref.run_id,
            model_id=model.model_id,
            tags={
                **tags,
                DIGEST: candidate.digest,
                FILES_DIGEST: files_digest,
                COMMIT: data.tags.get(COMMIT, "unknown"),
                "tensorline.run_id": run.ref.run_id,
                "tensorline.pipeline": candidate.pipeline,
            },
        )
    # MLflow's UI finds the version from the model by this tag.
    versions = json.dumps([{"name": version.name, "version": version.version}])
    store.client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": versions})
    return version


def _log_model(store: Store, candidate: Candidate, run: RunLog, params: Mapping[str, str]) -> tuple[LoggedModel, str]:
    """Logs the model to the run; READY only once all files are there. Returns it, and the digest of its files."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    client = store.client
    model = client.create_logged_model(
        run.ref.experiment_id, candidate.pipeline, run.ref.run_id, {DIGEST: candidate.digest}, dict(params), "pyfunc"
    )
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch, "packed")
        ids = Model(
            artifact_path=model.artifact_location, model_uuid=model.model_id, run_id=run.ref.run_id, model_id=model.model_id
        )
        # MLflow names its copy after the folder, which under TFX is a number, and refuses links, which DVC may put there.
        named = Path(scratch, Path(ARTIFACT).name)
        shutil.copytree(candidate.model_dir, named)
        pack(named, packed, ids, candidate.example)
        if candidate.profile_dir is not None:
            shutil.copytree(candidate.profile_dir, packed / PROFILE)
        files_digest = _note_digests(packed)
        client.log_model_artifacts(model.model_id, str(packed))
    client.log_outputs(run.ref.run_id, [LoggedModelOutput(model.model_id, step=0)])
    _copy_metrics(store, run.ref.run_id, model.model_id)
    return client.finalize_logged_model(model.model_id, "READY"), files_digest


def _note_digests(packed: Path) -> str:
    """Writes `FILES`, so that `tensorline verify` can tell later which file is not as it was; returns its digest."""
    files = sorted(path for path in packed.rglob("*") if path.is_file())
    digests = digest_paths([path.relative_to(packed).as_posix() for path in files], packed)
    text = json.dumps(digests, indent=1, ensure_ascii=False) + "\n"
    (packed / FILES).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def _copy_metrics(store: Store, run_id: str, model_id: str) -> None:
    """Shows the run's latest metrics with the model too; the same moment and step make no second point in the run."""
    from mlflow.entities import Metric

    latest = store.client.get_run(run_id).data._metric_objs  # noqa: SLF001
    metrics = [Metric(each.key, each.value, each.timestamp, each.step, model_id=model_id, run_id=run_id) for each in latest]
    for start in range(0, len(metrics), 1000):
        store.client.log_batch(run_id, metrics=metrics[start : start + 1000])


def _folder(store: Store, version: ModelVersion, download_to: Path, called: str) -> Path:
    """The model folder of a version: where it lies if that is this machine's disk, else a copy in `download_to`."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    location = store.client.get_model_version_download_uri(version.name, version.version)
    if location.startswith("file:"):
        return local_path(location) / ARTIFACT
    files = f"{location}/{ARTIFACT}"
    try:
        return Path(download_artifacts(artifact_uri=files, dst_path=str(download_to), tracking_uri=store.uri))
    except MlflowException as error:
        raise UserError(
            f"model '{version.name}': {called}version {version.version}: {redact(str(error))}. Expected its files in "
            f"{redact(location)}, where the register stage put them."
        ) from None

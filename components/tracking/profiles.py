"""The profile of the data that a version was trained on, kept beside the model's files."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import UserError
from components.tracking.moves import champion_version
from components.tracking.redaction import redact
from components.tracking.store import Store, local_path

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

PROFILE = "artifacts/profile"
"""Where it lies in the MLflow model."""


@dataclass(frozen=True)
class StoredProfile:
    """Of the champion.

    Attributes:
        version: None if there is no champion.
        folder: Where the profile's files are; None if the version has none.
    """

    version: str | None
    folder: Path | None

    @property
    def reason(self) -> str:
        """Why there is no profile; '' if there is one."""
        if self.version is None:
            return "there is no champion yet"
        return "" if self.folder else f"version {self.version}, the champion, was registered without a profile of its data"


def champion_profile(store: Store, model_name: str, download_to: Path) -> StoredProfile:
    """The profile of the champion's training data.

    Args:
        store: The MLflow store.
        model_name: Of the registered model.
        download_to: Where the files go if they are not on this machine's disk already.

    Raises: UserError if the version's files can't be listed or read.
    """
    version = champion_version(store, model_name)
    if version is None:
        return StoredProfile(None, None)
    return StoredProfile(str(version.version), _folder(store, version, download_to))


def add_profile(store: Store, version: ModelVersion, profile_dir: Path) -> None:
    """Stores the profile with a version that has none yet: one that was registered before there were profiles."""
    with tempfile.TemporaryDirectory() as scratch:
        if _folder(store, version, Path(scratch, "found")) is None:
            shutil.copytree(profile_dir, Path(scratch, "added", PROFILE))
            store.client.log_model_artifacts(version.source.removeprefix("models:/"), str(Path(scratch, "added")))


def _folder(store: Store, version: ModelVersion, download_to: Path) -> Path | None:
    from mlflow.artifacts import download_artifacts, list_artifacts
    from mlflow.exceptions import MlflowException

    location = store.client.get_model_version_download_uri(version.name, version.version)
    if location.startswith("file:"):
        folder = local_path(location) / PROFILE
        return folder if folder.is_dir() else None
    parent, _, name = PROFILE.rpartition("/")
    try:
        files = list_artifacts(artifact_uri=f"{location}/{parent}", tracking_uri=store.uri)
        if name not in {Path(file.path).name for file in files}:
            return None
        return Path(
            download_artifacts(artifact_uri=f"{location}/{PROFILE}", dst_path=str(download_to), tracking_uri=store.uri)
        )
    except MlflowException as error:
        raise UserError(
            f"model '{version.name}': champion, version {version.version}: {redact(str(error))}. Expected its files in "
            f"{redact(location)}, where the register stage put them."
        ) from None

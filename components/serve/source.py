"""Versions out of the MLflow registry."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from components.bridge.job import Job, read_reviewed_schema
from components.errors import UserError
from components.serve.served import Served
from components.tracking.moves import champion_version
from components.tracking.registry import model_version
from components.tracking.store import Store


class Registry:
    """The champion of a pipeline's registered model, or one version of it.

    Args:
        job: The pipeline.
        store: The MLflow store.
        version: Which is always served; None for the champion.
        most_rows: Of the calls that warm a version.
    """

    def __init__(self, job: Job, store: Store, version: str | None, most_rows: int) -> None:
        self._job, self._store, self._version, self._most_rows = job, store, version, most_rows
        self._model_name = job.params.register_.model_name
        self._schema = job.reviewed_schema
        inferred = job.artifact("schema") / "schema.pbtxt"
        if self._schema is None and inferred.is_file():
            self._schema = read_reviewed_schema(inferred, f"artifacts/{job.name}/schema/schema.pbtxt")

    def wanted(self) -> str:
        """The version to serve. Raises: UserError if there is no champion."""
        if self._version is not None:
            return self._version
        found = champion_version(self._store, self._model_name)
        if found is None:
            raise UserError(
                f"model '{self._model_name}' has no champion in {self._store.shown}. Expected one: "
                f"dvc repro register@{self._job.name}; or name a version: --version N."
            )
        return str(found.version)

    def load(self, version: str) -> Served:
        """Loads and warms it. Raises: UserError if there is no such version; TensorlineError if it is none of Tensorline's."""
        scratch = Path(tempfile.mkdtemp(prefix="serve-"))
        try:
            found = model_version(self._store, self._model_name, version, scratch)
            served = Served(self._model_name, version, found.folder, self._job.params.data, self._schema, scratch)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        served.warm(self._most_rows)
        return served

"""Maps folders to TFX artifacts and back, in place of ML Metadata.

A folder holds an artifact's files. What ML Metadata would remember of it (split names, the blessing, the format of the
payload) lies beside them in `artifact.json`, written only where there is something to remember: some of TFX's readers want
their one file to be alone in its folder.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import TensorlineError

if TYPE_CHECKING:
    from tfx.types.artifact import Artifact

PROPERTIES_FILE = "artifact.json"

_STANDARD = "tfx.types.standard_artifacts"
ARTIFACT_TYPES = {
    "examples": f"{_STANDARD}:Examples",
    "ingest_report": "components.ingest.component:IngestReport",
    "statistics": f"{_STANDARD}:ExampleStatistics",
    "schema": f"{_STANDARD}:Schema",
    "anomalies": f"{_STANDARD}:ExampleAnomalies",
    "profile": "components.drift.artifacts:Profile",
    "drift": "components.drift.artifacts:Drift",
    "transform_graph": f"{_STANDARD}:TransformGraph",
    "transformed_examples": f"{_STANDARD}:Examples",
    "best_hyperparameters": f"{_STANDARD}:HyperParameters",
    "tuner_results": f"{_STANDARD}:TunerResults",
    "model": f"{_STANDARD}:Model",
    "model_run": f"{_STANDARD}:ModelRun",
    "evaluation": f"{_STANDARD}:ModelEvaluation",
    "blessing": f"{_STANDARD}:ModelBlessing",
    "canary": "components.evaluate.canary_artifact:CanaryReport",
    "report": "components.evaluate.report_artifact:Report",
    "registration": "components.register.registration:Registration",
    "baseline_model": f"{_STANDARD}:Model",
    "baseline_profile": "components.drift.artifacts:Profile",
}
"""Output key, which is also the folder's name → "module:Class" of the artifact's type."""


def uri_of(folder: Path) -> str:
    """The folder's path from the working directory: TFX writes paths into graphs, which are to be the same in every clone."""
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)


def save_properties(artifact: Artifact, folder: Path) -> None:
    """Writes the artifact's properties beside its files, if it has any."""
    mlmd = artifact.mlmd_artifact
    values = {
        kind: {
            key: getattr(value, value.WhichOneof("value"))
            for key, value in getattr(mlmd, kind).items()
            # Structs hold blessings of splits and the like, which the component's own files repeat.
            if value.WhichOneof("value") in {"string_value", "int_value", "double_value"}
        }
        for kind in ("properties", "custom_properties")
    }
    write_properties(values, folder)


def write_properties(values: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Writes `properties` and `custom_properties` of the artifact in `folder`, if it has any."""
    if any(values.values()):
        (folder / PROPERTIES_FILE).write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def existing(key: str, folder: Path) -> Path:
    """`folder`, which holds the artifact. Raises: TensorlineError if there is no such folder."""
    if not folder.is_dir():
        raise TensorlineError(
            f"{folder}: no such folder. Expected the artifact '{key}'; run the stages before this one: dvc repro"
        )
    return folder


def load_artifact(key: str, folder: Path) -> Artifact:
    """The artifact that lies in `folder`.

    Raises: TensorlineError if there is no such folder.
    """
    existing(key, folder)
    module, _, class_name = ARTIFACT_TYPES[key].partition(":")
    artifact: Artifact = getattr(importlib.import_module(module), class_name)()
    artifact.uri = uri_of(folder)
    properties = folder / PROPERTIES_FILE
    if properties.exists():
        values = json.loads(properties.read_text(encoding="utf-8"))
        for name, value in values["properties"].items():
            setattr(artifact, name, value)
        for name, value in values["custom_properties"].items():
            if isinstance(value, str):
                artifact.set_string_custom_property(name, value)
            elif isinstance(value, int):
                artifact.set_int_custom_property(name, value)
            else:
                artifact.set_float_custom_property(name, value)
    return artifact

"""What one run of a pipeline works on: its name, its parameters, its reviewed schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import UserError
from components.params.load import load_pipeline, load_shared, pipeline_file
from components.params.models import PipelineParams, SharedParams

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


@dataclass(frozen=True)
class Job:
    """One pipeline with everything that its stages are told.

    Attributes:
        name: The pipeline's name.
        root: The repository's root; every path in params is relative to it.
    """

    name: str
    root: Path
    params: PipelineParams
    shared: SharedParams

    @classmethod
    def load(cls, name: str, root: Path) -> Job:
        """Reads the parameters. Raises: ParamsError, listing every mistake."""
        return cls(name, root, load_pipeline(name, root), load_shared(root))

    @property
    def params_file(self) -> str:
        """The pipeline's parameter file, for messages."""
        return pipeline_file(self.name)

    @property
    def schema_file(self) -> Path:
        """The reviewed data contract; a file of comments alone stands for none."""
        return self.root / "schemas" / f"{self.name}.pbtxt"

    def artifact(self, key: str) -> Path:
        """The folder of an artifact, by the component's output key."""
        return self.root / "artifacts" / self.name / key

    def ingest_report(self) -> dict[str, Any] | None:
        """What the last ingest noted of the data; None before the first."""
        file = self.artifact("ingest_report") / "ingest.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    @cached_property
    def reviewed_schema(self) -> schema_pb2.Schema | None:
        """The reviewed schema; None where the file holds no feature, so that the schema is inferred.

        Raises: UserError if the file is missing or is no text-format Schema.
        """
        return read_reviewed_schema(self.schema_file, f"schemas/{self.name}.pbtxt")

    def recipe_config(self) -> dict[str, Any]:
        """What the recipe is created from, as JSON types: the custom config of Transform, Tuner and Trainer."""
        params = self.params
        return {
            "recipe": params.recipe,
            "label": params.data.label,
            "windows": None if params.data.windows is None else params.data.windows.as_dict(),
            "transform": params.transform.model_dump(mode="json", exclude={"materialize"}),  # which no recipe knows
            "model": params.model.model_dump(mode="json"),
            "tune": params.tune.model_dump(mode="json"),
            "train": params.train.model_dump(mode="json"),
            "seed": self.shared.seed,
        }


def read_reviewed_schema(path: Path, shown: str) -> schema_pb2.Schema | None:
    """Reads a text-format Schema; None if it holds no feature. Raises: UserError as `Job.reviewed_schema`."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        schema = text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
    except FileNotFoundError:
        raise UserError(
            f"{shown}: no such file. Expected the pipeline's reviewed schema, or a comment to have the schema inferred: "
            f"echo '# none yet' > {shown}"
        ) from None
    except text_format.ParseError as error:
        raise UserError(
            f"{shown}:{error}. Expected a tensorflow-metadata Schema in text format. Mend the line, or leave only a comment "
            "to have the schema inferred."
        ) from None
    return schema if schema.feature else None

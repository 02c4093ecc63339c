"""What `model.json` tells about a model: how it is judged, and what its outputs mean."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from components.errors import TensorlineError
from components.evaluate.ranking import SCORES
from components.saved_model import MODEL_FILE


class ScoreMetric(BaseModel):
    """A metric that the recipe brings; see `recipes.contract.ScoreMetric`."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    score: str
    better: Literal["higher", "lower"] | None
    over: str | None
    root: bool


class ModelInfo(BaseModel):
    """The part of model.json that evaluation reads.

    Attributes:
        kind: What is predicted.
        key_metric: What the model is judged by.
        metrics: Of the kind `scored`: what is made of its scores.
        class_names: In the order of the outputs; empty where there are no classes.
        label: The raw label column; None where there is none.
        group: Of a ranking, the raw column whose value the examples share that are ordered among each other.
        digest: Of the weights and the transform graph.
        inputs: Raw column → what it holds; empty for a model that an earlier version trained.
        libraries: Modules to import before the SavedModel is loaded.
        learning_curve: How the training went (`verdict`, and `told` in words); empty if an earlier version trained it.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    kind: Literal["binary", "multiclass", "regression", "ranking", "scored"]
    key_metric: str
    metrics: list[ScoreMetric] = []
    class_names: list[str]
    label: str | None
    group: str | None = None
    digest: str
    inputs: dict[str, Literal["number", "string", "image", "text"]] = {}
    libraries: list[str] = []
    learning_curve: dict[str, str] = {}

    @property
    def scores(self) -> list[str]:
        """Names of the scores that are averaged, in the order of their columns in `Predictions.outputs`."""
        if self.kind == "ranking":
            return list(SCORES)
        return list(dict.fromkeys(name for each in self.metrics for name in (each.score, each.over) if name is not None))

    @property
    def unit(self) -> str:
        """What is counted, sliced and drawn again by the bootstrap."""
        return "groups" if self.kind == "ranking" else "examples"

    def inputs_of(self, *kinds: str) -> list[str]:
        """Names of the raw columns of these kinds."""
        return [name for name, kind in self.inputs.items() if kind in kinds]


def read_model_info(model: Path) -> ModelInfo:
    """Reads model.json in the folder of a model artifact.

    Raises: TensorlineError if the file is missing or says something else than the train stage writes.
    """
    path = model / MODEL_FILE
    try:
        return ModelInfo.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        problem = "no such file"
    except ValidationError as error:
        problem = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in error.errors())
    raise TensorlineError(f"{path}: {problem}. Expected what the train stage writes beside the SavedModel: rerun train.")

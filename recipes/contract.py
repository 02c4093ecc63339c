"""What a recipe is: a KerasTuner HyperModel and a TFT preprocessing function, and nothing else knows the task.

A recipe package brings

* `params.py` with the Pydantic models `TransformParams` and `ModelParams` (sections `transform` and `model` of
  pipelines/NAME/params.yaml), importing neither TensorFlow nor Keras;
* `RECIPE_CLASSES` in its `__init__.py`: recipe name → "dotted.module:Class".
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import keras_tuner

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import tensorflow as tf
    from tensorflow_metadata.proto.v0 import schema_pb2

LABEL_KEY = "label"
"""Name of the label among the transformed features."""

TaskKind = Literal["binary", "multiclass", "regression"]
InputKind = Literal["number", "string", "image", "text"]
"""What a raw column of a served model holds; images are encoded, as JPEG or PNG."""


class RecipeError(ValueError):
    """A mistake in `transform`, `model` or the schema that a recipe finds; one problem a line, each saying how to mend it."""


@dataclass(frozen=True)
class Task:
    """All that a recipe may know of the pipeline it serves.

    Attributes:
        label: Name of the raw label column; None where there is none to learn from.
        schema: The data contract of the raw features, the label among them.
        transform: The recipe's `TransformParams`.
        model: The recipe's `ModelParams`.
        learning_rate: `train.learning_rate`, or None for the tuned value or the recipe's default.
        seed: Seeds initial weights and dropout.
    """

    label: str | None
    schema: schema_pb2.Schema
    transform: Any
    model: Any
    learning_rate: float | None = None
    seed: int = 0


class Recipe(keras_tuner.HyperModel, abc.ABC):
    """One task. Components create it by its name in params.yaml and call only what stands here."""

    objective: str
    """Default of tune.objective and train.early_stopping.monitor, as `val_auc`; its direction is `objective_direction`."""
    objective_direction: Literal["min", "max"]

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    @property
    def label(self) -> str:
        """Name of the raw label. Raises: RecipeError if the data have none."""
        if self.task.label is None:
            raise RecipeError(
                "data.label: the recipe learns from a label, and the data have none. Name the column of the label."
            )
        return self.task.label

    @property
    @abc.abstractmethod
    def kind(self) -> TaskKind:
        """What is predicted; evaluation picks its metrics and plots by it."""

    @property
    @abc.abstractmethod
    def key_metric(self) -> str:
        """The metric of the summary, the gate and its interval, by its name in the evaluation: `auc`, `accuracy`, `mae`."""

    @property
    @abc.abstractmethod
    def class_names(self) -> list[str]:
        """Names of the classes in the order of the model's outputs; empty for a regression."""

    @property
    @abc.abstractmethod
    def inputs(self) -> dict[str, InputKind]:
        """The raw columns that a served model takes: those that `preprocessing_fn` makes features of, the label left out."""

    @property
    def libraries(self) -> list[str]:
        """Modules whose TensorFlow ops are in the graph: they must be imported before a SavedModel is loaded."""
        return []

    @abc.abstractmethod
    def preprocessing_fn(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Turns raw features (sparse or ragged tensors by name) into features and `LABEL_KEY`.

        Runs in TFT's graph, for training and serving alike. An output is a dense tensor of a fixed shape [batch, …], or a
        SparseTensor [batch, None] of as many values as a record has: the model gets these padded with 0 to the longest of
        the batch. Without the label among `inputs`, as when serving, `LABEL_KEY` is left out.
        """

    @abc.abstractmethod
    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """A compiled model from a dict of transformed features. `hp` holds defaults where nothing was tuned."""

    def set_features(self, feature_spec: Mapping[str, Any], transform_output: Any) -> None:
        """Tells the recipe what the transform produced, before `build`.

        Args:
            feature_spec: tf.io parsing spec of the transformed features, the label left out.
            transform_output: The `tft.TFTransformOutput` (vocabulary sizes, assets).
        """
        self.feature_spec = dict(feature_spec)
        self.transform_output = transform_output

    @abc.abstractmethod
    def outputs(self, predictions: tf.Tensor) -> dict[str, tf.Tensor]:
        """What both signatures answer, from the model's output.

        A classifier gives `probabilities` (float32, [batch, classes]), `label` (string, [batch]: the likeliest class) and,
        when binary, `score` (float32, [batch, 1]: probability of the second class). A regressor gives `prediction`
        (float32, [batch, 1]).
        """

    def describe(self, model: keras.Model, folder: Path) -> None:
        """Writes what a person may want to see of the trained model as files into `folder`; they go to its MLflow run."""

    fit: Callable[..., Any]
    """KerasTuner's `fit(hp, model, *args, **kwargs)`; override for a training loop of one's own."""

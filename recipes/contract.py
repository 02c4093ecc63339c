"""What a recipe is: a KerasTuner HyperModel and a TFT preprocessing function, and nothing else knows the task.

A recipe package brings

* `params.py` with the Pydantic models `TransformParams` and `ModelParams` (sections `transform` and `model` of
  pipelines/NAME/params.yaml), importing neither TensorFlow nor Keras;
* `RECIPE_CLASSES` in its `__init__.py`: recipe name → "dotted.module:Class".
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import keras_tuner

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import tensorflow as tf
    from tensorflow_metadata.proto.v0 import schema_pb2

LABEL_KEY = "label"
"""Name of the label among the transformed features."""

TaskKind = Literal["binary", "multiclass", "regression", "ranking", "scored"]
"""What the evaluation knows how to judge; with `scored`, the recipe itself says how good an answer is (`Recipe.score`)."""
InputKind = Literal["number", "string", "image", "text"]
"""What a raw column of a served model holds; images are encoded, as JPEG or PNG."""


class RecipeError(ValueError):
    """A mistake in `transform`, `model` or the schema that a recipe finds; one problem a line, each saying how to mend it."""


@dataclass(frozen=True)
class ScoreMetric:
    """A metric of a recipe of the kind `scored`: a mean over the examples, or of two of them the ratio.

    Attributes:
        name: As in params.yaml and metrics.json.
        title: As people write it.
        score: Which score of `Recipe.score` is averaged.
        better: Which values are better; None where neither is.
        over: The score by whose mean that of `score` is divided; None divides by nothing.
        root: Whether the square root of the mean is taken, as for a root mean squared error.
    """

    name: str
    title: str
    score: str
    better: Literal["higher", "lower"] | None
    over: str | None = None
    root: bool = False


@dataclass(frozen=True)
class Windows:
    """How examples were cut out of a time series; each input column is a feature of `input_width` numbers.

    Attributes:
        inputs: The columns that a model sees.
        targets: The columns to forecast.
        input_width: Rows that it sees.
        label_width: Rows to forecast: the label has as many numbers, for each target ([rows, targets] of several).
        shift: From the last row seen to the last one to forecast.
        step_s: From row to row.
        time: The feature of the times of the rows seen, in seconds since 1970.
    """

    inputs: Sequence[str]
    targets: Sequence[str]
    input_width: int
    label_width: int
    shift: int
    step_s: int
    time: str


@dataclass(frozen=True)
class Gradients:
    """How integrated gradients (Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks") explain an answer.

    They run from a baseline to what the network sees: transformed features that are numbers, and what embeddings make of
    those that are ids. All functions run in the graph of the SavedModel, so that explaining needs no recipe.

    Attributes:
        answer: Transformed features → what is explained, float32 [batch, outputs]; several outputs are the logits of classes.
        baseline: A number that stands for all, in features and embeddings, or None for the mean of the eval split.
        columns: Attributions of the transformed features → those of the raw columns, float32 [batch, …]. Of ids the former
            have one for each id.
        embeddings: Transformed feature of ids → names of the `keras.layers.Embedding` that take it.
        form: What the attributions of a column are: a number (`table`), one a pixel [batch, height, width] (`image`), one a
            token [batch, tokens] (`text`), or one a row of a window [batch, rows] (`window`).
        shown: (raw features, transformed features) → what a person sees of an example beside its attributions. Of an image
            `picture`, float32 [batch, height, width, channels] in 0..1. Of a text `words`, string [batch, words], and
            `tokens`, string [batch, tokens], both padded with nothing.
        joined: Of a text: what joins the words of an n-gram; None where tokens are pieces of words in their order, of which
            those that go on with a word begin with "##".
    """

    answer: Callable[[dict[str, tf.Tensor]], tf.Tensor]
    baseline: float | None
    columns: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]
    embeddings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    form: Literal["table", "image", "text", "window"] = "table"
    shown: Callable[[dict[str, Any], dict[str, tf.Tensor]], dict[str, tf.Tensor]] | None = None
    joined: str | None = None


@dataclass(frozen=True)
class Trees:
    """How SHAP values (Lundberg & Lee 2017; of trees, Lundberg et al. 2020) explain the answer of a YDF forest.

    Attributes:
        features: Transformed feature → the forest's column, which is also the raw one.
        prefix: Of the names of the forest's files among the assets of the SavedModel.
        outputs: For each class, or for the one output, the place of its SHAP values among YDF's; -1: it has none.
        sign: -1 where YDF's second class is our first.
    """

    features: Mapping[str, str]
    prefix: str
    outputs: Sequence[int] = (0,)
    sign: Literal[1, -1] = 1


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
        windows: How examples were cut out of a time series; None where they were not.
    """

    label: str | None
    schema: schema_pb2.Schema
    transform: Any
    model: Any
    learning_rate: float | None = None
    seed: int = 0
    windows: Windows | None = None


class Recipe(keras_tuner.HyperModel, abc.ABC):
    """One task. Components create it by its name in params.yaml and call only what stands here."""

    objective: str
    """Default of tune.objective and train.early_stopping.monitor, as `val_auc`; its direction is `objective_direction`."""
    objective_direction: Literal["min", "max"]
    class_counts: Sequence[float] = ()
    """How much each class counts in the loss: its training examples, weighted; empty where nobody told."""

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
    def class_names(self) -> list[str]:
        """Names of the classes in the order of the model's outputs; empty where there are none."""
        return []

    @property
    def group(self) -> str | None:
        """Of the kind `ranking`: the raw column whose value the examples share that are ordered among each other."""
        return None

    @property
    @abc.abstractmethod
    def inputs(self) -> dict[str, InputKind]:
        """The raw columns that a served model takes: those that `preprocessing_fn` makes features of, the label left out."""

    @property
    def libraries(self) -> list[str]:
        """Modules whose TensorFlow ops are in the graph: they must be imported before a SavedModel is loaded."""
        return []

    @property
    def metrics(self) -> list[ScoreMetric]:
        """Of the kind `scored`: what the report shows, the key metric among them. Other kinds have metrics of their own."""
        return []

    @abc.abstractmethod
    def preprocessing_fn(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Turns raw features (sparse or ragged tensors by name) into features and `LABEL_KEY`.

        Runs in TFT's graph, for training and serving alike. An output is a dense tensor of a fixed shape [batch, …], or a
        SparseTensor [batch, None] of as many values as a record has: the model gets these padded with 0 to the longest of
        the batch. Without the label among `inputs`, as when serving, `LABEL_KEY` is left out; a recipe that learns from no
        label never gives it, and its model is fitted on batches of features alone.
        """

    @abc.abstractmethod
    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """A compiled model from a dict of transformed features. `hp` holds defaults where nothing was tuned.

        One that is not compiled learns by the recipe's `fit` alone, without an optimizer, as a forest does.
        """

    def set_features(self, feature_spec: Mapping[str, Any], transform_output: Any) -> None:
        """Tells the recipe what the transform produced, before `build`.

        Args:
            feature_spec: tf.io parsing spec of the transformed features, the label left out.
            transform_output: The `tft.TFTransformOutput` (vocabulary sizes, assets).
        """
        self.feature_spec = dict(feature_spec)
        self.transform_output = transform_output

    def set_class_counts(self, counts: Sequence[float]) -> None:
        """Tells a classifier, before `build`, what it may start from; see `class_counts`."""
        self.class_counts = tuple(counts)

    @abc.abstractmethod
    def outputs(self, predictions: tf.Tensor) -> dict[str, tf.Tensor]:
        """What both signatures answer, from the model's output.

        A classifier gives `probabilities` (float32, [batch, classes]), `label` (string, [batch]: the likeliest class) and,
        when binary, `score` (float32, [batch, 1]: probability of the second class). A regressor gives `prediction`
        (float32, [batch, 1]), and so does one that ranks, whose greatest comes first. One of the kind `scored` gives what it
        likes, [batch, …] each.
        """

    def score(self, model: keras.Model, features: dict[str, tf.Tensor], label: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Of the kind `scored`: how good the model's answers are, for each example and each name that `metrics` averages.

        Runs in the graph of the SavedModel, so that the evaluation, also that of a later champion, needs no recipe.

        Args:
            model: The trained model.
            features: Transformed, [batch, …] each.
            label: Transformed, or None where the recipe learns from none.

        Returns: Score name → float32 [batch].
        """
        raise NotImplementedError(f"{type(self).__name__} is of the kind {self.kind}, which the evaluation scores itself")

    def heads(self, model: keras.Model) -> dict[str, Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]]:
        """Further signatures over the raw columns, as `serve_raw` is one: name → function of transformed features."""
        return {}

    def functions(self, model: keras.Model) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """Further signatures that take something else than raw columns: name → tf.function with an input signature."""
        return {}

    def explain(self, model: keras.Model) -> Gradients | Trees | str:
        """How the answers of a trained model are explained, example by example, or in a sentence why they can't be."""
        return f"{type(self).__name__} says nothing of how its answers come about."

    def describe(self, model: keras.Model, folder: Path, examples: tf.data.Dataset) -> None:
        """Writes what a person may want to see of the trained model as files into `folder`; they go to its MLflow run.

        The lines of `told.txt`, if it is among them, are also shown on the terminal.

        Args:
            model: The trained model.
            folder: Empty.
            examples: The eval split, as `fit` takes it.
        """

    fit: Callable[..., Any]
    """KerasTuner's `fit(hp, model, *args, **kwargs)`; override for a training loop of one's own."""

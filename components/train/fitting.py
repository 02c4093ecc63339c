"""What tuning and training share: the recipe with its features, the data, the arguments of `fit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import tensorflow as tf
import tensorflow_transform as tft

from components import progress
from components.bridge.recipe import create_recipe
from components.saved_model import import_libraries
from components.train.class_weights import class_weights
from components.train.columns import read_columns
from components.train.datasets import count_labels, expand, make_dataset
from components.train.heartbeat import beat
from components.train.objective import objective
from components.train.options import apply_options, building
from components.train.peers import require_same
from components.train.strategy import create_strategy
from components.transform_graph import are_raw, graph_function

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

OF_THE_PROCESS = ("workers", "worker_timeout_s", "progress_timeout_s")
"""Keys of the section `train` in which workers that train together may differ."""
LABEL_KEY = "label"  # recipes.contract.LABEL_KEY; components know recipes by name only


@dataclass(frozen=True)
class Fitting:
    """A recipe that knows its features, the two splits, and what `fit` takes.

    Attributes:
        make_train: Makes the training split anew. A data set that was iterated over goes on shuffling where it stopped; a new
            one begins with the order of the first epoch.
        label_counts: Training examples of each class; empty where there are no classes.
        class_factors: Class id → how much an example counts, by train.class_weights or train.oversample; None: all alike.
    """

    recipe: Any
    transform_output: tft.TFTransformOutput
    make_train: Callable[[], tf.data.Dataset]
    eval: tf.data.Dataset
    label_counts: list[int]
    class_factors: dict[int, float] | None
    config: dict[str, Any]
    strategy: tf.distribute.Strategy

    @property
    def class_weight(self) -> dict[int, float] | None:
        """Class id → weight in the loss, as Keras takes it; None where none are asked for."""
        return None if self.config["train"]["class_weights"] == "none" else self.class_factors

    @property
    def class_counts(self) -> list[float]:
        """How much each class counts in the loss: its training examples, weighted. Empty where there are no classes."""
        return weighted(self.label_counts, self.class_factors)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """The recipe's model, which trains as the section `train` says.

        Raises: UserError as `apply_options`.
        """
        settings = self.config["train"]
        with building(settings, self.strategy):
            model: keras.Model = self.recipe.build(hp)
        apply_options(model, settings, self.strategy)
        return model

    def hypermodel(self) -> keras_tuner.HyperModel:
        """What KerasTuner searches: models as `build` makes them, fitted as the recipe does."""
        return _HyperModel(self)

    @property
    def train(self) -> tf.data.Dataset:
        """The training split, from its first epoch on."""
        return self.make_train()

    def monitor(self) -> tuple[str, str]:
        """(metric to watch, min or max): tune.objective, or the recipe's own."""
        return objective(self.config["tune"]["objective"], self.recipe)

    def early_stopping(self) -> list[keras.callbacks.EarlyStopping]:
        """The callback that train.early_stopping asks for; none if it is null."""
        settings = self.config["train"]["early_stopping"]
        if settings is None:
            return []
        metric, direction = objective(settings["monitor"], self.recipe)
        return [
            keras.callbacks.EarlyStopping(
                monitor=metric,
                mode=direction,
                patience=settings["patience"],
                min_delta=settings["min_delta"],
                restore_best_weights=True,
            )
        ]


class _HyperModel(keras_tuner.HyperModel):
    def __init__(self, fitting: Fitting) -> None:
        super().__init__()
        self._fitting = fitting

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        return self._fitting.build(hp)

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return self._fitting.recipe.fit(hp, model, *args, **kwargs)


def prepare(fn_args: FnArgs) -> Fitting:
    """Seeds everything, and prepares what the Tuner's and the Trainer's functions need.

    The same inputs, parameters and seed then give the same weights, to the last bit, unless train.deterministic is false.

    Raises: UserError as `create_strategy` and `require_same`.
    """
    import tensorflow_data_validation as tfdv

    config = fn_args.custom_config
    strategy = create_strategy(config["train"])  # first of all: it may change which devices there are
    keras.utils.clear_session()  # names of layers, which the model's digest covers, are numbered anew
    keras.utils.set_random_seed(config["seed"])
    if config["train"]["deterministic"]:
        tf.config.experimental.enable_op_determinism()
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)
    recipe = create_recipe(config, tfdv.load_schema_text(fn_args.schema_path))
    import_libraries(recipe.libraries)  # before the transform graph is loaded
    spec = transform_output.transformed_feature_spec()
    recipe.set_features({name: value for name, value in spec.items() if name != LABEL_KEY}, transform_output)
    batch_size = config["train"]["batch_size"]
    train_files, eval_files = expand(fn_args.train_files), expand(fn_args.eval_files)
    label = LABEL_KEY if LABEL_KEY in spec else None  # a recipe may learn from none
    files = [(Path(file).name, Path(file).stat().st_size) for file in (*train_files, *eval_files)]
    parameters = {**config, "train": {**config["train"], **dict.fromkeys(OF_THE_PROCESS)}}
    require_same(strategy, {"parameters": parameters, "hyperparameters": fn_args.hyperparameters, "examples": files})
    apply = graph_function(transform_output) if are_raw([*train_files, *eval_files]) else None
    columns = read_columns(train_files, spec, apply)  # once, for the counts and for training
    label_counts: list[int] = []
    if recipe.class_names:
        num_classes = len(recipe.class_names)
        label_counts = count_labels(train_files, spec, LABEL_KEY, num_classes, apply=apply, columns=columns)
    settings, names = config["train"], recipe.class_names
    weights = class_weights(settings["class_weights"], names, label_counts)
    factors = class_weights(settings["oversample"], names, label_counts, "train.oversample")
    if settings["initial_bias"] == "frequencies":
        recipe.set_class_counts(weighted(label_counts, weights or factors))
    return Fitting(
        recipe=recipe,
        transform_output=transform_output,
        make_train=partial(
            make_dataset,
            train_files,
            spec,
            label,
            batch_size,
            shuffle_seed=config["seed"],
            class_weights=factors,
            apply=apply,
            columns=columns,
        ),
        eval=make_dataset(eval_files, spec, label, max(batch_size, 1024), apply=apply),
        label_counts=label_counts,
        class_factors=weights or factors,
        config=config,
        strategy=strategy,
    )


def weighted(counts: Sequence[int], factors: Mapping[int, float] | None) -> list[float]:
    """Counts by class id, each times the class's factor."""
    return [count * (1.0 if factors is None else factors[each]) for each, count in enumerate(counts)]


class PublishProgress(keras.callbacks.Callback):
    """Tells whoever listens how each epoch ended; as a resumed training begins, again those that ended before the kill."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        history = self.model.history
        for index, epoch in enumerate(history.epoch):
            self._publish(epoch, {name: values[index] for name, values in history.history.items()}, again=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._publish(epoch, logs or {})

    def _publish(self, epoch: int, logs: Mapping[str, float], *, again: bool = False) -> None:
        metrics = {name: float(value) for name, value in logs.items()}
        progress.publish(metrics, epoch + 1, self.params["epochs"], again=again)


class Beat(keras.callbacks.Callback):
    """Counts the beginnings and ends of steps and epochs, by which the launcher of several workers sees that they get on."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        beat()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        beat()

    def on_test_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        beat()

    def on_test_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        beat()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        beat()

"""`forest.boosted_trees`: gradient boosted decision trees on the same examples, stages and signatures as networks."""

from __future__ import annotations

import abc
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import keras
import keras_tuner
import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.classification import Classifier
from recipes.contract import LABEL_KEY, InputKind, Recipe, RecipeError, Task, TaskKind, Trees
from recipes.forest.columns import group_column, make_columns, make_features
from recipes.forest.curves import answers_by_step, class_order
from recipes.forest.description import write_description
from recipes.forest.growing import PREFIX, grow, write_files
from recipes.forest.layer import LAYER, ForestLayer, ForestModel
from recipes.forest.measures import measures
from recipes.forest.ranking import Groups
from recipes.forest.table import Table, read_table
from recipes.label import label_feature, relevances
from recipes.raw import domain_of
from recipes.regression import Regressor

if TYPE_CHECKING:
    import tensorflow as tf

SHRINKAGE = 0.1
MAX_CURVE_ROWS = 100_000
"""The curves on train are measured on so many examples at most; those on eval on all."""
_MIN_EXAMPLES = (2, 5, 10, 20, 50)
_SHARES = (0.3, 0.5, 0.7, 0.85, 1.0)
_L2 = (0.0, 0.1, 1.0, 10.0)
_MAX_NUM_NODES = (8, 16, 31, 64, 128)


def boosted_trees(task: Task) -> BoostedTrees:
    """The recipe for the label that the pipeline has.

    Raises: RecipeError where params and schema do not agree.
    """
    wanted = task.model.task
    if wanted is None and task.label is not None:
        feature = label_feature(task.schema, task.label)
        counted = feature.type == schema_pb2.INT and domain_of(task.schema, feature) is not None
        wanted = "classification" if counted or feature.type == schema_pb2.BYTES else "regression"
    if wanted == "ranking":
        return BoostedTreesRanker(task)
    if task.model.group is not None:
        raise RecipeError(
            f"model.group: only a ranking compares examples of the same '{task.model.group}', and this is a {wanted}. "
            "Remove the key, or set model.task: ranking."
        )
    return BoostedTreesClassifier(task) if wanted == "classification" else BoostedTreesRegressor(task)


class BoostedTrees(Recipe):
    """Friedman's gradient boosting (2001), grown by YDF; after the tutorials estimator/boosted_trees and its understanding.

    A step of boosting, which is a tree (with more than two classes, one for each), is what an epoch is for networks: so
    train.epochs, early stopping by any metric, the curves, tune.epochs and Hyperband mean what they do there. Batches only
    bring the examples; YDF holds them all in memory. Hyperparameters are searched by KerasTuner as those of networks are: its
    search goes on after a kill, shows its trials and takes `tune.space`, and YDF's own, a random one, does none of that.

    Raises: RecipeError where params and schema do not agree.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._columns = make_columns(task.schema, self.label, task.transform, task.model.group)
        self._train: Table | None = None
        self._weights: np.ndarray | None = None

    @property
    def inputs(self) -> dict[str, InputKind]:
        """Every column that the trees see."""
        return {column.name: column.input for column in self._columns}

    @property
    def libraries(self) -> list[str]:
        """YDF's operation."""
        return ["ydf_tf"]

    def preprocessing_fn(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """See `Recipe`."""
        outputs = make_features(inputs, self._columns)
        if self.label in inputs:
            outputs[LABEL_KEY] = self._label(inputs[self.label])
        return outputs

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """A model without a forest yet, and without an optimizer."""
        params = self.task.model

        def choice(name: str, values: Sequence[float], default: float) -> Any:
            return hp.Choice(name, sorted({*values, default}), default=default)

        strategies = ["local", "best_first"]
        growing_strategy = hp.Choice("growing_strategy", strategies, default=params.growing_strategy)
        best_first = growing_strategy == "best_first"
        shrinkage = self.task.learning_rate
        if shrinkage is None:
            shrinkage = hp.Float("learning_rate", SHRINKAGE / 10, 3 * SHRINKAGE, sampling="log", default=SHRINKAGE)
        settings = {
            "growing_strategy": growing_strategy,
            "shrinkage": shrinkage,
            "max_depth": hp.Int("max_depth", 2, max(10, params.max_depth), default=params.max_depth),
            "min_examples": choice("min_examples", _MIN_EXAMPLES, params.min_examples),
            "subsample": choice("subsample", _SHARES, params.subsample),
            "feature_share": choice("feature_share", _SHARES, params.feature_share),
            "l2": choice("l2", _L2, params.l2),
            "max_num_nodes": choice("max_num_nodes", _MAX_NUM_NODES, params.max_num_nodes) if best_first else None,
            "min_category_count": params.min_category_count,
            "max_categories": params.max_categories,
            "seed": self.task.seed,
        }
        inputs = {
            column.feature: keras.Input((1,), dtype="float32" if column.kind == "number" else "string", name=column.feature)
            for column in self._columns
        }
        names = {column.feature: column.name for column in self._columns}
        forest = ForestLayer(names, self.class_names, settings, name=LAYER)
        return ForestModel(inputs=inputs, outputs=forest(inputs), name="boosted_trees")

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        train: tf.data.Dataset,
        *,
        validation_data: tf.data.Dataset | None = None,
        epochs: int = 1,
        initial_epoch: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        class_weight: Mapping[int, float] | None = None,
        **_: Any,
    ) -> keras.callbacks.History:
        """Grows the forest, then tells its steps as epochs, as if they happened one by one, to early stopping and all others.

        So the callbacks hear nothing before all `epochs` trees have grown, which takes seconds where networks take minutes,
        and early stopping saves no time; the forest is cut down to the steps that it keeps.

        Args:
            hp: Not needed any more.
            model: As `build` makes it.
            train: Batches of (features, label).
            validation_data: The same; metrics on it have the prefix `val_`.
            epochs: Steps of boosting.
            initial_epoch: The first that is told, counted from 0: Hyperband goes on there. The forest grows anew, the same.
            callbacks: As for Keras.
            class_weight: Class id → weight of its examples.
            _: What else Keras' `fit` takes: shuffle, verbose.
        """
        forest = model.forest
        table = self._table(train, "training")
        weights = None
        if class_weight is not None:
            weights = np.array([class_weight[index] for index in range(len(self.class_names))])[table.labels]
        grown = grow(forest.settings, table, self.label, self.class_names, weights, epochs)
        steps = self._curves(grown, table, weights, validation_data)
        history = model.fit(train, steps=steps, epochs=epochs, initial_epoch=initial_epoch, callbacks=callbacks)
        kept = int(forest.num_steps.numpy())
        with tempfile.TemporaryDirectory() as folder:
            write_files(grown, Path(folder), kept)
            forest.plant(Path(folder))
        self._train, self._weights = table, weights
        return history

    def explain(self, model: keras.Model) -> Trees:
        """Of classes what the trees add up to before the sigmoid or softmax, as `contributions` has it."""
        features, classes, trees = model.forest.columns, self.class_names, model.forest.trees
        if len(classes) <= 2:
            return Trees(features, PREFIX, sign=-1 if classes and trees.label_classes()[1] != classes[1] else 1)
        num_met = len(trees.label_classes())
        return Trees(features, PREFIX, [-1 if place == num_met else place for place in class_order(trees, classes)])

    def describe(self, model: keras.Model, folder: Path, examples: tf.data.Dataset) -> None:
        """Importances, contributions, the linear baseline, and the forest itself in words; see `write_description`."""
        evaluation = self._table(examples, "eval")
        write_description(
            folder, model.forest.trees, self.label, self.class_names, self._train, self._weights, evaluation, self.task.seed
        )

    def _curves(
        self, grown: Any, table: Table, weights: np.ndarray | None, validation_data: tf.data.Dataset | None
    ) -> list[dict[str, float]]:
        """Metrics of each step."""
        rows = table.sample_rows(MAX_CURVE_ROWS, self.task.seed)
        shown, shown_weights = table.take(rows), None if weights is None else weights[rows]
        names = self.class_names
        steps = [
            measures(shown.labels, each, names, shown_weights, shown.groups)
            for each in answers_by_step(grown, shown, self.label, names)
        ]
        if validation_data is not None:
            evaluation = self._table(validation_data, "eval")
            for step, each in zip(steps, answers_by_step(grown, evaluation, self.label, names), strict=True):
                found = measures(evaluation.labels, each, names, groups=evaluation.groups)
                step |= {f"val_{name}": value for name, value in found.items()}
        return steps

    def _table(self, examples: tf.data.Dataset, split: str) -> Table:
        """All of a split, which is called `split` in messages."""
        return read_table(examples, self._columns)

    @abc.abstractmethod
    def _label(self, raw: Any) -> tf.Tensor:
        """The raw label as [batch, 1]: class ids, or numbers."""


class BoostedTreesClassifier(BoostedTrees, Classifier):
    """See `Classifier`."""

    def _label(self, raw: Any) -> tf.Tensor:
        return self.label_ids(raw)


class BoostedTreesRegressor(Regressor, BoostedTrees):
    """Minimises the squared error, in the label's units."""

    otherwise = "or set model.task: classification"


class BoostedTreesRanker(BoostedTrees):
    """Orders the examples of a group, the most relevant first: LambdaMART (Burges 2010) on NDCG.

    The label is the relevance. Trees see single examples, so serving needs no group.

    Raises: RecipeError if the label is no number, or the group no column.
    """

    objective_direction: Literal["min", "max"] = "max"

    def __init__(self, task: Task) -> None:
        self._group = group_column(task.schema, task.label or "", task.model.group)
        super().__init__(task)
        self.objective = f"val_{self.key_metric}"
        feature = label_feature(task.schema, self.label)
        if feature.type not in (schema_pb2.FLOAT, schema_pb2.INT):
            raise RecipeError(
                f"data.label: the label '{self.label}' has the type {schema_pb2.FeatureType.Name(feature.type)}. A ranking "
                "needs the relevance as FLOAT or INT. Cast the column (data.cast), or set model.task: classification."
            )

    @property
    def kind(self) -> TaskKind:
        """An order within groups."""
        return "ranking"

    @property
    def key_metric(self) -> str:
        """NDCG of the first places, as many as the trees are grown by."""
        return f"ndcg_{self.task.model.ndcg_truncation}"

    @property
    def group(self) -> str:
        """See `Recipe`."""
        return self._group.name

    def preprocessing_fn(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """See `Recipe`; the group comes along where it is known, as it is in training."""
        outputs = super().preprocessing_fn(inputs)
        return outputs | make_features(inputs, (self._group,)) if self.group in inputs else outputs

    def set_features(self, feature_spec: Mapping[str, Any], transform_output: Any) -> None:
        """See `Recipe`; the model takes no group."""
        without = {name: spec for name, spec in feature_spec.items() if name != self._group.feature}
        super().set_features(without, transform_output)

    def outputs(self, predictions: tf.Tensor) -> dict[str, tf.Tensor]:
        """`prediction`, the score: the greatest of a group comes first."""
        return {"prediction": predictions}

    def _table(self, examples: tf.data.Dataset, split: str) -> Table:
        table = read_table(examples, (*self._columns, self._group))
        columns = dict(table.columns)
        values = columns.pop(self.group)
        if (missing := int((values == b"").sum())) > 0:
            raise RecipeError(
                f"model.group: {missing:,} of {len(table):,} {split} examples have no '{self.group}'. Expected one in each: "
                "fill or drop them (data), or name another column."
            )
        groups = Groups(np.unique(values, return_inverse=True)[1], self.task.model.ndcg_truncation)
        if np.isnan(groups.ndcg(table.labels, table.labels)).all():
            raise RecipeError(
                f"model.group: in none of the {groups.ids.max() + 1:,} groups of the {len(table):,} {split} examples does "
                f"'{self.label}' differ, so there is no order to learn. Expected groups of several examples: name another "
                f"column, or keep groups whole (data.split.key: [{self.group}])."
            )
        return Table(columns, table.labels, groups)

    def _label(self, raw: Any) -> tf.Tensor:
        return relevances(raw)

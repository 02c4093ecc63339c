"""Forests on real rows, without Transform: the features are what the preprocessing function makes of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

ROOT = Path(__file__).parents[3]
SCHEMAS = {"creditability": "credit", "species": "penguins", "mpg": "mpg"}
FILES = {"credit": "credit/german_credit.csv", "penguins": "penguins/penguins.csv", "mpg": "mpg/auto_mpg.csv"}


def make_recipe(
    label: str, *, seed: int = 7, learning_rate: float | None = None, transform: dict[str, Any] | None = None, **model: Any
) -> Any:
    """The recipe for a label of credit (two classes), penguins (three) or mpg (a number)."""
    from recipes.contract import Task
    from recipes.forest.boosted_trees import boosted_trees
    from recipes.forest.params import ModelParams, TransformParams

    schema = text_format.Parse((ROOT / f"schemas/{SCHEMAS[label]}.pbtxt").read_text(), schema_pb2.Schema())
    params = (TransformParams.model_validate(transform or {}), ModelParams.model_validate(model))
    return boosted_trees(Task(label, schema, *params, learning_rate, seed))


@dataclass(frozen=True)
class Fitted:
    """A recipe, and the model that it fitted on two thirds of the rows.

    Attributes:
        train, evaluation: Batches of (features, label).
    """

    recipe: Any
    model: Any
    train: Any
    evaluation: Any
    history: Any


def features_of(label: str, recipe: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """All rows: transformed features [rows, 1], and labels [rows, 1]."""
    import tensorflow as tf

    with (ROOT / "data" / FILES[SCHEMAS[label]]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    raw = {}
    for feature in recipe.task.schema.feature:
        values = [row[feature.name].removeprefix("NA") for row in rows]
        if feature.type == schema_pb2.BYTES:
            raw[feature.name] = tf.constant(values)[:, tf.newaxis]
        else:
            raw[feature.name] = tf.constant([float(value or "nan") for value in values], tf.float32)[:, tf.newaxis]
    outputs = {name: value.numpy() for name, value in recipe.preprocessing_fn(raw).items()}
    return outputs, outputs.pop("label")


def fit(label: str, recipe: Any, *, epochs: int = 20, hp: Any = None, **arguments: Any) -> Fitted:
    """Builds and fits, every third row being eval."""
    import keras_tuner
    import tensorflow as tf

    features, labels = features_of(label, recipe)
    is_eval = np.arange(len(labels)) % 3 == 0

    def dataset(rows: np.ndarray) -> Any:
        taken = {name: values[rows] for name, values in features.items()}
        return tf.data.Dataset.from_tensor_slices((taken, labels[rows])).batch(100)

    train, evaluation = dataset(~is_eval), dataset(is_eval)
    hp = hp or keras_tuner.HyperParameters()
    model = recipe.build(hp)
    history = recipe.fit(hp, model, train, validation_data=evaluation, epochs=epochs, **arguments)
    return Fitted(recipe, model, train, evaluation, history)


@pytest.fixture(scope="session")
def fitted() -> Callable[[str], Fitted]:
    """label → a forest of 20 steps, made once. Read only."""
    made: dict[str, Fitted] = {}

    def get(label: str) -> Fitted:
        if label not in made:
            made[label] = fit(label, make_recipe(label))
        return made[label]

    return get


@pytest.fixture(scope="session")
def forest() -> Any:
    """`make_recipe`, `fit` and `features_of`; rootdir conftests cannot be imported."""
    from types import SimpleNamespace

    return SimpleNamespace(make_recipe=make_recipe, fit=fit, features_of=features_of)

"""What the trees go by: over all examples, and for one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recipes.forest.curves import answers, class_order
from recipes.forest.measures import key_measure, measures
from recipes.forest.table import Table

NUM_PERMUTATIONS = 5


@dataclass(frozen=True)
class Contributions:
    """Which part of each answer is owed to which feature: SHAP values (Lundberg & Lee 2017; for trees, Lundberg et al. 2020).

    They and `bias` add up to what the trees add up to, which for classes is the answer before the sigmoid or softmax. (The
    directional feature contributions of TensorFlow's estimators, which they stand in for, added up to the probability.)

    Attributes:
        features: Names.
        values: Float64 [examples, features, outputs]: of two classes of the second one, of more of each, or of the number.
        bias: Float64 [outputs]: the answer to an example of which nothing is known.
    """

    features: list[str]
    values: np.ndarray
    bias: np.ndarray

    def mean_absolute(self) -> np.ndarray:
        """[features]: how far a feature moves an answer, of all outputs together."""
        return np.abs(self.values).sum(axis=2).mean(axis=0)


def contributions(model: Any, table: Table, classes: Sequence[str]) -> Contributions:
    """SHAP values of the examples.

    Args:
        model: YDF's.
        table: The examples.
        classes: Names by id; empty for a regression.
    """
    found, bias = model.predict_shap(table.columns)
    zeros = np.zeros(np.shape(next(iter(found.values()))))
    features = list(table.columns)
    values = np.stack([found.get(name, zeros) for name in features], axis=1).astype(np.float64)
    values = values.reshape(len(table), len(features), -1)
    bias = np.asarray(bias, np.float64).reshape(-1)
    if len(classes) == 2 and model.label_classes()[1] != classes[1]:
        return Contributions(features, -values, -bias)
    if len(classes) > 2 and values.shape[2] == len(model.label_classes()):
        order = class_order(model, classes)
        values = np.append(values, np.zeros((*values.shape[:2], 1)), axis=2)[:, :, order]
        bias = np.append(bias, 0.0)[order]
    return Contributions(features, values, bias)


def structure(model: Any, features: Sequence[str]) -> dict[str, np.ndarray]:
    """`gain` (by how much the splits on a feature lessen the loss) and `num_nodes` (how many there are), [features]."""
    told = model.variable_importances()

    def of(kind: str) -> np.ndarray:
        values = {name: value for value, name in told.get(kind, [])}
        return np.array([values.get(name, 0.0) for name in features])

    return {"gain": of("SUM_SCORE"), "num_nodes": of("NUM_NODES")}


def permutation(model: Any, table: Table, classes: Sequence[str], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How much worse the key metric gets when a feature's values change places among the examples (Breiman 2001).

    Returns: Mean and standard deviation over several permutations, float64 [features].
    """
    name, sign = key_measure(classes, table.groups), 1.0 if classes or table.groups is not None else -1.0
    random = np.random.default_rng(seed)
    whole = _measured(model, table, classes)[name]

    def worse(changed: Table) -> float:
        return sign * (whole - _measured(model, changed, classes)[name])

    def permuted(feature: str) -> Table:
        return Table({**table.columns, feature: random.permutation(table.columns[feature])}, table.labels, table.groups)

    losses = [[worse(permuted(feature)) for _ in range(NUM_PERMUTATIONS)] for feature in table.columns]
    return np.mean(losses, axis=1), np.std(losses, axis=1)


def _measured(model: Any, table: Table, classes: Sequence[str]) -> dict[str, float]:
    return measures(table.labels, answers(model, table, classes), classes, groups=table.groups)

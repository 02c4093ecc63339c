"""What a forest answers after each step of boosting, without growing it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from recipes.forest.growing import ydf_data
from recipes.forest.table import Table


def answers_by_step(model: Any, table: Table, label: str, classes: Sequence[str]) -> Iterator[np.ndarray]:
    """After each step: probabilities [examples, classes], or numbers [examples, 1].

    A tree adds the value of the leaf that an example comes to; nothing else changes from step to step.

    Args:
        model: As `growing.grow` makes it.
        table: The examples.
        label: Its name.
        classes: Names by id; empty for a regression.
    """
    data = ydf_data(table, label, classes)
    # YDF wants the columns of the training data, the weights among them.
    data |= {column.name: np.ones(len(table), np.float32) for column in model.data_spec().columns if column.name not in data}
    leaves = model.predict_leaves(data)
    per_step = model.num_trees_per_iteration()
    raw = np.tile(np.asarray(model.initial_predictions(), np.float32), (len(table), 1))
    for index, tree in enumerate(model.iter_trees()):
        values = np.array(_leaf_values(tree.root), np.float32)
        raw[:, index % per_step] += values[leaves[:, index]]
        if (index + 1) % per_step == 0:
            yield to_answers(model, raw, classes)


def to_answers(model: Any, raw: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Sums of leaves [examples, trees a step] → probabilities in the order of `classes`, or the numbers that they are."""
    if not classes:
        return raw.copy()
    if raw.shape[1] == 1:
        second = 1.0 / (1.0 + np.exp(-raw[:, 0]))
        known = np.stack([1.0 - second, second], axis=1)
    else:
        exponentials = np.exp(raw - raw.max(axis=1, keepdims=True))
        known = exponentials / exponentials.sum(axis=1, keepdims=True)
    return in_order(model, known, classes)


def in_order(model: Any, known: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Probabilities of the classes that YDF met, in its order → of all, in ours; 0 for those that training had none of."""
    return np.append(known, np.zeros((len(known), 1), known.dtype), axis=1)[:, class_order(model, classes)]


def class_order(model: Any, classes: Sequence[str]) -> list[int]:
    """For each class, its place among those that YDF met, or the place after the last."""
    met = model.label_classes()
    return [met.index(name) if name in met else len(met) for name in classes]


def answers(model: Any, table: Table, classes: Sequence[str]) -> np.ndarray:
    """What the whole forest answers, as `answers_by_step` has it."""
    predictions = np.asarray(model.predict(table.columns))
    if not classes:
        return predictions.reshape(-1, 1)
    known = np.stack([1.0 - predictions, predictions], axis=1) if predictions.ndim == 1 else predictions
    return in_order(model, known, classes)


def _leaf_values(node: Any) -> list[float]:
    """Of the leaves from left to right: YDF counts them depth first, the negative child before the positive one."""
    stack, values = [node], []
    while stack:
        node = stack.pop()
        if node.is_leaf:
            values.append(node.value.value)
        else:
            stack += [node.pos_child, node.neg_child]
    return values

"""What attributions of transformed features say of the raw columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from recipes.tabular.plan import MISSING_KEY, NUMERIC_KEY

if TYPE_CHECKING:
    from recipes.tabular.plan import Plan


def embedding_layers(model: keras.Model) -> dict[str, list[str]]:
    """Transformed feature of ids → names of the layers that look them up, as `Network` calls them."""
    names = {layer.name for layer in model.layers if isinstance(layer, keras.layers.Embedding)}
    found = {each.name: [f"{each.name}_embedding", f"{each.name}_weights"] for each in model.inputs}
    return {feature: [name for name in layers if name in names] for feature, layers in found.items() if names & set(layers)}


def by_column(plan: Plan, attributions: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Transformed feature → float32 [batch, n] becomes raw column → float32 [batch].

    A number has its z-score, the pieces of its curve and whether it is missing; a cross is shared evenly by its columns.
    """
    parts: dict[str, list[tf.Tensor]] = {}

    def add(column: str, values: tf.Tensor) -> None:
        parts.setdefault(column, []).append(values)

    start = len(plan.numbers)
    for index, number in enumerate(plan.numbers):
        numeric = attributions[NUMERIC_KEY]
        add(number.column, numeric[:, index])
        if number.num_buckets:
            width = number.num_buckets - 2
            add(number.column, tf.reduce_sum(numeric[:, start : start + width], axis=1))
            start += width
    for index, number in enumerate(number for number in plan.numbers if number.indicator):
        add(number.column, attributions[MISSING_KEY][:, index])
    for category in plan.categories:
        add(category.column, attributions[category.name][:, 0])
    for cross in plan.crosses:
        for member in cross.categories:
            add(member.column, attributions[cross.name][:, 0] / float(len(cross.categories)))
    return {column: tf.add_n(values) for column, values in parts.items()}

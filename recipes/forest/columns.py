"""What becomes of each column, from the schema and the params alone, and their tensors in TFT's graph."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import LABEL_KEY, RecipeError
from recipes.forest.params import TransformParams
from recipes.raw import FeatureNames, RawTensor, columns_of, dense_number, dense_string

if TYPE_CHECKING:
    from recipes.contract import InputKind


GROUP_KEY = "ranking_group"
"""Name of the group of a ranking among the transformed features."""


@dataclass(frozen=True)
class Column:
    """A column that the trees see, or the group of a ranking.

    Attributes:
        name: In the data, and in the forest.
        feature: The transformed feature: as the column, but safe as the name of a Keras input.
        kind: `number` (float32, NaN where missing) or `category` (string, "" where missing).
        input: What a served model takes.
    """

    name: str
    feature: str
    kind: Literal["number", "category"]
    input: InputKind


def make_columns(
    schema: schema_pb2.Schema, label: str, params: TransformParams, group: str | None = None
) -> tuple[Column, ...]:
    """Every column of the schema but the label, the group of a ranking and the ignored ones, in its order.

    Raises: RecipeError, listing every mistake in `params` that shows only against the schema.
    """
    known = columns_of(schema)
    problems = _unknown(known, label, params)
    names = FeatureNames(LABEL_KEY, *([] if group is None else [GROUP_KEY]))
    columns = []
    for name, feature in known.items():
        if name in (label, group) or name in params.ignore or feature.type == schema_pb2.TYPE_UNKNOWN:
            continue
        if feature.type not in (schema_pb2.FLOAT, schema_pb2.INT, schema_pb2.BYTES):
            kind = schema_pb2.FeatureType.Name(feature.type)
            problems.append(
                f"transform: column '{name}' has the type {kind}. Expected FLOAT, INT or BYTES. Ignore the column."
            )
            continue
        if name in params.categories and feature.type == schema_pb2.FLOAT:
            problems.append(
                f"transform.categories: column '{name}' has the type FLOAT. Expected INT (BYTES always are categories). Leave "
                "it out, or cast the column (data.cast)."
            )
        is_category = feature.type == schema_pb2.BYTES or name in params.categories or feature.int_domain.is_categorical
        columns.append(
            Column(
                name,
                names.claim(name),
                "category" if is_category else "number",
                "string" if feature.type == schema_pb2.BYTES else "number",
            )
        )
    if not columns and not problems:
        problems.append(f"transform.ignore: no column is left to learn from but the label '{label}'. Ignore fewer columns.")
    if problems:
        raise RecipeError("\n".join(problems))
    return tuple(columns)


def group_column(schema: schema_pb2.Schema, label: str, group: str | None) -> Column:
    """The column that says which examples a ranking compares; no tree sees it.

    Raises: RecipeError if nobody named it, or if it can't be that.
    """
    known = columns_of(schema)
    names = ", ".join(name for name in known if name != label)
    if group is None:
        raise RecipeError(
            "model.group: a ranking orders examples among those of their group, and nothing says which these are. Expected "
            f"the name of a column, such as that of a query, which the examples of a group share. Known: {names}."
        )
    if group == label:
        raise RecipeError(
            f"model.group: '{group}' is the label. Expected the column whose value the examples of a group share."
        )
    if group not in known:
        close = difflib.get_close_matches(group, known, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise RecipeError(f"model.group: the schema has no column '{group}'.{hint} Known: {names}.")
    kind = known[group].type
    if kind not in (schema_pb2.INT, schema_pb2.BYTES):
        raise RecipeError(
            f"model.group: column '{group}' has the type {schema_pb2.FeatureType.Name(kind)}. Expected INT or BYTES. Cast the "
            "column (data.cast), or name another one."
        )
    return Column(group, GROUP_KEY, "category", "string" if kind == schema_pb2.BYTES else "number")


def make_features(inputs: Mapping[str, RawTensor], columns: tuple[Column, ...]) -> dict[str, tf.Tensor]:
    """Feature → float32 or string [batch, 1]. Nothing is analysed: what trees must know of the data, they learn themselves."""
    return {
        column.feature: tf.cast(dense_number(inputs[column.name]), tf.float32)
        if column.kind == "number"
        else dense_string(inputs[column.name])
        for column in columns
    }


def _unknown(known: Mapping[str, Any], label: str, params: TransformParams) -> list[str]:
    problems = []
    for key, names in (("transform.ignore", params.ignore), ("transform.categories", params.categories)):
        for name in names:
            if name == label:
                problems.append(f"{key}: '{name}' is the label, which is no feature. Leave it out.")
            elif name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean '{close[0]}'?" if close else ""
                features = ", ".join(each for each in known if each != label)
                problems.append(f"{key}: the schema has no column '{name}'.{hint} Known: {features}.")
    problems += [
        f"transform.categories: '{name}' is also in transform.ignore. Name it in one of the two."
        for name in params.categories
        if name in params.ignore
    ]
    return problems

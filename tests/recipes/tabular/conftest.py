"""Runs TFT in memory, as TFX's Transform would, over real rows and over a table made to be difficult."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import Recipe, Task
from recipes.tabular.params import ModelParams, TransformParams
from tests.recipes import transforming

ROOT = Path(__file__).parents[3]
_ARROW_TYPES: dict[int, tuple[pa.DataType, Callable[[str], Any]]] = {
    schema_pb2.INT: (pa.list_(pa.int64()), int),
    schema_pb2.FLOAT: (pa.list_(pa.float32()), float),
    schema_pb2.BYTES: (pa.list_(pa.binary()), str.encode),
}

Table = Mapping[str, list[str]]
"""Column → its values as text; "" is missing."""


@dataclass(frozen=True)
class Transformed:
    """What Transform made of a table.

    Attributes:
        features: Transformed feature → array [rows, n], the label among them.
        output: The tft.TFTransformOutput.
        recipe: The recipe, its features set.
    """

    features: dict[str, np.ndarray]
    output: Any
    recipe: Recipe

    def serve(self, table: Table) -> dict[str, np.ndarray]:
        """The transform graph on other rows, without the label, as the exported model runs it."""
        import tensorflow as tf

        spec = self.output.raw_feature_spec()
        spec.pop(self.recipe.task.label)
        rows = len(next(iter(table.values())))
        features = {}
        for name, raw in spec.items():
            column = tf.constant(table.get(name, [""] * rows))[:, tf.newaxis]
            indices = tf.where(column != "")
            values = tf.gather_nd(column, indices)
            values = values if raw.dtype == tf.string else tf.strings.to_number(values, raw.dtype)
            features[name] = tf.SparseTensor(indices, values, column.shape)
        transformed = self.output.transform_features_layer()(features)
        return {name: value.numpy() for name, value in transformed.items()}


def read_schema(name: str) -> schema_pb2.Schema:
    return text_format.Parse((ROOT / f"schemas/{name}.pbtxt").read_text(), schema_pb2.Schema())


def read_table(path: str) -> Table:
    with (ROOT / path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: [row[column].removeprefix("NA") for row in rows] for column in rows[0]}


def analyse_and_transform(recipe: Recipe, table: Table, folder: Path) -> Transformed:
    """Transforms `table` by what it holds itself, and tells the recipe its features."""
    schema = recipe.task.schema
    arrays = {}
    for feature in schema.feature:
        arrow_type, convert = _ARROW_TYPES[feature.type]
        arrays[feature.name] = pa.array([[convert(value)] if value else None for value in table[feature.name]], arrow_type)
    batch = pa.RecordBatch.from_pydict(arrays)
    parts, output = transforming.analyse_and_transform(recipe, schema, batch, folder)
    spec = output.transformed_feature_spec()
    features = {
        name: np.concatenate([part.column(name).flatten().to_numpy() for part in parts]).reshape(-1, *spec[name].shape)
        for name in spec
    }
    recipe.set_features({name: value for name, value in spec.items() if name != "label"}, output)
    return Transformed(features, output, recipe)


@pytest.fixture(scope="session")
def transform() -> Callable[[Recipe, Table, Path], Transformed]:
    """`analyse_and_transform`; rootdir conftests cannot be imported."""
    return analyse_and_transform


@pytest.fixture(scope="session")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    from recipes.tabular.classifier import TabularClassifier

    task = Task("species", read_schema("penguins"), TransformParams(), ModelParams(), seed=7)
    table = read_table("data/penguins/penguins.csv")
    return analyse_and_transform(TabularClassifier(task), table, tmp_path_factory.mktemp("penguins"))

"""Runs TFT in memory, as TFX's Transform would, over a few texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import Task
from recipes.text.params import ModelParams, TransformParams
from tests.recipes import transforming

SCHEMA = """
feature { name: "review" type: BYTES natural_language_domain {} }
feature { name: "review_num_words" type: INT }
feature { name: "mood" type: BYTES string_domain { value: "bad" value: "good" } }
feature { name: "stars" type: INT int_domain { min: 1 max: 3 } }
"""
VOCABULARY = ("good", "bad", "film", "##<goo", "good film", "the")


@dataclass(frozen=True)
class Transformed:
    """What TFT made of texts.

    Attributes:
        features: Transformed feature → a list a row, None where a row has none.
        output: The tft.TFTransformOutput.
        recipe: The recipe, its features set.
        folder: The transform graph.
    """

    features: dict[str, list[Any]]
    output: Any
    recipe: Any
    folder: Path

    def serve(self, texts: Sequence[str]) -> Any:
        """The transform graph on other texts, without the label, as the exported model runs it; "" is missing."""
        import tensorflow as tf

        column = tf.constant(texts)[:, tf.newaxis]
        indices = tf.where(column != "")
        review = tf.SparseTensor(indices, tf.gather_nd(column, indices), tf.cast(tf.shape(column), tf.int64))
        return self.output.transform_features_layer()({"review": review})


def create(transform: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **task: Any) -> Any:
    from recipes.text.classifier import TextClassifier

    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    sections = TransformParams.model_validate(transform or {}), ModelParams.model_validate(model or {})
    return TextClassifier(
        Task(**{"label": "mood", "seed": 7, **task}, schema=schema, transform=sections[0], model=sections[1])
    )


def create_with_vocabulary(
    model: dict[str, Any] | None = None, vocabulary: Sequence[str] = VOCABULARY, ordered: bool = False, **task: Any
) -> Any:
    import tensorflow as tf

    transform = {"tokenizer": {"kind": "words", "ngrams": 1, "subwords": None}} if ordered else {}
    recipe = create(transform, model, **task)
    output = SimpleNamespace(vocabulary_by_name=lambda name: [token.encode() for token in vocabulary])
    recipe.set_features({"tokens": tf.io.VarLenFeature(tf.int64)}, output)
    return recipe


def analyse_and_transform(recipe: Any, texts: Sequence[str | None], moods: Sequence[str], folder: Path) -> Transformed:
    schema = schema_pb2.Schema()
    schema.CopyFrom(recipe.task.schema)
    for name in ("stars", "review_num_words"):
        schema.feature.remove(next(feature for feature in schema.feature if feature.name == name))
    values = {
        "review": [None if text is None else [text.encode()] for text in texts],
        "mood": [[mood.encode()] for mood in moods],
    }
    batch = pa.RecordBatch.from_pydict({name: pa.array(column, pa.list_(pa.binary())) for name, column in values.items()})
    parts, output = transforming.analyse_and_transform(recipe, schema, batch, folder)
    spec = output.transformed_feature_spec()
    features = {name: [row for part in parts for row in part.column(name).to_pylist()] for name in spec}
    recipe.set_features({name: value for name, value in spec.items() if name != "label"}, output)
    return Transformed(features, output, recipe, folder / "graph")


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., Any]:
    """`create(transform, model, **task)`: a recipe that has not been told its features."""
    return create


@pytest.fixture(scope="session")
def make_buildable() -> Callable[..., Any]:
    """`create_with_vocabulary(model, vocabulary, ordered, **task)`: a recipe that can build; `ordered`: words alone."""
    return create_with_vocabulary


@pytest.fixture(scope="session")
def transform() -> Callable[..., Transformed]:
    """`analyse_and_transform`; rootdir conftests cannot be imported."""
    return analyse_and_transform

"""Pictures made here, the schema that goes with them, and TFT in memory, as TFX's Transform would run it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import Task
from recipes.image.classifier import ImageClassifier
from recipes.image.params import ModelParams, TransformParams
from tests.recipes import transforming

SCHEMA = """
feature { name: "picture" type: BYTES image_domain {} }
feature { name: "picture_width" type: INT }
feature { name: "side" type: BYTES string_domain { value: "left" value: "right" } }
feature { name: "corner" type: BYTES string_domain { value: "a" value: "b" value: "c" } }
"""
SIZE = 12


def make_recipe(label: str = "side", *, seed: int = 7, transform: Any = None, **model: Any) -> ImageClassifier:
    """A recipe that knows its features: images of 12 × 12 × 1, unless `transform` says other."""
    task = Task(
        label,
        text_format.Parse(SCHEMA, schema_pb2.Schema()),
        TransformParams.model_validate({"height": SIZE, "width": SIZE, "channels": 1, **(transform or {})}),
        ModelParams.model_validate({"filters": [8, 8], "blocks": 1, **model}),
        seed=seed,
    )
    recipe = ImageClassifier(task)
    shape = [task.transform.height, task.transform.width, task.transform.channels]
    recipe.set_features({"image": tf.io.FixedLenFeature(shape, tf.float32)}, SimpleNamespace())
    return recipe


def make_images(rows: int = 96, classes: int = 2, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright square whose place tells the class: float32 [rows, 12, 12, channels], int64 [rows, 1]."""
    random = np.random.default_rng(0)
    labels = random.integers(classes, size=(rows, 1))
    images = 0.5 * random.random((rows, SIZE, SIZE, channels), np.float32)
    for image, (label,) in zip(images, labels, strict=True):
        image[4:8, 4 * label : 4 * label + 4] += 0.4
    return images, labels


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """An image file of uint8 [height, width] or [height, width, channels]."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def transform(recipe: ImageClassifier, columns: dict[str, Sequence[bytes]], folder: Path) -> tuple[dict[str, Any], Any]:
    """(transformed features by name, the tft.TFTransformOutput) of columns of bytes, as Transform makes them."""
    schema = schema_pb2.Schema()
    schema.CopyFrom(recipe.task.schema)
    for index in reversed(range(len(schema.feature))):
        if schema.feature[index].name not in columns:
            del schema.feature[index]
    batch = pa.RecordBatch.from_pydict({name: pa.array([[v] for v in values]) for name, values in columns.items()})
    parts, output = transforming.analyse_and_transform(recipe, schema, batch, folder)
    spec = output.transformed_feature_spec()
    features = {
        name: np.concatenate([part.column(name).flatten().to_numpy() for part in parts]).reshape(-1, *spec[name].shape)
        for name in spec
    }
    return features, output


@pytest.fixture(scope="session")
def image_tools() -> Any:
    """The functions above; rootdir conftests cannot be imported."""
    return SimpleNamespace(recipe=make_recipe, images=make_images, encode=encode, transform=transform)


@pytest.fixture
def fit() -> Callable[..., Any]:
    """Builds a recipe's model and fits it: (model, history)."""
    import keras
    import keras_tuner

    def run(recipe: ImageClassifier, images: np.ndarray, labels: np.ndarray, epochs: int = 1, **kwargs: Any) -> Any:
        keras.utils.set_random_seed(0)
        hp = keras_tuner.HyperParameters()
        model = recipe.build(hp)
        dataset = tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(32)
        history = recipe.fit(hp, model, dataset, validation_data=dataset, epochs=epochs, shuffle=False, verbose=0, **kwargs)
        return model, history

    return run

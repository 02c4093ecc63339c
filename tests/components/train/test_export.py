"""The exported model: both signatures and the `.keras` file answer alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def raw_columns(examples: list[bytes], signature: dict) -> dict:
    import tensorflow as tf

    columns = {}
    for name, spec in signature.items():
        values = []
        for serialized in examples:
            feature = tf.train.Example.FromString(serialized).features.feature.get(name)
            found = [*feature.int64_list.value, *feature.float_list.value, *feature.bytes_list.value] if feature else []
            values.append([found[0] if found else (b"" if spec.dtype == tf.string else float("nan"))])
        columns[name] = tf.constant(values, spec.dtype)
    return columns


def test_signatures_and_keras_agree(penguins: Path) -> None:
    import keras
    import tensorflow as tf
    import tensorflow_transform as tft

    from components.examples_table import read_serialized

    folder = penguins / "artifacts" / "penguins"
    examples = next(read_serialized(folder / "examples", "test"))
    model = tf.saved_model.load(str(folder / "model" / "Format-Serving"))
    served = model.signatures["serving_default"](examples=tf.constant(examples))
    assert sorted(served) == ["label", "probabilities"]
    assert served["probabilities"].shape == (len(examples), 3)

    signature = model.signatures["serve_raw"].structured_input_signature[1]
    raw = model.signatures["serve_raw"](**raw_columns(examples, signature))
    np.testing.assert_array_equal(served["label"], raw["label"])
    np.testing.assert_allclose(served["probabilities"], raw["probabilities"], atol=1e-6)

    transform = tft.TFTransformOutput(str(folder / "transform_graph"))
    parsed = tf.io.parse_example(examples, transform.raw_feature_spec())
    features = dict(transform.transform_raw_features(parsed))
    labels = features.pop("label")
    np.testing.assert_array_equal(model.transform_labels(tf.constant(examples))["label"], labels)
    keras_model = keras.saving.load_model(folder / "model" / "keras" / "model.keras", safe_mode=True)
    by_keras = np.asarray(keras_model(features, training=False))
    assert by_keras.argmax(axis=1).tolist() == np.asarray(served["probabilities"]).argmax(axis=1).tolist()


def test_the_transform_graph_is_written_without_a_layer_of_keras(penguins: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    folder = penguins / "artifacts" / "penguins" / "model" / "Format-Serving"
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    nodes = saved.meta_graphs[0].object_graph_def.nodes
    assert [each.user_object.identifier for each in nodes if "keras" in each.user_object.identifier] == []


def test_model_json_says_what_the_model_is(penguins: Path) -> None:
    description = json.loads((penguins / "artifacts" / "penguins" / "model" / "model.json").read_text())
    digest = description.pop("digest")
    num_parameters = description.pop("num_parameters")
    curve = description.pop("learning_curve")
    explain = description.pop("explain")
    assert (explain["method"], explain["form"]) == ("integrated_gradients", "table")
    assert sorted(explain["columns"].values()) == sorted(description["inputs"])
    assert curve.keys() == {"verdict", "told"}
    assert "in epoch " in curve["told"]
    assert len(digest) == 64
    assert num_parameters > 0
    assert description == {
        "recipe": "tabular.classifier",
        "kind": "multiclass",
        "key_metric": "accuracy",
        "metrics": [],
        "class_names": ["Adelie", "Chinstrap", "Gentoo"],
        "label": "species",
        "group": None,
        "inputs": {
            "bill_depth_mm": "number",
            "bill_length_mm": "number",
            "body_mass_g": "number",
            "flipper_length_mm": "number",
            "island": "string",
            "sex": "string",
        },
        "libraries": [],
    }

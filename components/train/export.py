"""Writes the model: a SavedModel that contains the transform graph, the `.keras` file beside it, and what they are."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.errors import TensorlineError
from components.train.datasets import densify
from components.train.explaining import SIGNATURE as EXPLAIN
from components.train.explaining import explanation
from components.train.keras_archive import make_reproducible, number_shared_objects
from components.train.learning_curve import Judgement

MODEL_FILE = "model.json"
KERAS_FILE = "keras/model.keras"

_RAW_DTYPES = {tf.int64: tf.float64, tf.float32: tf.float32, tf.string: tf.string}
"""dtype of a feature → dtype in `serve_raw`. An integer has no value for "missing", a float has NaN, and float64 holds every
integer up to 2^53."""

_as_it_is = tf.autograph.experimental.do_not_convert
"""AutoGraph rewrites Python that depends on tensors. Only a recipe's functions may hold such, and to rewrite all that they
call took more time than to trace it."""


class ServingModule(tf.Module):
    """The model with the transform graph in front, so that training and serving can't differ.

    Two signatures over the same weights answer `recipe.outputs()`: `serving_default` takes serialized tf.Examples (string,
    [batch]), `serve_raw` takes the raw columns of `recipe.inputs` by name ([batch, 1] each: number columns float32, integer
    columns float64, both NaN where missing; strings, texts and encoded images "" where missing; columns of several numbers, as
    windows have them, in their shape [batch, …]). A third, `transform_labels`,
    gives the labels of serialized tf.Examples as the model was trained on them ([batch, 1]), for the evaluation; a recipe
    of the kind `scored` has `score_examples` in its place, which answers `recipe.score()`. Signatures of the recipe's own come
    after these (`recipe.heads`, `recipe.functions`), and last, where answers can be explained, `explain_examples`.

    Attributes:
        entry_points: Name of a signature → function.
        parse: Serialized tf.Examples → raw features.
        transform: Raw features → transformed ones.
    """

    def __init__(self, model: keras.Model, recipe: Any, transform_output: tft.TFTransformOutput, label: str | None) -> None:
        super().__init__()
        self._model_variables = [variable.value for variable in model.variables]
        self._loaded = loaded_objects(model)  # their variables and tables
        layer = transform_output.transform_features_layer()
        # Its variables and tables, but not the layer: that would be written as a Keras model, with traces of its own.
        self._transform_state = layer._saved_model_loader_tracked_dict  # noqa: SLF001  there is no public way
        raw_spec = transform_output.raw_feature_spec()
        feature_spec = {name: raw_spec[name] for name in recipe.inputs}

        @_as_it_is
        def parse(examples: tf.Tensor) -> dict[str, Any]:
            parsed: dict[str, Any] = tf.io.parse_example(examples, feature_spec)
            return parsed

        @_as_it_is
        def transform(features: Mapping[str, Any]) -> dict[str, tf.Tensor]:
            transformed = densify(layer(dict(features)))
            return {name: transformed[name] for name in recipe.feature_spec}

        def predict(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            outputs: dict[str, tf.Tensor] = recipe.outputs(model(inputs, training=False))
            return outputs

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return predict(transform(parse(examples)))

        signature = {
            name: tf.TensorSpec([None, *_raw_shape(spec)], _RAW_DTYPES[spec.dtype], name=name)
            for name, spec in feature_spec.items()
        }

        def over_columns(answer: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]) -> Any:
            @tf.function(input_signature=[signature])
            def serve(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
                return answer(transform({name: _as_feature(columns[name], spec) for name, spec in feature_spec.items()}))

            return serve

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
        def transform_labels(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"label": layer(tf.io.parse_example(examples, {label: raw_spec[label]}))["label"]}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def score_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            of_label = {} if label is None else {label: raw_spec[label]}
            transformed = densify(layer(tf.io.parse_example(examples, {**feature_spec, **of_label})))
            features = {name: transformed[name] for name in recipe.feature_spec}
            scores: dict[str, tf.Tensor] = recipe.score(model, features, transformed.get("label"))
            return scores

        judged = {"score_examples": score_examples} if recipe.kind == "scored" else {"transform_labels": transform_labels}
        self.parse, self.transform = parse, transform
        self.entry_points: dict[str, Any] = {}
        functions = {
            "serving_default": serve_examples,
            "serve_raw": over_columns(predict),
            **judged,  # TFMA takes functions only by signature
            **{name: over_columns(head) for name, head in recipe.heads(model).items()},
            **recipe.functions(model),
        }
        for name, function in functions.items():
            self.add(name, function)

    def add(self, name: str, function: Any) -> None:
        """One more signature, which can also be called on the loaded object."""
        self.entry_points[name] = function
        setattr(self, name, function)


def _raw_shape(spec: Any) -> list[int]:
    """The shape of one row of a raw column: [1], or that of a feature which always has several values."""
    return list(spec.shape) or [1] if isinstance(spec, tf.io.FixedLenFeature) else [1]


@_as_it_is
def _as_feature(column: tf.Tensor, spec: Any) -> tf.Tensor | tf.SparseTensor:
    """A column, [batch, 1] or of several values a row, as parsing an example with `spec` would give it."""
    present = tf.not_equal(column, "") if column.dtype == tf.string else tf.logical_not(tf.math.is_nan(column))
    if isinstance(spec, tf.io.VarLenFeature):
        indices = tf.where(present)
        values = (
            tf.cast(tf.gather_nd(column, indices), spec.dtype) if spec.dtype != tf.string else tf.gather_nd(column, indices)
        )
        return tf.SparseTensor(indices, values, tf.shape(column, out_type=tf.int64))
    if isinstance(spec, tf.io.FixedLenFeature):
        dense = column
        if spec.default_value is not None:
            default = tf.cast(tf.reshape(tf.constant(spec.default_value), [1, *_raw_shape(spec)]), column.dtype)
            dense = tf.where(present, column, default)
        return tf.reshape(dense if spec.dtype == tf.string else tf.cast(dense, spec.dtype), [-1, *spec.shape])
    raise TensorlineError(f"the schema gives a feature as {type(spec).__name__}, which serve_raw can't take.")


def loaded_objects(model: keras.Model) -> list[Any]:
    """SavedModels and forests that layers of the model run: such a layer has the loaded object as its attribute `loaded`."""
    layers = model._flatten_layers()  # noqa: SLF001  also those within other layers, which `model.layers` leaves out
    return [layer.loaded for layer in layers if hasattr(layer, "loaded")]


def model_digest(model: keras.Model, transform_graph: Path) -> str:
    """sha256 of what the model computes: weights, architecture, assets, and the transform graph with its vocabularies."""
    digest = hashlib.sha256(number_shared_objects(model.to_json()).encode())
    for variable in model.variables:
        value = variable.numpy()
        digest.update(f"{variable.path} {value.shape} {value.dtype}".encode())
        digest.update(value.tobytes())
    for loaded in loaded_objects(model):
        for variable in getattr(loaded, "variables", ()):
            digest.update(f"{variable.name} {variable.shape} {variable.dtype}".encode())
            digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    for layer in model._flatten_layers():  # noqa: SLF001
        if hasattr(layer, "save_assets"):
            with tempfile.TemporaryDirectory() as assets:
                layer.save_assets(assets)
                _add_files(digest, Path(assets))
    _add_files(digest, transform_graph)
    return digest.hexdigest()


def _add_files(digest: Any, folder: Path) -> None:
    """Adds names and content of the files; fingerprint.pb is another one each time that a SavedModel is written."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "fingerprint.pb"):
        digest.update(str(file.relative_to(folder)).encode())
        digest.update(file.read_bytes())


def export(
    model: keras.Model,
    recipe: Any,
    transform_output: tft.TFTransformOutput,
    recipe_name: str,
    judgement: Judgement,
    serving_dir: Path,
    examples: tf.data.Dataset,
) -> dict[str, Any]:
    """Writes the SavedModel to `serving_dir`, keras/model.keras and model.json beside it; returns what model.json holds.

    `examples` is the eval split, as `fit` takes it: explanations may begin at its mean.
    """
    module = ServingModule(model, recipe, transform_output, recipe.task.label)
    explain, explain_examples = explanation(module.parse, module.transform, model, recipe, examples)
    if explain_examples is not None:
        module.add(EXPLAIN, explain_examples)
    tf.saved_model.save(module, str(serving_dir), signatures=dict(module.entry_points))
    folder = serving_dir.parent
    keras_file = folder / KERAS_FILE
    keras_file.parent.mkdir(parents=True, exist_ok=True)
    model.save(keras_file)
    make_reproducible(keras_file)
    description = {
        "recipe": recipe_name,
        "kind": recipe.kind,
        "key_metric": recipe.key_metric,
        "metrics": [asdict(metric) for metric in recipe.metrics],
        "class_names": recipe.class_names,
        "label": recipe.task.label,
        "group": recipe.group,
        "inputs": recipe.inputs,
        "libraries": recipe.libraries,
        "digest": model_digest(model, Path(transform_output.transform_savedmodel_dir)),
        "num_parameters": int(model.count_params()),
        "learning_curve": judgement.as_dict(),
        "explain": explain,
    }
    (folder / MODEL_FILE).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return description

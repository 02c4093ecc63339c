"""Models that say what they were given, so that it shows which record every answer is of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from components.params.models import DataParams
from components.predict.model import Model
from components.predict.predict import Name, Predicted, predict


def echo_model(folder: Path, inputs: Mapping[str, str], width: int | None = None) -> Model:
    """A model of the kind `scored`: for a column NAME it answers `seen_NAME`, of an image the mean of its pixels.

    Args:
        folder: Of the model artifact, to be made.
        inputs: Column → number, string, text, image or time.
        width: Of the windows that it sees; None if it sees records.
    """
    import tensorflow as tf

    dtypes = {"number": tf.float32, "string": tf.string, "text": tf.string, "image": tf.string, "time": tf.int64}
    raw_dtypes = {**dtypes, "time": tf.float64}
    spec = {
        name: tf.io.FixedLenFeature([width], dtypes[kind])
        if width
        else tf.io.FixedLenFeature([], dtypes[kind], "" if dtypes[kind] == tf.string else float("nan"))
        for name, kind in inputs.items()
    }

    def brightness(encoded: Any) -> Any:
        pixels = tf.io.decode_image(encoded, channels=1, expand_animations=False)
        return tf.reduce_mean(tf.cast(pixels, tf.float32))

    def seen(columns: Mapping[str, Any]) -> dict[str, Any]:
        return {
            f"seen_{name}": tf.map_fn(brightness, columns[name], fn_output_signature=tf.float32)
            if kind == "image"
            else tf.identity(columns[name])
            for name, kind in inputs.items()
        }

    module = tf.Module()
    module.by_example = tf.function(
        lambda examples: seen(tf.io.parse_example(examples, spec)),
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")],
    )
    module.by_column = tf.function(
        lambda columns: seen({name: column if width else column[:, 0] for name, column in columns.items()}),
        input_signature=[
            {name: tf.TensorSpec([None, width or 1], raw_dtypes[kind], name=name) for name, kind in inputs.items()}
        ],
    )
    signatures = {"serving_default": module.by_example, "serve_raw": module.by_column}
    tf.saved_model.save(module, str(folder / "Format-Serving"), signatures=signatures)
    kinds = {name: "number" if kind == "time" else kind for name, kind in inputs.items()}
    told = {"kind": "scored", "key_metric": "none", "class_names": [], "label": None, "digest": "echo", "inputs": kinds}
    (folder / "model.json").write_text(json.dumps(told))
    return Model(folder)


@pytest.fixture
def ask_echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Predicted, pd.DataFrame]]:
    """Predicts `path` with an echo model in the test's own folder: (inputs, data, path, …) → what became of it, the table."""
    monkeypatch.chdir(tmp_path)

    def ask(
        inputs: Mapping[str, str], data: Mapping[str, Any], path: str, keep: Sequence[str] = (), width: int | None = None
    ) -> tuple[Predicted, pd.DataFrame]:
        model = echo_model(tmp_path / "model", inputs, width)
        done = predict(DataParams.model_validate(data), None, model, Name("echo", "1"), path, Path("out.parquet"), keep)
        return done, pd.read_parquet("out.parquet")

    return ask

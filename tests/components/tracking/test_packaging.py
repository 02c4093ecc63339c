"""Models that take images: packed by MLflow, asked with bytes and over HTTP's JSON."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.slow  # imports TensorFlow and MLflow


def png(brightness: int) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.new("L", (4, 3), brightness).save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A pyfunc model that says whether an image is bright."""
    import mlflow
    import tensorflow as tf
    from mlflow.models import Model

    from components.tracking.packaging import pack

    class Bright(tf.Module):
        @tf.function(input_signature=[{"image": tf.TensorSpec([None, 1], tf.string, name="image")}])
        def serve_raw(self, columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            def mean(image: tf.Tensor) -> tf.Tensor:
                return tf.reduce_mean(tf.cast(tf.io.decode_image(image, 1, expand_animations=False), tf.float32)) / 255.0

            score = tf.map_fn(mean, columns["image"][:, 0], fn_output_signature=tf.float32)[:, tf.newaxis]
            return {
                "probabilities": tf.concat([1 - score, score], axis=1),
                "score": score,
                "label": tf.gather(tf.constant(["dark", "bright"]), tf.cast(score[:, 0] > 0.5, tf.int32)),
            }

    folder = tmp_path_factory.mktemp("model")
    model = Bright()
    tf.saved_model.save(model, str(folder / "Format-Serving"), signatures={"serve_raw": model.serve_raw})
    description = {"kind": "binary", "class_names": ["dark", "bright"], "inputs": {"image": "image"}, "libraries": []}
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    into = tmp_path_factory.mktemp("packed") / "model"
    pack(folder, into, Model(), pd.DataFrame({"image": [png(51)]}))
    return mlflow.pyfunc.load_model(str(into))


EXPECTED = pd.DataFrame(
    {"label": ["dark", "bright"], "score": [0.2, 0.8], "probability_dark": [0.8, 0.2], "probability_bright": [0.2, 0.8]},
)


def test_images_are_bytes(packed: Any) -> None:
    answer = packed.predict(pd.DataFrame({"image": [png(51), png(204)]}))
    pd.testing.assert_frame_equal(answer, EXPECTED, check_dtype=False, atol=1e-6)


def test_images_are_base64_in_json(packed: Any) -> None:
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    rows = [[base64.b64encode(png(brightness)).decode()] for brightness in (51, 204)]
    asked = {"dataframe_split": {"columns": ["image"], "data": rows}}
    answer = packed.predict(infer_and_parse_data(asked, packed.metadata.get_input_schema()))
    pd.testing.assert_frame_equal(answer, EXPECTED, check_dtype=False, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "column 'image', row 1: found no image. Expected the bytes of an encoded image, as JPEG or PNG; in JSON as "
            "base64.",
        ),
        (
            b"GIF89a and nothing more",
            "column 'image', row 1: 23 bytes that are no image. Expected JPEG, PNG, GIF or BMP.",
        ),
    ],
)
def test_what_is_no_image_is_told(packed: Any, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        packed.predict(pd.DataFrame({"image": [png(51), content]}))


def test_the_packed_model_and_the_stages_know_the_same_libraries() -> None:
    from components import saved_model
    from components.tracking import pyfunc_model

    assert pyfunc_model.LIBRARIES == saved_model.LIBRARIES


def test_a_library_that_is_not_known_is_not_imported(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from components.tracking.pyfunc_model import RawModel

    description = {"kind": "regression", "class_names": [], "inputs": {}, "libraries": ["antigravity"]}
    (tmp_path / "model.json").write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(ValueError, match=r"^model.json: libraries: 'antigravity' is none of tensorflow_text, ydf_tf\.$"):
        RawModel().load_context(SimpleNamespace(artifacts={"model": str(tmp_path)}))


@pytest.fixture(scope="module")
def doubler(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A pyfunc model that takes three numbers a row, and answers them twice as large."""
    import mlflow
    import tensorflow as tf
    from mlflow.models import Model

    from components.tracking.packaging import pack

    class Doubler(tf.Module):
        @tf.function(input_signature=[{"past": tf.TensorSpec([None, 3], tf.float32, name="past")}])
        def serve_raw(self, columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {"prediction": 2.0 * columns["past"]}

    folder = tmp_path_factory.mktemp("model")
    model = Doubler()
    tf.saved_model.save(model, str(folder / "Format-Serving"), signatures={"serve_raw": model.serve_raw})
    description = {"kind": "scored", "class_names": [], "inputs": {"past": "number"}, "libraries": []}
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    into = tmp_path_factory.mktemp("packed") / "model"
    pack(folder, into, Model(), pd.DataFrame({"past": [[1.0, 2.0, 3.0]]}))
    return mlflow.pyfunc.load_model(str(into))


def test_a_cell_may_hold_several_numbers(doubler: Any) -> None:
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    table = pd.DataFrame({"past": [[1, 2.5, -3], (4, 5, 6)]}, index=[7, 9])
    answer = doubler.predict(table)
    assert [list(map(float, row)) for row in answer["prediction"]] == [[2, 5, -6], [8, 10, 12]]
    assert list(answer.index) == [7, 9]
    asked = infer_and_parse_data(
        {"dataframe_split": {"columns": ["past"], "data": [[[1, 2.5, -3]]]}}, doubler.metadata.get_input_schema()
    )
    assert list(map(float, doubler.predict(asked)["prediction"][0])) == [2, 5, -6]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ([1.0, 2.0], "2 numbers"),
        ([1.0, 2.0, None], "a missing or infinite number"),
        ([1.0, 2.0, float("inf")], "a missing or infinite number"),
        (["a", "b", "c"], "something else than numbers"),
        (4.0, "no list"),
    ],
)
def test_a_cell_without_as_many_numbers_is_told(doubler: Any, cell: Any, found: str) -> None:
    message = f"column 'past', row 1: found {found}. Expected a list of 3 finite numbers in every row."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        doubler.predict(pd.DataFrame({"past": [[1.0, 2.0, 3.0], cell]}))


def test_a_missing_column_of_several_numbers_is_told() -> None:
    from components.tracking.pyfunc_model import _vectors

    message = "no column 'past'. Expected a list of 3 finite numbers in every row."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _vectors(pd.DataFrame({"other": [1]}), "past", (3,), float)

"""The registered model: pandas DataFrame of raw columns in, DataFrame of predictions out.

MLflow copies this file beside the model and runs it to load the model, on machines that have no Tensorline: it imports
nothing of the project.
"""

from __future__ import annotations

import importlib
import json
import logging
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

BATCH_SIZE = 4096
LIBRARIES = ("tensorflow_text", "ydf_tf")
"""What a model may ask to be imported: TensorFlow ops of its graph."""
_logger = logging.getLogger("tensorline.model")


class RawModel(mlflow.pyfunc.PythonModel):
    """Wraps the signature `serve_raw`.

    An image column holds the bytes of encoded images. A column of another kind that is missing, like a value that is None or
    NaN, is a missing value; columns that the model does not know are left out. Where the model takes several numbers a row, as
    the last hours of a time series, a cell holds a list of them, and none may be missing.

    A classifier answers `label`, `score` (binary: probability of the second class) and `probability_CLASS` for each class; a
    regressor answers `prediction`; a model of another kind its outputs by their names, a value or an array a row. The index is
    that of the input.
    """

    def load_context(self, context: Any) -> None:
        """Loads the SavedModel from the artifact `model`."""
        import tensorflow as tf

        folder = Path(context.artifacts["model"])
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.class_names = description["class_names"]
        self.kind = description["kind"]
        self.images = {name for name, kind in description["inputs"].items() if kind == "image"}
        for library in description["libraries"]:
            if library not in LIBRARIES:
                raise ValueError(f"model.json: libraries: {library!r} is none of {', '.join(LIBRARIES)}.")
            importlib.import_module(library)
        self.saved_model = tf.saved_model.load(str(folder / "Format-Serving"))
        self.serve_raw = self.saved_model.signatures["serve_raw"]
        specs = sorted(self.serve_raw.structured_input_signature[1].items())
        self.dtypes = {name: spec.dtype for name, spec in specs}
        self.shapes = {name: tuple(spec.shape[1:]) for name, spec in specs}

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predicts.

        Raises: ValueError if no column is known, a number column holds something else or not as many numbers as it should, or
            an image can't be read.
        """
        table = model_input if isinstance(model_input, pd.DataFrame) else pd.DataFrame(model_input)
        missing = [name for name in self.dtypes if name not in table]
        if len(missing) == len(self.dtypes):
            # Which columns there are instead can't be told: MLflow has left out those that the model does not know.
            raise ValueError(
                f"no column that the model knows. Expected raw columns as in the training data: {', '.join(missing)}."
            )
        if missing:
            _logger.warning("Columns taken as missing: %s", ", ".join(missing))
        columns = {name: self._column(table, name) for name in self.dtypes}
        parts = [
            self._outputs({name: column[start : start + BATCH_SIZE] for name, column in columns.items()})
            for start in range(0, max(len(table), 1), BATCH_SIZE)
        ]
        return pd.concat(parts, ignore_index=True).set_axis(table.index)

    def _column(self, table: pd.DataFrame, name: str) -> np.ndarray:
        """[rows, 1], or [rows, …] of several numbers, of the column's dtype, with NaN or "" for what is missing."""
        if name in self.images:
            return _images(table, name)
        if self.shapes[name] != (1,):
            return _vectors(table, name, self.shapes[name], self.dtypes[name].as_numpy_dtype)
        dtype = self.dtypes[name].as_numpy_dtype
        is_text = dtype is object
        if name not in table:
            return np.full((len(table), 1), b"" if is_text else np.nan, dtype)
        values = table[name]
        if is_text:
            return np.array([_text(value) for value in values], dtype=object).reshape(-1, 1)
        try:
            numbers = pd.to_numeric(values.astype(object).where(values.notna(), np.nan), errors="raise")
        except (TypeError, ValueError) as error:
            raise ValueError(f"column '{name}': {error}. Expected numbers, or NaN or None where missing.") from None
        return numbers.to_numpy(dtype=dtype, na_value=np.nan).reshape(-1, 1)

    def _outputs(self, columns: dict[str, np.ndarray]) -> pd.DataFrame:
        import tensorflow as tf

        tensors = {name: tf.constant(column, self.dtypes[name]) for name, column in columns.items()}
        try:
            outputs = {name: tensor.numpy() for name, tensor in self.serve_raw(**tensors).items()}
        except tf.errors.InvalidArgumentError:
            for name in self.images:
                _check_images(columns[name], name)
            raise
        if self.kind == "scored":
            return pd.DataFrame({name: _column_of(outputs[name]) for name in sorted(outputs)})
        if "prediction" in outputs:
            return pd.DataFrame({"prediction": outputs["prediction"].reshape(-1)})
        result = {"label": [label.decode() for label in outputs["label"].reshape(-1)]}
        if "score" in outputs:
            result["score"] = outputs["score"].reshape(-1)
        for position, name in enumerate(self.class_names):
            result[f"probability_{name}"] = outputs["probabilities"][:, position]
        return pd.DataFrame(result)


def _column_of(values: np.ndarray) -> Any:
    """A value a row where there is one, else an array a row."""
    return values.reshape(-1) if values.size == len(values) else list(values)


def _vectors(table: pd.DataFrame, name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """[rows, …] of lists of numbers."""
    expected = f"Expected a list of {' × '.join(map(str, shape))} finite numbers in every row."
    if name not in table:
        raise ValueError(f"no column '{name}'. {expected}")
    rows = np.empty((len(table), *shape), dtype)
    for row, value in enumerate(table[name]):
        try:
            numbers = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"column '{name}', row {row}: found something else than numbers. {expected}") from None
        if numbers.shape != shape or not np.isfinite(numbers).all():
            count = " × ".join(map(str, numbers.shape))
            found = "a missing or infinite number" if numbers.shape == shape else f"{count} numbers" if count else "no list"
            raise ValueError(f"column '{name}', row {row}: found {found}. {expected}")
        rows[row] = numbers
    return rows


def _images(table: pd.DataFrame, name: str) -> np.ndarray:
    """[rows, 1] of bytes."""
    values = table[name] if name in table else pd.Series([None] * len(table))
    for row, value in enumerate(values):
        if not isinstance(value, bytes) or not value:
            raise ValueError(
                f"column '{name}', row {row}: found {type(value).__name__ if value else 'no image'}. Expected the bytes of an "
                "encoded image, as JPEG or PNG; in JSON as base64."
            )
    return np.array(values, dtype=object).reshape(-1, 1)


def _check_images(images: np.ndarray, name: str) -> None:
    """Raises a ValueError that names the first image that can't be decoded."""
    import tensorflow as tf

    for row, (image,) in enumerate(images):
        try:
            tf.io.decode_image(image, expand_animations=False)
        except tf.errors.InvalidArgumentError:
            raise ValueError(
                f"column '{name}', row {row}: {len(image):,} bytes that are no image. Expected JPEG, PNG, GIF or BMP."
            ) from None


def _text(value: Any) -> bytes:
    """As the value stands in a CSV; a whole number that pandas made a float, because others were missing, loses its `.0`."""
    if isinstance(value, bytes):
        return value
    if pd.isna(value):
        return b""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value).encode()


mlflow.models.set_model(RawModel())

"""Blocks of examples → what their answers owe to what, as columns beside the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.evaluate.model_info import ModelInfo
from components.explain.forest import Forest
from components.explain.how import read_how
from components.explain.overlay import overlay
from components.explain.quadrature import NUM_POINTS, far, gauss_legendre
from components.explain.words import by_word

SIGNATURE = "explain_examples"
PREFIX = "attribution_"
_BATCH_SIZES = {"table": 4096, "window": 1024, "text": 256, "image": 128}
_WORD = pa.struct([("word", pa.string()), ("attribution", pa.float32())])


@dataclass(frozen=True)
class _Explained:
    """Of some examples.

    Attributes:
        output: Which of the model's outputs is explained, int64 [N].
        value: The answer, [N].
        baseline: What it would be of the baseline, [N].
        columns: Raw column → attributions, [N, …].
        shown: What a person sees of the examples.
    """

    output: np.ndarray
    value: np.ndarray
    baseline: np.ndarray
    columns: dict[str, np.ndarray]
    shown: dict[str, np.ndarray]

    @property
    def gap(self) -> np.ndarray:
        """What is missing from the answer when baseline and attributions are added up, [N]."""
        return self.value - self.baseline - self._sums(lambda values: values)

    @property
    def total(self) -> np.ndarray:
        """Of the attributions' absolute values, [N]."""
        return self._sums(np.abs)

    def _sums(self, of: Any) -> np.ndarray:
        return np.sum([of(values).reshape(len(values), -1).sum(axis=1) for values in self.columns.values()], axis=0)


class Explainer:
    """Explains what a loaded model answers; safe to use from several threads.

    Attributes:
        how: What model.json says of it.
        schema: Name → type of the columns that it gives; of images a column holds the overlay, a PNG.

    Args:
        folder: Of the model artifact.
        loaded: The loaded SavedModel.
        info: What model.json says of the model.

    Raises: UserError if the model's answers can't be explained.
    """

    def __init__(self, folder: Path, loaded: Any, info: ModelInfo) -> None:
        self.how = read_how(folder)
        self._signature = loaded.signatures[SIGNATURE]
        self._forest = Forest(folder, self.how) if self.how.method == "shap" else None
        self._info = info
        kinds = {"table": pa.float32(), "window": pa.list_(pa.float32()), "text": pa.list_(_WORD), "image": pa.binary()}
        self.columns = list(self.how.columns.values())
        fields = [("explained", pa.string())]
        fields += [(f"explained_{name}", pa.float32()) for name in ("value", "baseline", "gap")]
        self.schema = pa.schema([*fields, *((f"{PREFIX}{name}", kinds[self.how.form]) for name in self.columns)])

    def explain(self, examples: pa.Array) -> dict[str, pa.Array]:
        """The columns of `schema`, [examples].

        * `explained`: the class, or else `prediction`, that the rest is about: of two classes the second, else that answered.
        * `explained_value`: of classes the logarithm of the odds, else the prediction (of forecasts their mean).
        * `explained_baseline`: the same of the baseline; with the attributions and `explained_gap` it adds up to the value.
        * `attribution_COLUMN`: a number; of windows one a row; of texts the words with theirs; of images an overlay, as PNG.

        Args:
            examples: Serialized tf.Examples, binary, [examples], which the model has answered.
        """
        size = _BATCH_SIZES[self.how.form]
        parts = [self._batch(examples.slice(start, size)) for start in range(0, len(examples), size)]
        if not parts:
            return {field.name: pa.array([], field.type) for field in self.schema}
        return {name: pa.concat_arrays([part[name] for part in parts]) for name in self.schema.names}

    def _batch(self, examples: pa.Array) -> dict[str, pa.Array]:
        serialized = examples.to_numpy(zero_copy_only=False)
        found = self._shap(serialized) if self._forest is not None else self._integrated(serialized)
        names = self._info.class_names
        if not names:
            explained = np.full(len(examples), "prediction", object)
        else:
            explained = np.array(names, object)[found.output if len(names) > 2 else np.ones(len(examples), np.int64)]
        numbers = {"value": found.value, "baseline": found.baseline, "gap": found.gap}
        columns = {"explained": pa.array(explained, pa.string())}
        columns |= {f"explained_{name}": pa.array(values.astype(np.float32)) for name, values in numbers.items()}
        for name, values in found.columns.items():
            columns[f"{PREFIX}{name}"] = self._column(values, found.shown)
        return columns

    def _column(self, values: np.ndarray, shown: Mapping[str, np.ndarray]) -> pa.Array:
        if self.how.form == "image":
            pictures = zip(shown["picture"], values, strict=True)
            return pa.array([overlay(picture, each) for picture, each in pictures], pa.binary())
        if self.how.form == "text":
            return pa.array(
                [self._words(*row) for row in zip(shown["words"], shown["tokens"], values, strict=True)], pa.list_(_WORD)
            )
        if self.how.form == "window":
            flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
            return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]), flat)
        return pa.array(values.astype(np.float32))

    def _words(self, padded: np.ndarray, tokens: np.ndarray, values: np.ndarray) -> list[dict[str, Any]]:
        words = [word.decode("utf-8", "replace") for word in padded if word]
        present = [index for index, token in enumerate(tokens) if token]
        names = [tokens[index].decode("utf-8", "replace") for index in present]
        shares = by_word(words, names, values[present].astype(np.float64), self.how.joined)
        return [{"word": word, "attribution": share} for word, share in zip(words, shares.tolist(), strict=True)]

    def _integrated(self, serialized: np.ndarray) -> _Explained:
        """Integrated gradients, with more points for the examples that need them."""
        found = self._at(serialized, NUM_POINTS[0])
        for num_points in NUM_POINTS[1:]:
            rows = np.flatnonzero(far(found.gap, found.value - found.baseline, found.total))
            if not len(rows):
                break
            nearer = self._at(serialized[rows], num_points)
            for name, values in nearer.columns.items():
                old = found.columns[name]
                if self.how.form == "text":  # the longest of fewer texts may be shorter
                    old[rows] = np.pad(values, [(0, 0), (0, old.shape[1] - values.shape[1])])
                else:
                    old[rows] = values
        return found

    def _at(self, serialized: np.ndarray, num_points: int) -> _Explained:
        import tensorflow as tf

        points, weights = gauss_legendre(num_points)
        answer = self._signature(
            examples=tf.constant(serialized, tf.string), points=tf.constant(points), weights=tf.constant(weights)
        )
        arrays = {name: tensor.numpy() for name, tensor in answer.items()}
        columns = {column: arrays.pop(name).astype(np.float64) for name, column in self.how.columns.items()}
        output, value, baseline = (arrays.pop(name) for name in ("output", "value", "baseline"))
        return _Explained(output, value.astype(np.float64), baseline.astype(np.float64), columns, arrays)

    def _shap(self, serialized: np.ndarray) -> _Explained:
        import tensorflow as tf

        assert self._forest is not None  # noqa: S101  that is how this one is chosen
        answer = self._signature(examples=tf.constant(serialized, tf.string))
        seen = {}
        for name, column in self.how.columns.items():
            values = answer[name].numpy().reshape(-1)
            seen[column] = values.astype(np.bytes_) if values.dtype == object else values
        values, bias = self._forest.contributions(seen)
        raw = bias + values.sum(axis=1)
        output = raw.argmax(axis=1)
        rows = np.arange(len(serialized))
        columns = {name: values[rows, index, output] for index, name in enumerate(seen)}
        return _Explained(output, raw[rows, output], bias[output], columns, {})

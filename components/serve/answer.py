"""Arrays become the JSON that TensorFlow Serving answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.serve.refusal import bad_request
from components.serve.request import Format

_BINARY = "_bytes"
"""An output whose name ends so holds bytes, not text."""


def to_json(outputs: Mapping[str, np.ndarray], form: Format, num_rows: int) -> bytes:
    """The body of the answer.

    Floats are written with the digits that tell a 32-bit one from its neighbours. NaN and infinite ones are the tokens NaN,
    Infinity and -Infinity, as with TensorFlow Serving.

    Args:
        outputs: Name → array.
        form: Of the request: rows are answered by rows, columns by columns.
        num_rows: Of the request.

    Raises: RefusalError if rows are asked for and an output has none.
    """
    columns = {name: _values(name, array) for name, array in sorted(outputs.items())}
    if form == "inputs":
        value: Any = next(iter(columns.values())) if len(columns) == 1 else columns
        return dump({"outputs": value})
    for name, array in outputs.items():
        if array.ndim == 0 or len(array) != num_rows:
            raise bad_request(f"instances: the output {name!r} does not go by rows. Expected the column format: inputs")
    if len(columns) == 1:
        return dump({"predictions": next(iter(columns.values()))})
    names = list(columns)
    return dump({"predictions": [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]})


def dump(content: Any) -> bytes:
    """JSON in ASCII, which any text survives, half of a pair of surrogates too."""
    return json.dumps(content, separators=(",", ":")).encode()


def _values(name: str, array: np.ndarray) -> Any:
    if array.dtype == object:
        return _texts(array.tolist(), is_binary=name.endswith(_BINARY))
    if array.dtype == np.float32:
        # The shortest decimal of a 32-bit float, 0.1 and not 0.10000000149011612.
        return _shortest(array)
    return array.tolist()


def _shortest(array: np.ndarray) -> Any:
    flat = np.array([float(text) for text in array.reshape(-1).astype("U32").tolist()], np.float64)
    return flat.reshape(array.shape).tolist()


def _texts(value: Any, *, is_binary: bool) -> Any:
    if isinstance(value, list):
        return [_texts(each, is_binary=is_binary) for each in value]
    if is_binary:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="replace")

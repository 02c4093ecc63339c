"""Arrays as TensorFlow Serving writes them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from components.serve.answer import to_json
from components.serve.refusal import RefusalError


def test_rows_and_columns() -> None:
    outputs = {
        "score": np.array([[0.1], [0.2]], np.float32),
        "label": np.array(["é".encode(), b"b"], object),
        "crop_bytes": np.array([b"\xff", b""], object),
        "count": np.array([2**53, -1]),
    }
    assert json.loads(to_json(outputs, "instances", 2)) == {
        "predictions": [
            {"count": 2**53, "crop_bytes": {"b64": "/w=="}, "label": "é", "score": [0.1]},
            {"count": -1, "crop_bytes": {"b64": ""}, "label": "b", "score": [0.2]},
        ]
    }
    assert json.loads(to_json(outputs, "inputs", 2)) == {
        "outputs": {
            "count": [2**53, -1],
            "crop_bytes": [{"b64": "/w=="}, {"b64": ""}],
            "label": ["é", "b"],
            "score": [[0.1], [0.2]],
        }
    }


def test_one_output_has_no_name() -> None:
    outputs = {"prediction": np.array([[1.5], [2.5]], np.float32)}
    assert to_json(outputs, "instances", 2) == b'{"predictions":[[1.5],[2.5]]}'
    assert to_json(outputs, "inputs", 2) == b'{"outputs":[[1.5],[2.5]]}'


def test_numbers_that_are_none() -> None:
    outputs = {"prediction": np.array([np.nan, np.inf, -np.inf], np.float32)}
    assert to_json(outputs, "instances", 3) == b'{"predictions":[NaN,Infinity,-Infinity]}'
    assert math.isnan(json.loads(to_json(outputs, "inputs", 3))["outputs"][0])


def test_an_output_that_does_not_go_by_rows() -> None:
    outputs = {"total": np.float32(1.0), "x": np.zeros(2, np.float32)}
    with pytest.raises(RefusalError) as raised:
        to_json({name: np.asarray(value) for name, value in outputs.items()}, "instances", 2)
    assert str(raised.value) == "instances: the output 'total' does not go by rows. Expected the column format: inputs"

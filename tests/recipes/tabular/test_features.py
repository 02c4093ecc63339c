"""Preprocessing through TFT: every kind of feature, in one run over a table made to be difficult, and real rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import Task
from recipes.tabular.params import ModelParams, TransformParams

pytestmark = pytest.mark.slow

SCHEMA = """
feature { name: "plain" type: FLOAT presence { min_fraction: 1.0 } }
feature { name: "gaps" type: INT }
feature { name: "tail" type: FLOAT }
feature { name: "curve" type: FLOAT presence { min_fraction: 1.0 } }
feature { name: "same" type: INT presence { min_fraction: 1.0 } }
feature { name: "never" type: FLOAT }
feature { name: "level" type: FLOAT }
feature { name: "hour" type: INT int_domain { min: 0 max: 3 is_categorical: true } }
feature { name: "colour" type: BYTES string_domain { value: "red" value: "blue" } }
feature { name: "Stadt / 市" type: BYTES }
feature { name: "code" type: INT int_domain { is_categorical: true } }
feature { name: "absent" type: BYTES }
feature { name: "id" type: BYTES }
feature { name: "label" type: FLOAT }
"""
PARAMS = {
    "numeric": {"kind": "zscore"},
    "features": {
        "tail": {"kind": "log"},
        "curve": {"kind": "piecewise", "num_buckets": 4},
        "same": {"kind": "piecewise", "num_buckets": 4},
        "never": {"kind": "piecewise", "num_buckets": 4},
        "level": {"kind": "buckets", "num_buckets": 4},
        "Stadt / 市": {"kind": "vocabulary", "top_k": 2, "num_oov_buckets": 3},
        "code": {"kind": "vocabulary", "min_count": 3},
        "id": {"kind": "hash", "num_buckets": 50},
    },
    "crosses": [["hour", "colour"]],
    "cross_buckets": 20,
}
ROWS = 12
TABLE = {
    "plain": [str(value) for value in range(ROWS)],
    "gaps": ["4", "", "8", "", "6", "4", "8", "6", "6", "", "", "6"],
    "tail": ["0", "1", "-3", "1e9", "", "2", "5", "8", "1", "inf", "3", "4"],
    "curve": [str(value) for value in range(ROWS)],
    "same": ["20240101"] * ROWS,
    "never": [""] * ROWS,
    "level": ["", *[str(value) for value in range(11)]],
    "hour": ["0", "1", "2", "3", "", "0", "1", "2", "3", "7", "0", "1"],
    "colour": ["red", "blue", "", "green", *["red"] * 8],
    "Stadt / 市": ["Köln", "Köln", "Köln", "東京", "東京", "a b", "a b", "c", "", "Köln", "東京", "d"],
    "code": ["17031", "17031", "17031", "5", "5", "6", "", "", "", "", "", ""],
    "absent": [""] * ROWS,
    "id": ["", *[f"id-{value}" for value in range(11)]],
    "label": [str(value) for value in range(ROWS)],
}


@pytest.fixture(scope="module")
def difficult(tmp_path_factory: pytest.TempPathFactory, transform: Callable[..., Any]) -> Any:
    from recipes.tabular.regressor import TabularRegressor

    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    task = Task("label", schema, TransformParams.model_validate(PARAMS), ModelParams())
    return transform(TabularRegressor(task), TABLE, tmp_path_factory.mktemp("difficult"))


def test_outputs_are_dense(difficult: Any) -> None:
    shapes = {name: (value.dtype.name, value.shape[1]) for name, value in difficult.features.items()}
    assert shapes == {
        "numeric": ("float32", 6 + 3 * 2),
        "missing": ("float32", 3),
        "level": ("int64", 1),
        "hour": ("int64", 1),
        "colour": ("int64", 1),
        "Stadt": ("int64", 1),
        "code": ("int64", 1),
        "absent": ("int64", 1),
        "id": ("int64", 1),
        "hour_x_colour": ("int64", 1),
        "label": ("float32", 1),
    }
    assert all(np.isfinite(value).all() for value in difficult.features.values())
    assert all(len(value) == ROWS for value in difficult.features.values())


def test_numbers_are_scaled_without_what_is_missing(difficult: Any) -> None:
    numeric = difficult.features["numeric"]
    plain = np.arange(ROWS)
    np.testing.assert_allclose(numeric[:, 0], (plain - plain.mean()) / plain.std(), rtol=1e-6)
    gaps = np.array([float(value or "nan") for value in TABLE["gaps"]])
    np.testing.assert_allclose(numeric[:, 1], np.nan_to_num((gaps - np.nanmean(gaps)) / np.nanstd(gaps)), rtol=1e-6)
    tail = np.array([float(value or "nan") for value in TABLE["tail"]], np.float32).astype(np.float64)
    tail[np.isinf(tail)] = np.nan
    tail = np.sign(tail) * np.log1p(np.abs(tail))
    np.testing.assert_allclose(numeric[:, 2], np.nan_to_num((tail - np.nanmean(tail)) / np.nanstd(tail)), rtol=1e-5)


def test_missing_indicators(difficult: Any) -> None:
    columns = ["gaps", "tail", "never"]
    expected = np.array([[float(value in {"", "inf"}) for value in TABLE[column]] for column in columns]).T
    np.testing.assert_array_equal(difficult.features["missing"], expected)


def test_a_column_that_never_varies_or_never_is_says_nothing(difficult: Any) -> None:
    silent = [4, 5, *range(8, 12)]  # z-scores of same and never, then their pieces
    np.testing.assert_array_equal(difficult.features["numeric"][:, silent], 0.0)
    served = difficult.serve({"same": ["20240102", "-1"], "never": ["5", "1e30"]})
    np.testing.assert_array_equal(served["numeric"][:, silent], 0.0)


def test_pieces_rise_one_after_the_other(difficult: Any) -> None:
    pieces = difficult.features["numeric"][:, 6:8]
    assert ((pieces >= 0) & (pieces <= 1)).all()
    assert (np.diff(pieces, axis=0) >= 0).all()
    assert (pieces[0].tolist(), pieces[-1].tolist()) == ([0.0, 0.0], [1.0, 1.0])
    assert (pieces[:, 0] >= pieces[:, 1]).all()


def test_quantile_buckets(difficult: Any) -> None:
    ids = difficult.features["level"][:, 0]
    assert ids[0] == 0  # missing
    assert (np.diff(ids[1:]) >= 0).all()
    assert np.bincount(ids[1:], minlength=5)[1:].min() >= 2


def test_categories(difficult: Any) -> None:
    ids = {name: difficult.features[name][:, 0].tolist() for name in ("hour", "colour", "Stadt", "code", "absent")}
    assert ids["hour"] == [1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 1, 2]  # 7 lies outside of the domain
    assert ids["colour"] == [1, 2, 0, 3, *[1] * 8]  # green is no value of the domain
    city = dict(zip(TABLE["Stadt / 市"], ids["Stadt"], strict=True))
    assert (city["Köln"], city["東京"], city[""]) == (1, 2, 0)
    assert {city["a b"], city["c"], city["d"]} <= {3, 4, 5}  # beyond top_k: three shared ids
    assert ids["code"] == [1, 1, 1, 2, 2, 2, *[0] * 6]  # 5 and 6 are rarer than min_count
    assert ids["absent"] == [0] * ROWS
    hashed = difficult.features["id"][:, 0]
    assert (hashed[0], hashed[1:].min() >= 1, hashed.max() <= 50, len(set(hashed)) > 6) == (0, True, True, True)


def test_crosses_tell_pairs_apart(difficult: Any) -> None:
    pairs = list(zip(difficult.features["hour"][:, 0], difficult.features["colour"][:, 0], strict=True))
    crossed = difficult.features["hour_x_colour"][:, 0]
    assert len(dict(zip(pairs, crossed, strict=True))) == len(set(pairs))
    by_pair: dict[Any, set[int]] = {}
    for pair, value in zip(pairs, crossed.tolist(), strict=True):
        by_pair.setdefault(pair, set()).add(value)
    assert all(len(values) == 1 for values in by_pair.values())
    assert (crossed.max() < 20, len(set(crossed)) > 3) == (True, True)


def test_ids_stay_within_their_number(difficult: Any) -> None:
    num_ids = difficult.recipe._plan.num_ids(difficult.output)
    served = difficult.serve(
        {"Stadt / 市": ["neu", "Köln"], "code": ["99", ""], "absent": ["now", ""], "colour": ["pink", ""]}
    )
    assert set(num_ids) == set(difficult.recipe.feature_spec) - {"numeric", "missing"}
    for features in (difficult.features, served):
        assert all(features[name].min() >= 0 and features[name].max() < size for name, size in num_ids.items())
    assert served["colour"].tolist() == [[3], [0]]


def test_serving_agrees_with_training(difficult: Any) -> None:
    served = difficult.serve({column: values for column, values in TABLE.items() if column != "label"})
    assert set(served) == set(difficult.features) - {"label"}
    for name, value in served.items():
        np.testing.assert_array_equal(value, difficult.features[name], err_msg=name)


def test_all_missing_is_served(difficult: Any) -> None:
    served = difficult.serve({"plain": ["", ""]})
    np.testing.assert_array_equal(served["numeric"], 0.0)
    np.testing.assert_array_equal(served["missing"], 1.0)


def test_penguins(penguins: Any) -> None:
    features = penguins.features
    assert {name: value.shape for name, value in features.items()} == {
        "numeric": (344, 5 * 15),
        "missing": (344, 4),
        "island": (344, 1),
        "sex": (344, 1),
        "label": (344, 1),
    }
    assert np.bincount(features["label"][:, 0]).tolist() == [152, 68, 124]
    assert np.bincount(features["island"][:, 0]).tolist() == [0, 168, 124, 52]
    assert np.bincount(features["sex"][:, 0]).tolist() == [11, 165, 168]
    assert features["missing"].sum(axis=0).tolist() == [2.0] * 4
    measured = features["missing"][:, 0] == 0
    np.testing.assert_allclose(features["numeric"][measured, :4].mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(features["numeric"][measured, :4].std(axis=0), 1.0, atol=1e-5)
    np.testing.assert_array_equal(features["numeric"][~measured, :4], 0.0)


def test_penguins_are_served_without_their_species(penguins: Any) -> None:
    served = penguins.serve({"island": ["Dream", "Atlantis"], "bill_length_mm": ["46.5", ""]})
    assert set(served) == {"numeric", "missing", "island", "sex"}
    assert served["island"].tolist() == [[2], [4]]


def test_dense_and_ragged_columns_are_taken_too() -> None:
    import tensorflow as tf

    from recipes.raw import dense_number, dense_string

    expected = [[1.0], [np.nan], [3.0]]
    ragged = tf.ragged.constant([[1.0], [], [3.0, 4.0]])
    for column in (ragged, ragged.to_sparse(), tf.constant([[1.0], [np.nan], [3.0]]), tf.constant([1.0, np.inf, 3.0])):
        value = dense_number(column)
        assert value.dtype == tf.float64
        np.testing.assert_array_equal(value, expected)
    assert dense_string(tf.ragged.constant([[7], []], dtype=tf.int64)).numpy().tolist() == [[b"7"], [b""]]
    none_at_all = tf.SparseTensor(tf.zeros([0, 2], tf.int64), tf.zeros([0], tf.string), [2, 0])
    assert dense_string(none_at_all).numpy().tolist() == [[b""], [b""]]

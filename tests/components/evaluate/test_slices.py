"""Slices: combinations of values, missing ones too, and not too many."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from components.errors import UserError
from components.evaluate.slices import largest, make_slices

TABLE = pd.DataFrame(
    {
        "payment": ["Cash", None, "Card", "Cash", ""],
        "hour": pd.array([3, 12, None, 3, 12], dtype="Int64"),
        "rate": [0.5, np.nan, 2.0, 0.5, 2.0],
    }
)


def test_each_value_and_the_missing_one_is_a_slice():
    slices = [(part.title, part.rows.tolist()) for part in make_slices(TABLE, [["payment"], ["hour"], ["rate"]])]
    assert slices == [
        ("all", [0, 1, 2, 3, 4]),
        ("payment = ", [4]),
        ("payment = Card", [2]),
        ("payment = Cash", [0, 3]),
        ("payment = (missing)", [1]),
        ("hour = 3", [0, 3]),
        ("hour = 12", [1, 4]),
        ("hour = (missing)", [2]),
        ("rate = 0.5", [0, 3]),
        ("rate = 2", [2, 4]),
        ("rate = (missing)", [1]),
    ]


def test_combinations_that_occur():
    slices = [(part.title, part.rows.tolist()) for part in make_slices(TABLE, [["payment", "hour"]])][1:]
    assert slices == [
        ("payment = , hour = 12", [4]),
        ("payment = Card, hour = (missing)", [2]),
        ("payment = Cash, hour = 3", [0, 3]),
        ("payment = (missing), hour = 12", [1]),
    ]


def test_every_example_is_in_one_slice_of_each_list():
    parts = list(make_slices(TABLE, [["hour"]]))[1:]
    assert sorted(np.concatenate([part.rows for part in parts])) == list(range(5))


def test_largest_keeps_the_order():
    parts = [(part, None) for part in make_slices(TABLE, [["hour"]])]
    assert [part.title for part, _ in largest(parts, 3)] == ["all", "hour = 3", "hour = 12"]


def test_too_many_slices():
    table = pd.DataFrame({"fare": np.arange(1001.0)})
    message = (
        "evaluate.slices: ['fare'] makes 1,001 slices of 1,001 test examples. Expected at most 1,000: "
        "slice by columns with few values, such as a bucket made with data.derive."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        list(make_slices(table, [["fare"]]))

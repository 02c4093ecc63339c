"""Slices: combinations of values, missing ones too, ranges of numbers, and not too many."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from components.errors import UserError
from components.evaluate.slices import largest, make_slices, many_valued

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
    table = pd.DataFrame({"id": [f"trip {each}" for each in range(1001)]})
    message = (
        "evaluate.slices: ['id'] makes 1,001 slices of 1,001 test examples. Expected at most 1,000: "
        "slice by columns with few values, or by numbers, which are divided into ranges."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        list(make_slices(table, [["id"]]))


def titles(column: object) -> list[tuple[str, int]]:
    parts = make_slices(pd.DataFrame({"x": column}), [["x"]])
    return [(part.title, len(part.rows)) for part in parts][1:]


def test_many_integers_are_divided_into_quarters():
    widths = pd.array([*range(100, 500), None], dtype="Int64")
    assert titles(widths) == [
        ("x = [100, 200)", 100),
        ("x = [200, 300)", 100),
        ("x = [300, 400)", 100),
        ("x = [400, 499]", 100),
        ("x = (missing)", 1),
    ]


def test_ranges_hold_what_their_names_say():
    column = np.random.default_rng(1).gamma(2.0, 0.1, 1001).astype(np.float32)
    column[5] = np.nan
    _, *parts = make_slices(pd.DataFrame({"x": column}), [["x"]])
    assert [part.title for part in parts] == [
        "x = [0.00142, 0.0975)",
        "x = [0.0975, 0.166)",
        "x = [0.166, 0.26799)",
        "x = [0.26799, 0.973]",
        "x = (missing)",
    ]
    for part in parts[:-1]:
        low, high = map(float, part.values[0][1:-1].split(", "))
        values = column[part.rows]
        assert low <= values.min()
        assert values.max() <= high if part.values[0].endswith("]") else values.max() < high
    assert sorted(np.concatenate([part.rows for part in parts])) == list(range(1001))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        # A value of most examples is a range of its own.
        ([0.0] * 90 + [*np.arange(1, 11) / 2, 7.5], [("x = [0, 0.5)", 90), ("x = [0.5, 7.5]", 11)]),
        ([1.0] * 90 + [*np.arange(-10, 0) / 2], [("x = [-5, 1)", 10), ("x = [1, 1]", 90)]),
        ([*range(-40, 0), *[0] * 100, *range(1, 41)], [("x = [-40, 0)", 40), ("x = [0, 1)", 100), ("x = [1, 40]", 40)]),
        # No more than these many values stay as they are.
        (list(np.arange(10) / 2), [(f"x = {each / 2:g}", 1) for each in range(10)]),
        (list(range(31)), [(f"x = {each}", 1) for each in range(31)]),
        (list(range(32)), [("x = [0, 8)", 8), ("x = [8, 16)", 8), ("x = [16, 24)", 8), ("x = [24, 31]", 8)]),
    ],
)
def test_ranges_of_repeated_and_of_few_numbers(column, expected):
    assert titles(column) == expected


def test_ranges_are_combined_with_values():
    table = pd.DataFrame({"x": np.arange(64), "source": ["a", "b"] * 32})
    assert [part.title for part in make_slices(table, [["source", "x"]])][1:] == [
        f"source = {source}, x = {name}" for source in "ab" for name in ("[0, 16)", "[16, 32)", "[32, 48)", "[48, 63]")
    ]
    assert table["x"].tolist() == list(range(64))


def test_columns_of_many_numbers():
    table = pd.DataFrame({"hour": range(24), "fare": np.arange(24) / 3, "name": [str(each) for each in range(24)]})
    assert many_valued(table) == ["fare"]

"""A time series is forecast from every window of its rows, also from the last, whose future is in no file."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import UserError
from components.predict.predict import Predicted

ROOT = Path(__file__).parents[3]
Ask = Callable[..., tuple[Predicted, pd.DataFrame]]
INPUTS = {"temp_max": "number", "wind": "number", "window_time": "time"}
WINDOWS = {"time": ["date"], "step": "1d", "inputs": ["temp_max", "wind"], "targets": ["temp_max"], "input_width": 3}


def data_of(**windows: Any) -> dict[str, Any]:
    return {
        "path": "old.csv",
        "label": "ahead",
        "windows": {**WINDOWS, **windows},
        "split": {"by": "time", "column": "date", "eval_from": "2014-01-01", "test_from": "2015-01-01"},
    }


@pytest.fixture
def days() -> tuple[list[str], list[list[str]]]:
    """The first days of Seattle's weather: header and rows."""
    with (ROOT / "data" / "weather" / "seattle_daily.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows[:12]


def write(path: str, header: list[str], rows: list[list[str]]) -> None:
    with Path(path).open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def test_windows_go_on_from_file_to_file(ask_echo: Ask, days: tuple[list[str], list[list[str]]]) -> None:
    header, rows = days
    write("a.csv", header, rows[:5])
    write("b.csv", header, rows[5:8])
    done, found = ask_echo(INPUTS, data_of(label_width=2, shift=3), "?.csv", ["weather"], width=3)
    assert (done.num_records, done.num_predictions, done.num_short, done.by_rule) == (8, 6, 2, {})
    assert found[["file", "row"]].values.tolist() == [
        ["a.csv", 3],
        ["a.csv", 4],
        ["a.csv", 5],
        *(["b.csv", n] for n in (1, 2, 3)),
    ]
    # The first of two rows, of which the last is the third after the window.
    assert found["forecast_from"].tolist() == [f"2012-01-{day:02d}T00:00:00" for day in range(5, 11)]
    assert found["weather"].tolist() == [row[-1] for row in rows[2:8]]
    highs = np.array([float(row[header.index("temp_max")]) for row in rows])
    expected = np.lib.stride_tricks.sliding_window_view(highs[:8], 3)
    np.testing.assert_allclose(np.stack(found["seen_temp_max"]), expected, rtol=1e-6)
    seconds = np.datetime64("2012-01-01", "s").astype(int) + 86_400 * np.arange(3)
    assert found["seen_window_time"].iloc[0].tolist() == seconds.tolist()


def test_what_breaks_a_window(ask_echo: Ask, days: tuple[list[str], list[list[str]]]) -> None:
    header, rows = days
    rows = [list(row) for row in rows]
    rows[3][header.index("wind")] = ""  # missing: a row that no window may hold
    rows[7][header.index("date")] = rows[6][header.index("date")]  # again the same day: a bad record, and a gap behind it
    write("new.csv", header, rows)
    done, found = ask_echo(INPUTS, data_of(), "new.csv", width=3)
    assert done.by_rule == {"time": 1}
    assert found["row"].tolist() == [3, 7, 11, 12]
    assert found["forecast_from"].tolist() == [f"2012-01-{day:02d}T00:00:00" for day in (4, 8, 12, 13)]
    assert (done.num_records, done.num_short) == (12, 7)


def test_no_window_crosses_a_segment(ask_echo: Ask, days: tuple[list[str], list[list[str]]]) -> None:
    header, rows = days
    dates = ["2012-01-29", "2012-01-30", "2012-01-31", "2012-02-01", "2012-02-02", "2012-02-03"]
    write("new.csv", header, [[date, *row[1:]] for date, row in zip(dates, rows, strict=False)])
    assert ask_echo(INPUTS, data_of(segments="month"), "new.csv", width=3)[1]["row"].tolist() == [3, 6]


def test_too_few_rows(ask_echo: Ask, days: tuple[list[str], list[list[str]]]) -> None:
    header, rows = days
    write("new.csv", header, rows[:2])
    with pytest.raises(UserError) as raised:
        ask_echo(INPUTS, data_of(), "new.csv", width=3)
    assert str(raised.value) == (
        "new.csv: none of 2 rows ends a window. Expected 3 successive rows, 1d apart, in which no value of temp_max, wind is "
        "missing: give more rows, or fill in what is missing."
    )


def test_a_time_that_is_not_there(ask_echo: Ask, days: tuple[list[str], list[list[str]]]) -> None:
    header, rows = days
    write("new.csv", ["day", *header[1:]], rows)
    with pytest.raises(UserError) as raised:
        ask_echo(INPUTS, data_of(), "new.csv", width=3)
    assert str(raised.value) == (
        "new.csv: no column 'date', which tells the time of a row (data.windows.time).\nExpected the columns date, temp_max, "
        "wind. Add what is lacking; a value that is not known may be missing."
    )

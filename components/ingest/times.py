"""Reads the times of a series' rows, and says where each lies in the calendar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ISO_24 = re.compile(r"(\d{4}-?\d\d-?\d\d[T ])24((?::?00){0,2}(?:\.0+)?(?:Z|[+-]\d\d(?::?\d\d)?)?)")
_DAY = np.timedelta64(1, "D")
# So that 24:00 counts to the day that it ends.
_INSTANT = np.timedelta64(1, "ms")


def joined(texts: Sequence[pa.Array]) -> pa.Array:
    """The texts of each row, a space between; missing where one is."""
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, " ", null_handling="emit_null")


def read_times(texts: pa.Array, time_format: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Texts as times, in UTC where they tell a zone.

    24:00 is midnight after the day that is written; its place in the calendar is that day's end.

    Args:
        texts: Strings, [rows].
        time_format: As strptime takes it; None for ISO 8601.

    Returns: The times, and the moments that say to which month or year a row belongs; datetime64[ms], [rows], NaT where a text
        is missing or can't be read.
    """
    strings = np.array(texts.to_pylist(), object)
    times = _parse(strings, time_format)
    unread = np.flatnonzero(np.isnat(times) & ~pc.is_null(texts).to_numpy(zero_copy_only=False))
    pattern = _hour_24(time_format)
    matches = {row: match for row in unread.tolist() if pattern and (match := pattern.fullmatch(strings[row]))}
    if not matches:
        return times, times
    rows = np.array(list(matches))
    starts = _parse(np.array([match[1] + "00" + match[2] for match in matches.values()], object), time_format)
    starts[starts != starts.astype("datetime64[D]")] = np.datetime64("NaT")  # there is no 24:30
    times[rows] = starts + _DAY
    places = times.copy()
    places[rows] -= _INSTANT
    return times, places


def period_of(places: np.ndarray, period: Literal["month", "year"]) -> np.ndarray:
    """Number of the month or year since 1970; int64, [rows]."""
    return places.astype(f"datetime64[{_UNITS[period]}]").astype(np.int64)


def fraction_of(places: np.ndarray, period: Literal["month", "year"]) -> np.ndarray:
    """How much of its month or year is over at each moment, from 0 to less than 1; float64, [rows], NaN for NaT."""
    unit = _UNITS[period]
    starts = places.astype(f"datetime64[{unit}]")
    ends = (starts + np.timedelta64(1, unit)).astype(places.dtype)
    begins = starts.astype(places.dtype)
    return (places - begins) / (ends - begins)


_UNITS: dict[str, Literal["M", "Y"]] = {"month": "M", "year": "Y"}


def _parse(strings: np.ndarray, time_format: str | None) -> np.ndarray:
    import pandas as pd

    parsed = pd.to_datetime(pd.Series(strings, dtype=object), utc=True, format=time_format or "ISO8601", errors="coerce")
    return parsed.dt.tz_localize(None).to_numpy("datetime64[ms]").copy()


def _hour_24(time_format: str | None) -> re.Pattern[str] | None:
    """What finds the hour 24 in a text: what stands before is group 1, what stands behind group 2."""
    if time_format is None:
        return _ISO_24
    before, separator, behind = time_format.partition("%H")
    return re.compile(f"({_as_pattern(before)})24({_as_pattern(behind)})") if separator else None


def _as_pattern(time_format: str) -> str:
    parts = re.split(r"(%.)", time_format)
    return "".join(r"\d{4}" if part == "%Y" else ".+?" if part.startswith("%") else re.escape(part) for part in parts)

"""Which split a record belongs to. Every rule looks at the record alone, so that it stays where it is when data is added."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import ParamsError
from components.ingest.kinds import Kind
from components.ingest.times import fraction_of
from components.params.models import SPLITS, CalendarSplit, ColumnSplit, HashSplit, Shares, TimeSplit

NO_SPLIT = -1
"""In place of an index into `SPLITS`: the record can't be placed."""
THINNED = -2
"""In place of an index into `SPLITS`: the record is good, and `data.thin` leaves it out."""
_SEPARATOR, _NAME_SEPARATOR = b"\x1f", b"\x1e"


def check_split(split: object, kinds: Mapping[str, Kind]) -> None:
    """Checks what a split says against the columns' kinds.

    Raises: ParamsError.
    """
    if isinstance(split, ColumnSplit):
        seen: dict[str, str] = {}
        for name in SPLITS:
            for value in getattr(split, name):
                if seen.setdefault(value, name) != name:
                    raise ParamsError(f"data.split.{name}: {value!r} is listed in {seen[value]} too. Expected it in one.")
    if isinstance(split, TimeSplit):
        kind = kinds[split.column]
        for key in ("eval_from", "test_from"):
            bound = getattr(split, key)
            if isinstance(bound, str) != (kind == "string") and kind != "missing":
                expected = "an ISO 8601 date or time, as '2024-06-30'" if kind == "string" else "a number"
                raise ParamsError(
                    f"data.split.{key}: {bound!r}, but column {split.column!r} is of the kind {kind}. Expected {expected}."
                )
            if isinstance(bound, str) and _times(pa.array([bound])).null_count:
                raise ParamsError(f"data.split.{key}: cannot read {bound!r} as an ISO 8601 date or time, as '2024-06-30'.")
        first, second = _bound(split.eval_from), _bound(split.test_from)
        if first.as_py() >= second.as_py():
            raise ParamsError(
                f"data.split.test_from: {split.test_from!r} is not after eval_from, {split.eval_from!r}. Expected it to be."
            )


def split_by_hash(values: Sequence[pa.Array], split: HashSplit) -> np.ndarray:
    """Splits by the text of `values`, one binary column each: records that are alike go together.

    Returns: int8, [records], indices into `SPLITS`.
    """
    if not values:
        raise ParamsError("data.split.key: names no column. Expected at least one, or no key.")
    return _by_share(hash_fractions(values, 1), split)


def split_by_calendar(places: np.ndarray, split: CalendarSplit) -> np.ndarray:
    """Splits by how much of its month or year is over. Returns: int8, [records], `NO_SPLIT` where there is no time (NaT)."""
    return np.where(np.isnat(places), NO_SPLIT, _by_share(fraction_of(places, split.period), split)).astype(np.int8)


def _by_share(fractions: np.ndarray, split: Shares) -> np.ndarray:
    return np.searchsorted([split.train, split.train + split.eval], fractions, side="right").astype(np.int8)


def hash_fractions(values: Sequence[pa.Array], stream: int) -> np.ndarray:
    """A number in [0, 1) for each record, as if at random, by the text of `values`, one binary column each.

    The hash is zlib's CRC-32 of the joined text, mixed as SplitMix64 does it (Steele et al. 2014): both are defined to the
    bit, whatever the machine and the versions. A missing value counts as empty.

    Args:
        values: One or more.
        stream: Of numbers that have nothing to do with those of other streams, from 1 on.

    Returns: float64, [records].
    """
    if len(values) == 1:  # long ones, as images are, need not be copied
        texts = pc.fill_null(values[0], b"")
    else:
        texts = pc.binary_join_element_wise(*values, _SEPARATOR, null_handling="replace", null_replacement=b"")
    mixed = np.fromiter(map(zlib.crc32, texts.to_numpy(zero_copy_only=False)), np.uint64, len(texts))
    # CRC is linear, so neighbouring keys have related checksums: the finalizer breaks every relation.
    mixed += np.uint64(stream * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) / 2.0**64


def join_present(texts: Mapping[str, pa.Array]) -> pa.Array:
    """The texts of each record with their columns' names, without the missing ones, as one binary column."""
    named = [pc.binary_join_element_wise(pa.scalar(name.encode()), column, _NAME_SEPARATOR) for name, column in texts.items()]
    # The empty text in front: Arrow 18 gives no element at all, not even a missing one, where it skips everything.
    return pc.binary_join_element_wise(pa.scalar(b""), *named, _SEPARATOR, null_handling="skip")


def split_by_column(values: pa.Array, split: ColumnSplit) -> np.ndarray:
    """Splits by strings that name the split. Returns: int8, [records], `NO_SPLIT` for other strings and missing ones."""
    names = [(value, index) for index, name in enumerate(SPLITS) for value in getattr(split, name)]
    found = pc.index_in(values, value_set=pa.array([value for value, _ in names], pa.string()))
    indices = np.array([*(index for _, index in names), NO_SPLIT], np.int8)
    return indices[pc.fill_null(found, len(names)).to_numpy(zero_copy_only=False)]


def split_by_time(values: pa.Array, split: TimeSplit) -> np.ndarray:
    """Splits by numbers or ISO 8601 strings (without a zone: UTC).

    Returns: int8, [records], `NO_SPLIT` for missing times and those that can't be read.
    """
    times = _times(values) if values.type == pa.string() else values
    if times.type == pa.null():
        return np.full(len(times), NO_SPLIT, np.int8)
    is_eval, is_test = (pc.greater_equal(times, _bound(bound)) for bound in (split.eval_from, split.test_from))
    indices = pc.add(is_eval.cast(pa.int8()), is_test.cast(pa.int8()))
    return pc.fill_null(indices, NO_SPLIT).to_numpy(zero_copy_only=False)


def _bound(bound: float | str) -> Any:
    return _times(pa.array([bound]))[0] if isinstance(bound, str) else pa.scalar(bound)


def _times(strings: pa.Array) -> pa.Array:
    import pandas as pd

    times = pd.to_datetime(strings.to_pandas(), utc=True, format="ISO8601", errors="coerce")
    return pa.array(times, pa.timestamp("ns", tz="UTC"), from_pandas=True)

"""Cuts a time series into windows, block by block: the sliding windows of TensorFlow's tutorial "Time series forecasting".

A window covers successive rows, one step apart, all of one segment and one split, in which no value that it needs is missing.
So no row is in windows of two splits: what a model is judged on is nowhere in what it learned from. Every row is accounted
for, as the first row of a window or by the reason why it begins none, and as used or by the reason why it is in no window.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from components.errors import AccountingError, UserError
from components.ingest.kinds import Kind
from components.ingest.times import period_of
from components.params.models import SPLITS, WINDOW_HOUR, WINDOW_MONTH, WINDOW_TIME, WindowParams

SKIPPED = ("segment", "gap", "split", "missing", "stride", "end")
"""Why a row begins no window, the first that holds: within the rows that the window would cover a segment ends, time jumps, a
split ends, a value is missing; or it lies between two strides, or the series ends."""
UNUSED = ("missing", "stride", "short")
"""Why a row is in no window: it lacks a value, it lies between two strides, or no window fits into its run of rows."""
MAX_CHUNK_BYTES = 16 * 2**20
"""Of values that are written at once, about: windows hold each row many times over."""
_MAX_GAPS = 20
_SECOND = np.timedelta64(1, "s")


@dataclass(frozen=True)
class Series:
    """Successive rows of a time series, the bad ones left out.

    Attributes:
        times: datetime64[ms], [rows].
        places: Where the rows lie in the calendar, as `times.read_times` gives it.
        splits: Indices into `SPLITS`.
        values: Float32 [rows, columns], NaN where missing; the inputs, then the targets.
    """

    times: np.ndarray
    places: np.ndarray
    splits: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class Chunk:
    """Windows that are written together: index into `SPLITS` of each, and feature → values or lists of them, [windows]."""

    splits: np.ndarray
    features: dict[str, pa.Array]


@dataclass
class _Rows:
    """Rows that are not yet done with; arrays of [rows]."""

    series: Series
    segments: np.ndarray
    run_index: np.ndarray
    used: np.ndarray
    near: np.ndarray

    def from_row(self, row: int) -> _Rows:
        series = Series(*(each[row:] for each in vars(self.series).values()))
        return _Rows(series, self.segments[row:], self.run_index[row:], self.used[row:], self.near[row:])


@dataclass
class WindowMaker:
    """Makes windows of rows that come block by block; `end` closes the series.

    Attributes:
        params: How windows are cut.
        label: Name of the feature that holds what is to be forecast.
        num_rows: Rows so far, the bad ones left out.
        num_windows: Windows so far.
        num_used: Rows that are in at least one window.
        skipped: Reason of `SKIPPED` → rows that begin no window.
        unused: Reason of `UNUSED` → rows that are in no window.
        num_gaps: Jumps in time within a segment.
        gaps: The first of them: [time of the row before, time of the row behind].
    """

    params: WindowParams
    label: str
    num_rows: int = 0
    num_windows: int = 0
    num_used: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    num_gaps: int = 0
    gaps: list[list[str]] = field(default_factory=list)
    _distances: Counter[int] = field(default_factory=Counter)
    _latest: dict[int, np.datetime64] = field(default_factory=dict)
    _rest: _Rows | None = None

    @property
    def columns(self) -> list[str]:
        """The columns of `Series.values`."""
        return list(dict.fromkeys([*self.params.inputs, *self.params.targets]))

    @property
    def feature_kinds(self) -> dict[str, Kind]:
        """Feature of a window → kind."""
        kinds: dict[str, Kind] = dict.fromkeys([*self.params.inputs, self.label], "number")
        kinds |= dict.fromkeys([WINDOW_TIME, WINDOW_MONTH, WINDOW_HOUR], "integer")
        return dict(sorted(kinds.items()))

    def disordered(self, times: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Which rows do not come after all rows of their segment before them; bool, [rows]. Asked in the files' order."""
        segments, wrong = self._segments(places), np.zeros(len(times), bool)
        for start, end in _runs(segments):
            segment = int(segments[start])
            before = self._latest.get(segment, np.datetime64("NaT"))
            latest = np.fmax.accumulate(np.concatenate([[before], times[start:end]]))
            wrong[start:end] = times[start:end] <= latest[:-1]
            self._latest[segment] = latest[-1]
        return wrong

    def add(self, series: Series) -> Iterator[Chunk]:
        """The windows that end in these rows."""
        self.num_rows += len(series)
        rows = self._append(series)
        total = self.params.num_rows
        num_starts = max(len(rows.series) - total + 1, 0)
        reasons = self._reasons(rows, num_starts)
        whole = reasons == ""
        starts = np.flatnonzero(whole & (rows.run_index[:num_starts] % self.params.stride == 0))
        rows.near |= _covered(np.flatnonzero(whole), total, len(rows.series))
        rows.used |= _covered(starts, total, len(rows.series))
        reasons[whole] = "stride"
        reasons[starts] = "window"
        self.skipped.update(reasons[reasons != "window"].tolist())
        self.num_windows += len(starts)
        self._count(rows, num_starts)
        self._rest = rows.from_row(num_starts)
        size = max(1, MAX_CHUNK_BYTES // (4 * (self.params.num_rows * len(self.columns))))
        for start in range(0, len(starts), size):
            yield self._chunk(rows.series, starts[start : start + size])

    def end(self) -> None:
        """No rows follow."""
        if self._rest is not None:
            rows = self._rest
            reasons = self._reasons(rows, len(rows.series))
            reasons[reasons == ""] = "end"
            self.skipped.update(reasons.tolist())
            self._count(rows, len(rows.series))
        self._rest = None
        self._latest.clear()

    def account(self) -> dict[str, Any]:
        """What became of the rows, for ingest.json.

        Raises: AccountingError if a row is missing.
        """
        content = {
            "num_rows": self.num_rows,
            "num_windows": self.num_windows,
            "num_rows_per_window": self.params.num_rows,
            "skipped": {reason: self.skipped[reason] for reason in SKIPPED if self.skipped[reason]},
            "num_rows_used": self.num_used,
            "unused": {reason: self.unused[reason] for reason in UNUSED if self.unused[reason]},
            "num_gaps": self.num_gaps,
            "first_gaps": self.gaps,
        }
        begun = self.num_windows + self.skipped.total()
        seen = self.num_used + self.unused.total()
        if not self.num_rows == begun == seen:
            raise AccountingError(
                f"ingest: {self.num_rows:,} rows in; {begun:,} that begin a window or do not, {seen:,} that are in one or are "
                "not. Expected as many of each. Please report it with the files."
            )
        return content

    def check_any(self) -> None:
        """Raises a UserError that says why there is no window, if there is none."""
        if self.num_windows:
            return
        hint = ""
        if self._distances:
            ((distance, count),) = self._distances.most_common(1)
            hint = f" Most often, from row to row, time goes on by {distance / 1000:g} s ({count:,} times)."
        reasons = ", ".join(f"{reason} {self.skipped[reason]:,}" for reason in SKIPPED if self.skipped[reason])
        raise UserError(
            f"data.windows: not one window of {self.params.num_rows:,} rows, {self.params.step_s:,} s apart, in "
            f"{self.num_rows:,} rows (none begins at: {reasons or 'no row'}).{hint} Expected some. Change step, input_width, "
            "shift or data.split, or add data."
        )

    def _segments(self, places: np.ndarray) -> np.ndarray:
        return np.zeros(len(places), np.int64) if self.params.segments is None else period_of(places, self.params.segments)

    def _append(self, series: Series) -> _Rows:
        segments = self._segments(series.places)
        rest = self._rest
        if rest is not None:
            before = rest.series
            series = Series(
                *(np.concatenate([old, new]) for old, new in zip(vars(before).values(), vars(series).values(), strict=True))
            )
            segments = np.concatenate([rest.segments, segments])
        num_new = len(series) - (len(rest.used) if rest is not None else 0)
        fresh = np.zeros(num_new, bool)
        used, near = (
            np.concatenate([old, fresh]) for old in ((rest.used, rest.near) if rest is not None else (fresh[:0],) * 2)
        )
        rows = _Rows(series, segments, np.zeros(len(series), np.int64), used, near)
        breaks = self._breaks(rows)
        self._note_gaps(rows, breaks["gap"] & ~breaks["segment"], first=len(series) - num_new)
        new_run = np.concatenate([[True], breaks["segment"] | breaks["gap"] | breaks["split"]])[: len(series)]
        positions = np.arange(len(series))
        rows.run_index = positions - np.maximum.accumulate(np.where(new_run, positions, 0))
        if rest is not None and len(rest.run_index):  # the first run goes on
            ends = np.flatnonzero(new_run[1:])
            rows.run_index[: ends[0] + 1 if len(ends) else None] += rest.run_index[0]
        return rows

    def _breaks(self, rows: _Rows) -> dict[str, np.ndarray]:
        """Reason → whether a window can't go on from a row to the next; bool, [rows - 1]."""
        return {
            "segment": np.diff(rows.segments) != 0,
            "gap": np.diff(rows.series.times) != self.params.step_s * _SECOND,
            "split": np.diff(rows.series.splits) != 0,
        }

    def _note_gaps(self, rows: _Rows, gaps: np.ndarray, first: int) -> None:
        times = rows.series.times
        start = max(first - 1, 0)  # the row before the new ones is the last of the old
        found = start + np.flatnonzero(gaps[start:])
        self.num_gaps += len(found)
        for row in found[: _MAX_GAPS - len(self.gaps)]:
            self.gaps.append([str(times[row].astype("datetime64[s]")), str(times[row + 1].astype("datetime64[s]"))])
        distances, counts = np.unique(np.diff(times[start:]).astype(np.int64), return_counts=True)
        self._distances.update(dict(zip(distances.tolist(), counts.tolist(), strict=True)))

    def _reasons(self, rows: _Rows, num_starts: int) -> np.ndarray:
        """Why no window begins at each of the first rows, nothing where one may; as far as there are rows. [num_starts]"""
        params, num_rows = self.params, len(rows.series)
        starts = np.arange(num_starts)
        reasons = np.full(num_starts, "", object)

        def any_in(flags: np.ndarray, first: int, end: int) -> np.ndarray:
            sums = np.concatenate([[0], np.cumsum(flags)])
            return sums[np.minimum(starts + end, len(flags))] > sums[np.minimum(starts + first, len(flags))]

        columns = {name: index for index, name in enumerate(self.columns)}
        missing = np.isnan(rows.series.values).reshape(num_rows, -1)
        of_inputs, of_targets = (
            missing[:, [columns[name] for name in names]].any(axis=1) for names in (params.inputs, params.targets)
        )
        lacks = any_in(of_inputs, 0, params.input_width)
        lacks |= any_in(of_targets, params.num_rows - params.label_width, params.num_rows)
        found = {name: any_in(breaks, 0, params.num_rows - 1) for name, breaks in self._breaks(rows).items()}
        for name, where in [("missing", lacks), *reversed(found.items())]:  # the first of SKIPPED comes last and stays
            reasons[where] = name
        return reasons

    def _count(self, rows: _Rows, num_done: int) -> None:
        """Counts the first rows, which no later window covers."""
        used, near = rows.used[:num_done], rows.near[:num_done]
        missing = np.isnan(rows.series.values[:num_done]).any(axis=1)
        self.num_used += int(used.sum())
        for reason, where in zip(UNUSED, (missing & ~near, near, ~missing & ~near), strict=True):
            self.unused[reason] += int((where & ~used).sum())

    def _chunk(self, series: Series, starts: np.ndarray) -> Chunk:
        params = self.params
        columns = {name: index for index, name in enumerate(self.columns)}
        inputs = starts[:, np.newaxis] + np.arange(params.input_width)
        labels = starts[:, np.newaxis] + np.arange(params.num_rows - params.label_width, params.num_rows)
        first = labels[:, 0]
        seconds = series.times.astype("datetime64[s]").astype(np.int64)
        months = series.places.astype("datetime64[M]").astype(np.int64)
        features = {name: _lists(series.values[inputs, columns[name]]) for name in params.inputs}
        targets = [columns[name] for name in params.targets]
        features[self.label] = _lists(series.values[labels][:, :, targets])
        features[WINDOW_TIME] = _lists(seconds[inputs])
        features[WINDOW_MONTH] = pa.array(months[first] % 12 + 1)
        features[WINDOW_HOUR] = pa.array(seconds[first] // 3600 % 24)
        return Chunk(series.splits[starts], features)


def split_counts(chunk: Chunk) -> dict[str, np.ndarray]:
    """Split → the places of its windows in the chunk."""
    return {split: np.flatnonzero(chunk.splits == index) for index, split in enumerate(SPLITS)}


def _runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of equal values."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
    return ((start, end) for start, end in itertools.pairwise(edges.tolist()) if end > start)


def _covered(starts: np.ndarray, width: int, num_rows: int) -> np.ndarray:
    """Which rows the windows that begin at `starts` cover; bool, [num_rows]."""
    edges = np.zeros(num_rows + 1, np.int64)
    edges[starts] += 1  # each start stands there once
    edges[starts + width] -= 1
    return np.cumsum(edges)[:num_rows] > 0


def _lists(values: np.ndarray) -> pa.Array:
    """[windows, …] as a list of numbers a window."""
    width = int(np.prod(values.shape[1:]))
    offsets = np.arange(len(values) + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(values).reshape(-1)))

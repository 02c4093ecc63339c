"""Forecasts: a time series' rows, cut into all windows that a model sees, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from components.ingest.reading import map_blocks
from components.ingest.records import Converter
from components.ingest.source import Block, Source
from components.ingest.times import period_of
from components.ingest.windows import Series, WindowMaker
from components.params.models import WINDOW_TIME, WindowParams
from components.predict.answer import FORECAST_FROM, Answered, Answerer
from components.predict.feed import SPLIT

_SECOND = np.timedelta64(1, "s")


@dataclass(frozen=True)
class _Windows:
    """Windows of successive rows, as tf.Examples have them.

    Attributes:
        features: Column → lists of numbers, [windows].
        ends: Their last rows among the new ones, [windows].
        forecast_from: The time of the first row that each forecasts, [windows], ISO 8601.
    """

    features: dict[str, pa.Array]
    ends: np.ndarray
    forecast_from: pa.Array


class Cutter:
    """Gives the window that ends at each row, if `input_width` rows do, one step apart, in one segment, nothing missing.

    Unlike at ingest no row to forecast need be there, so the last window forecasts what has not come yet; and none is left
    out for a stride.
    """

    def __init__(self, params: WindowParams) -> None:
        self._params = params
        self._rest: Series | None = None

    def add(self, series: Series) -> _Windows:
        """The windows that end in these rows; `values` are the inputs, in their order."""
        params, rest = self._params, self._rest
        if rest is not None:
            pairs = zip(vars(rest).values(), vars(series).values(), strict=True)
            joined = Series(*(np.concatenate(pair) for pair in pairs))
        else:
            joined = series
        num_old, width = len(joined) - len(series), params.input_width
        places = np.arange(len(joined))
        begins = np.ones(len(joined), bool)
        begins[1:] = np.diff(joined.times) != params.step_s * _SECOND
        if params.segments is not None:
            begins[1:] |= np.diff(period_of(joined.places, params.segments)) != 0
        whole = ~np.isnan(joined.values).any(axis=1)
        begins |= ~whole
        begins[1:] |= ~whole[:-1]
        length = places - np.maximum.accumulate(np.where(begins, places, 0)) + 1
        ends = np.flatnonzero(whole & (length >= width) & (places >= num_old))
        rows = ends[:, np.newaxis] + np.arange(1 - width, 1)
        features = {name: _lists(joined.values[rows, index]) for index, name in enumerate(params.inputs)}
        seconds = joined.times.astype("datetime64[s]").astype(np.int64)
        features[WINDOW_TIME] = _lists(seconds[rows])
        steps = (params.shift or params.label_width) - params.label_width + 1
        first = (seconds[ends] + steps * params.step_s).astype("datetime64[s]")
        self._rest = Series(*(each[max(len(joined) - width + 1, 0) :] for each in vars(joined).values()))
        return _Windows(features, ends - num_old, pa.array(np.datetime_as_string(first).tolist(), pa.string()))


@dataclass(frozen=True)
class _Piece:
    block: Block
    answered: Answered
    windows: _Windows
    ends: np.ndarray


class Forecaster:
    """Answers the files of a time series, which goes on from one to the next.

    Args:
        pool: Threads that work on windows.
        params: How windows are cut.
        time: Name in the files of the first column that tells the time, for messages.
        converter: Turns blocks into rows.
        answerer: Answers windows.
    """

    def __init__(
        self, pool: ThreadPoolExecutor, params: WindowParams, time: str, converter: Converter, answerer: Answerer
    ) -> None:
        self._pool, self._params, self._time, self._converter, self._answerer = pool, params, time, converter, answerer
        self._cutter = Cutter(params)
        self._order = WindowMaker(params, "")  # knows which rows come too late

    def answer(self, source: Source) -> Iterator[Answered]:
        """The answers of one file; files must come in order."""
        for _, answered in map_blocks(self._pool, self._answered, self._pieces(source)):
            yield answered

    def _pieces(self, source: Source) -> Iterator[_Piece]:
        prepare = partial(self._converter.prepare, file_split=SPLIT)
        for block, prepared in map_blocks(self._pool, prepare, source.blocks()):
            prepared.refuse_disordered(self._order, self._time)
            good = np.flatnonzero(prepared.splits >= 0)
            windows = self._cutter.add(prepared.series(self._params.inputs))
            ends = good[windows.ends]
            num_short = len(good) - len(ends)
            answered = Answered(block.num_records, block.first_row + ends, {}, prepared.faults.list(), 0, num_short)
            yield _Piece(block, answered, windows, ends)

    def _answered(self, piece: _Piece) -> Answered:
        columns, num_nonfinite = self._answerer.answers(piece.windows.features, len(piece.ends))
        columns |= {FORECAST_FROM: piece.windows.forecast_from, **self._answerer.kept(piece.block, piece.ends)}
        return replace(piece.answered, columns=columns, num_nonfinite=num_nonfinite)


def _lists(values: np.ndarray) -> pa.Array:
    """[windows, rows] as a list of numbers a window."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(values).reshape(-1)))

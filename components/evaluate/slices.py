"""Groups the test split by the values of raw columns: each value, or ranges of numbers where there are many."""

from __future__ import annotations

import decimal
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

MAX_SLICES = 1000
SMALL_SLICE = 30
"""Below as many examples, a slice is flagged: its metrics say little."""
MISSING = "(missing)"
MAX_NUMBERS = 10
"""A column of more distinct numbers is divided into ranges."""
MAX_INTEGERS = 31
"""Likewise, of integers: hours, months and the days of a month stay as they are."""
NUM_RANGES = 4
"""Quartiles: of about as many examples each."""


@dataclass(frozen=True)
class Slice:
    """The examples that share values of some columns; `rows` are their positions. No columns: all examples."""

    columns: tuple[str, ...]
    values: tuple[str, ...]
    rows: NDArray[np.int64]

    @property
    def title(self) -> str:
        """`payment_type = Cash, hour = 3`."""
        return ", ".join(f"{column} = {value}" for column, value in zip(self.columns, self.values, strict=True)) or "all"

    @property
    def is_small(self) -> bool:
        """Whether its metrics say little."""
        return len(self.rows) < SMALL_SLICE


def make_slices(table: pd.DataFrame, specs: Sequence[Sequence[str]]) -> Iterator[Slice]:
    """All examples, then each combination of values of each list of columns, in the order of the values.

    A column of many numbers counts by ranges, named `[a, b)`; the last one, `[a, b]`, ends with the greatest number.

    Raises: UserError where the columns have too many values to be told apart.
    """
    yield Slice((), (), np.arange(len(table)))
    table = table.copy(deep=False)
    names: dict[str, list[str]] = {}
    for column in many_valued(table):
        table[column], names[column] = _ranges(table[column])
    for spec in specs:
        codes = table.groupby(list(spec), dropna=False, sort=True).ngroup().to_numpy()
        num_slices = int(codes.max()) + 1
        if num_slices > MAX_SLICES:
            raise UserError(
                f"evaluate.slices: {list(spec)} makes {num_slices:,} slices of {len(table):,} test examples. Expected at most "
                f"{MAX_SLICES:,}: slice by columns with few values, or by numbers, which are divided into ranges."
            )
        order = np.argsort(codes, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            values = [table[column].iloc[rows[0]] for column in spec]
            yield Slice(
                tuple(spec), tuple(_shown(value, names.get(column)) for column, value in zip(spec, values, strict=True)), rows
            )


def many_valued(table: pd.DataFrame) -> list[str]:
    """The columns of so many distinct numbers that they are divided into ranges."""
    import pandas as pd

    types = pd.api.types
    return [
        name
        for name, column in table.items()
        if types.is_numeric_dtype(column)
        and column.nunique() > (MAX_INTEGERS if types.is_integer_dtype(column) else MAX_NUMBERS)
    ]


def largest(slices: Sequence[tuple[Slice, Any]], count: int) -> list[tuple[Slice, Any]]:
    """The `count` slices of the most examples, in their order."""
    by_size = sorted(range(len(slices)), key=lambda index: -len(slices[index][0].rows))
    return [slices[index] for index in sorted(by_size[:count])]


def _ranges(column: pd.Series) -> tuple[pd.Series, list[str]]:
    """The number of the range that each value is in, missing where the value is, and the ranges' names.

    A range starts at the value below which the number of examples comes closest to a quarter, half or three quarters. So a
    value that many examples share makes a range of its own, and there may be fewer ranges.
    """
    import pandas as pd

    present = column.notna().to_numpy()
    values = column[present].to_numpy(np.int64 if pd.api.types.is_integer_dtype(column) else np.float64)
    distinct, positions, counts = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(counts)[:-1]  # how many are less than distinct[1], distinct[2], …
    wanted = len(values) * np.arange(1, NUM_RANGES) / NUM_RANGES
    starts = np.unique(np.abs(below[None, :] - wanted[:, None]).argmin(axis=1) + 1)
    inner = [_edge(distinct[each - 1], distinct[each]) for each in starts]
    edges = [_end(distinct[0], decimal.ROUND_FLOOR), *inner, _end(distinct[-1], decimal.ROUND_CEILING)]
    names = [f"[{low}, {high})" for low, high in itertools.pairwise(edges[:-1])]
    ranges = pd.Series(pd.NA, column.index, dtype="Int64")
    ranges[present] = np.searchsorted(starts, positions, side="right")
    return ranges, [*names, f"[{edges[-2]}, {edges[-1]}]"]


def _end(value: np.number, rounding: str) -> str:
    """The least or the greatest value, rounded outwards to three digits if it isn't an integer."""
    if isinstance(value, np.integer):
        return str(value)
    return f"{decimal.Context(prec=3, rounding=rounding).create_decimal(f'{value:.6g}'):g}"


def _edge(below: np.number, value: np.number) -> str:
    """The shortest number that is greater than `below` and at most `value`: it divides the examples just as well."""
    if isinstance(value, np.integer):
        return str(value)
    rounded = (float(f"{value:.{digits}g}") for digits in range(1, 17))
    edge = next((each for each in rounded if below < each <= value), float(value))
    return f"{edge:g}" if float(f"{edge:g}") == edge else repr(edge)


def _shown(value: Any, names: Sequence[str] | None = None) -> str:
    import pandas as pd

    if pd.isna(value):
        return MISSING
    if names is not None:
        return names[value]
    return f"{value:g}" if isinstance(value, float) else str(value)

"""Groups the test split by the values of raw columns."""

from __future__ import annotations

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

    Raises: UserError where the columns have too many values to be told apart.
    """
    yield Slice((), (), np.arange(len(table)))
    for spec in specs:
        codes = table.groupby(list(spec), dropna=False, sort=True).ngroup().to_numpy()
        num_slices = int(codes.max()) + 1
        if num_slices > MAX_SLICES:
            raise UserError(
                f"evaluate.slices: {list(spec)} makes {num_slices:,} slices of {len(table):,} test examples. Expected at most "
                f"{MAX_SLICES:,}: slice by columns with few values, such as a bucket made with data.derive."
            )
        order = np.argsort(codes, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            values = table[list(spec)].iloc[rows[0]]
            yield Slice(tuple(spec), tuple(_shown(value) for value in values), rows)


def largest(slices: Sequence[tuple[Slice, Any]], count: int) -> list[tuple[Slice, Any]]:
    """The `count` slices of the most examples, in their order."""
    by_size = sorted(range(len(slices)), key=lambda index: -len(slices[index][0].rows))
    return [slices[index] for index in sorted(by_size[:count])]


def _shown(value: object) -> str:
    import pandas as pd

    if pd.isna(value):
        return MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)

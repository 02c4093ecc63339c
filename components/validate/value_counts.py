"""How often each value comes: exactly as long as there are not too many of them, then by sketches."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from tfx_bsl.cc.tfx_bsl_extension import sketches

MAX_EXACT = 100_000
"""Different values of a feature that are counted one by one."""
_DISTINCT_BUCKETS, _TOP_BUCKETS = 16_384, 1_024
"""As TFDV's own sketches have: the number of different values is right within a percent, a count is off by at most a
thousandth of all values."""
_LARGE_BYTES = 1_024
_NOT_UTF8, _LARGE = "__BYTES_VALUE__", "__LARGE_BYTES__"


class ValueCounts:
    """Counts of strings or integers."""

    def __init__(self) -> None:
        self._exact: dict[Any, int] | None = {}
        self._distinct: Any = None
        self._top: Any = None

    def add(self, values: pa.Array, counts: pa.Array) -> None:
        """Takes in different values (binary or integers, without nulls) and how often each came."""
        if self._exact is None:
            self._distinct.AddValues(values)
            self._top.AddValues(values, counts.cast(pa.float32()))
            return
        exact = self._exact
        for value, count in zip(values.to_pylist(), counts.to_pylist(), strict=True):
            exact[value] = exact.get(value, 0) + count
        if len(exact) > MAX_EXACT:
            self._sketch()

    def merge(self, other: ValueCounts) -> None:
        """Takes in another's counts, which is then of no more use."""
        if other._exact is not None:
            if other._exact:
                self.add(*_arrays(other._exact))
            return
        if self._exact is not None:
            self._sketch()
        self._distinct.Merge(other._distinct)
        self._top.Merge(other._top)

    def _sketch(self) -> None:
        exact, self._exact = self._exact, None
        self._distinct = sketches.KmvSketch(_DISTINCT_BUCKETS)
        self._top = sketches.MisraGriesSketch(
            num_buckets=_TOP_BUCKETS,
            invalid_utf8_placeholder=_NOT_UTF8,
            large_string_threshold=_LARGE_BYTES,
            large_string_placeholder=_LARGE,
        )
        if exact:
            self.add(*_arrays(exact))

    def num_distinct(self) -> int:
        """Different values."""
        return len(self._exact) if self._exact is not None else int(self._distinct.Estimate())

    def most_frequent(self, num: int) -> list[tuple[str, float]]:
        """(value, how often), the most frequent first, of equal ones the greater value; as TFDV has it."""
        if self._exact is not None:
            pairs = list(self._exact.items())
        else:
            pairs = [(pair["values"], pair["counts"]) for pair in self._top.Estimate().to_pylist()]
        pairs.sort(key=lambda pair: (pair[1], pair[0]), reverse=True)
        return [(_shown(value), count) for value, count in pairs[:num]]

    def state(self) -> dict[str, Any]:
        """For `packed`."""
        if self._exact is None:
            return {"distinct": self._distinct.Serialize(), "top": self._top.Serialize()}
        values, counts = list(self._exact), list(self._exact.values())
        if values and isinstance(values[0], bytes):
            return {"lengths": [len(value) for value in values], "text": b"".join(values), "counts": counts}
        return {"integers": values, "counts": counts}

    @classmethod
    def of(cls, state: dict[str, Any]) -> ValueCounts:
        """The inverse of `state`."""
        made = cls()
        if "distinct" in state:
            made._exact = None
            made._distinct = sketches.KmvSketch.Deserialize(state["distinct"])
            made._top = sketches.MisraGriesSketch.Deserialize(state["top"])
        elif "integers" in state:
            made._exact = dict(zip(state["integers"], state["counts"], strict=True))
        else:
            values, offset = [], 0
            for length in state["lengths"]:
                values.append(state["text"][offset : offset + length])
                offset += length
            made._exact = dict(zip(values, state["counts"], strict=True))
        return made


def _arrays(exact: dict[Any, int]) -> tuple[pa.Array, pa.Array]:
    is_text = isinstance(next(iter(exact)), bytes)
    return pa.array(exact, pa.large_binary() if is_text else pa.int64()), pa.array(exact.values(), pa.int64())


def _shown(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return _NOT_UTF8

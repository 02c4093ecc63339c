"""A sample of records, drawn by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class RecordSample:
    """The numbers of the `size` different records whose hashes are least, and how often each came.

    A bottom-k sample (Cohen and Kaplan, Summarizing data using bottom-k sketches, PODC 2007). It depends neither on the order
    of the records nor on the number of files, and data that share records share them in their samples too: where most of the
    data are the same, two samples differ only by what is new.

    Args:
        size: Different records that are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._hashes = np.zeros(0, np.uint64)
        self._counts = np.zeros(0, np.int64)
        self._values: dict[str, np.ndarray] = {}
        self._is_whole = True

    def add(self, records: Sequence[bytes], values: Mapping[str, np.ndarray]) -> None:
        """Takes in records.

        Args:
            records: Serialized; equal ones are the same record.
            values: Feature → numbers, float64 or float32, [records], NaN where missing.
        """
        digests = b"".join(hashlib.blake2b(record, digest_size=8).digest() for record in records)
        hashes = np.frombuffer(digests, "<u8").astype(np.uint64)
        if len(self._hashes) == self._size and self._size:
            # The greatest hash that is kept only falls, so that most records need no second look.
            within = hashes <= self._hashes[-1]
            self._is_whole &= bool(within.all())
            hashes, values = hashes[within], {name: each[within] for name, each in values.items()}
        self._take(hashes, np.ones(len(hashes), np.int64), values)

    def merge(self, other: RecordSample) -> None:
        """Takes in a sample of other records, of the same size or of a greater one."""
        self._is_whole &= other._is_whole
        self._take(other._hashes, other._counts, other._values)

    def cut(self, size: int) -> None:
        """Keeps no more than `size` different records: the sample that this size would have made."""
        if size >= self._size:
            return
        self._size = size
        self._is_whole &= len(self._hashes) <= size
        self._hashes, self._counts = self._hashes[:size], self._counts[:size]
        self._values = {name: each[:size] for name, each in self._values.items()}

    def _take(self, hashes: np.ndarray, times: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        num_before = len(self._hashes)
        merged, first, inverse = np.unique(np.concatenate([self._hashes, hashes]), return_index=True, return_inverse=True)
        counts = np.zeros(len(merged), np.int64)
        np.add.at(counts, inverse.reshape(-1), np.concatenate([self._counts, times]))
        kept = slice(0, self._size)
        self._is_whole &= len(merged) <= self._size
        for name in {*self._values, *values}:
            old = self._values.get(name, np.full(num_before, np.nan))
            new = values.get(name, np.full(len(hashes), np.nan))
            self._values[name] = np.concatenate([old, new])[first[kept]]
        # Likewise a record that is kept in the end was counted from its first coming on.
        self._hashes, self._counts = merged[kept], counts[kept]

    def state(self) -> dict[str, Any]:
        """For `validate.packed`."""
        values = {name: self._values[name] for name in sorted(self._values)}
        return {"size": self._size, "hashes": self._hashes, "counts": self._counts, "values": values, "whole": self._is_whole}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> RecordSample:
        """The inverse of `state`."""
        made = cls(state["size"])
        made._hashes, made._counts, made._values = state["hashes"], state["counts"], dict(state["values"])
        made._is_whole = state["whole"]
        return made

    @property
    def effective_size(self) -> float:
        """As many records, each counted once, as the sample is worth (Kish, Survey Sampling, 1965): all, if it holds all."""
        total = float(self._counts.sum())
        return total if self._is_whole or not total else total**2 / float((self._counts.astype(np.float64) ** 2).sum())

    def numbers(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(different values of a feature, float64, ascending; their counts, int64)."""
        values = self._values.get(name, np.full(len(self._hashes), np.nan))
        present = ~np.isnan(values)
        different, inverse = np.unique(values[present], return_inverse=True)
        counts = np.zeros(len(different), np.int64)
        np.add.at(counts, inverse.reshape(-1), self._counts[present])
        return different.astype(np.float64), counts

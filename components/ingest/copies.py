"""Finds images that hold the same as an earlier one, in 16 bytes of memory an image.

Contents are compared by 64 bits of SHA-256: among ten million different images, the chance that any two are taken for copies
is one in 300,000.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from components.ingest.records import Prepared
from components.ingest.rejects import Check
from components.params.models import SPLITS, ImageParams

_RECENT = 1 << 16
ENTRY = np.dtype([("digest", "<u8"), ("first", "<u4"), ("seen", "<u4")])
"""Of each different content: its digest, the number of the first record with it, and how many records had it."""


class Seen:
    """Contents that came before, each with its first record."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, ENTRY)
        # The latest ones wait here, since one more in a sorted array would move all others.
        self._recent: dict[int, list[int]] = {}
        self.num_copies = 0

    def add(self, digests: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adds records.

        Args:
            digests: Of their contents, uint64, [records].
            numbers: Of the records, int64, [records].

        Returns: How many records with the same content came before, and the number of the first of them (its own, if none):
            both int64, [records].
        """
        copies = np.zeros(len(digests), np.int64)
        firsts = numbers.astype(np.int64)
        places = np.searchsorted(self._sorted["digest"], digests)
        inside = places < len(self._sorted)
        known = np.zeros(len(digests), bool)
        known[inside] = self._sorted["digest"][places[inside]] == digests[inside]
        for row, (digest, number, is_known) in enumerate(zip(digests.tolist(), numbers.tolist(), known.tolist(), strict=True)):
            if is_known:
                entry = self._sorted[places[row]]
                copies[row], firsts[row] = entry["seen"], entry["first"]
                entry["seen"] += 1
            elif (recent := self._recent.get(digest)) is not None:
                copies[row], firsts[row] = recent[1], recent[0]
                recent[1] += 1
            else:
                self._recent[digest] = [number, 1]
        self.num_copies += int(np.count_nonzero(copies))
        if len(self._recent) > max(_RECENT, len(self._sorted) // 32):
            self._sort()
        return copies, firsts

    def _sort(self) -> None:
        recent = np.array([(digest, *rest) for digest, rest in self._recent.items()], ENTRY)
        self._recent.clear()
        merged = np.concatenate([self._sorted, recent])
        self._sorted = merged[np.argsort(merged["digest"], kind="stable")]


class Copies:
    """Counts the copies of images, and refuses those that `data.images` or the splits don't allow.

    A record is a copy if every one of its columns of images holds what that of an earlier record does: such records must not
    lie in two splits. Masks that are all alike make no copies of different photographs.

    Args:
        columns: Column of images → what `data.images` says of it.
        shown: Column of images → its name in messages.
    """

    def __init__(self, columns: Mapping[str, ImageParams], shown: Mapping[str, str]) -> None:
        self._columns = columns
        self._shown = shown
        self._seen = {name: Seen() for name in columns}
        self._together = Seen() if len(columns) > 1 else None
        self._splits = bytearray()

    @property
    def num_copies(self) -> dict[str, int]:
        """Column of images → how many good records hold the same image as an earlier one."""
        return {name: seen.num_copies for name, seen in self._seen.items()}

    def judge(self, prepared: Prepared) -> Prepared:
        """Compares a block with those before it; blocks must come in order."""
        if not self._columns:
            return prepared
        start = len(self._splits)
        self._splits += prepared.splits.tobytes()
        rows = np.flatnonzero(prepared.splits >= 0)
        unwanted: list[tuple[Check, np.ndarray, np.ndarray]] = []
        together = np.zeros(len(rows), np.uint64)
        for name, seen in self._seen.items():
            digests = prepared.images[name]["digest"][rows]
            copies, firsts = seen.add(digests, start + rows)
            if f"{name}_copies" in prepared.features:
                counts = np.zeros(prepared.num_records, np.int64)
                counts[rows] = copies
                prepared.features[f"{name}_copies"] = pa.array(counts)
            if self._columns[name].duplicates == "reject":
                unwanted.append((Check.copy(self._shown[name]), copies > 0, firsts))
            together = together * np.uint64(0x9E3779B97F4A7C15) + digests  # of one column: its own digest
        if self._together is not None:
            copies, firsts = self._together.add(together, start + rows)
        first_splits = np.array([self._splits[first] for first in firsts.tolist()], np.int8)
        for index, split in enumerate(SPLITS):
            leaks = (copies > 0) & (first_splits == index) & (prepared.splits[rows] != index)
            unwanted.insert(0, (Check.leak(next(iter(self._shown.values())), split), leaks, firsts))
        for check, broken, numbers in unwanted:
            if broken.any():
                mask, all_firsts = np.zeros(prepared.num_records, bool), np.zeros(prepared.num_records, np.int64)
                mask[rows], all_firsts[rows] = broken, numbers
                prepared.refuse(check, mask, all_firsts)
        return prepared

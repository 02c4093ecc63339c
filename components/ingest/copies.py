"""Finds images that hold the same as an earlier one, in 16 bytes of memory an image.

Contents are compared by 64 bits of SHA-256: among ten million different images, the chance that any two are taken for copies
is one in 300,000.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.ingest.records import Prepared
from components.ingest.rejects import Check
from components.params.models import SPLITS, ImageParams

NO_COPY = -1
"""In place of the number of a record: there is none that is the same."""
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

    @property
    def num_records(self) -> int:
        """Records so far: the number of the next one."""
        return len(self._splits)

    def judge(self, prepared: Prepared) -> Prepared:
        """Compares a block with those before it; blocks must come in order."""
        if self._columns:
            self.compare(prepared.splits, digests_of(prepared)).apply(prepared)
        return prepared

    def compare(self, splits: np.ndarray, digests: Mapping[str, np.ndarray]) -> Judgement:
        """Compares records with those before them; however they are cut into blocks, the judgement is the same.

        Args:
            splits: Of the records before they are judged: index into `SPLITS`, or below 0; int8, [records].
            digests: Column of images → digests of their contents; uint64, [records].
        """
        start = len(self._splits)
        self._splits += splits.tobytes()
        rows = np.flatnonzero(splits >= 0)
        counts: dict[str, np.ndarray] = {}
        unwanted: list[tuple[Check, np.ndarray, np.ndarray]] = []
        together = np.zeros(len(rows), np.uint64)
        for name, seen in self._seen.items():
            found = digests[name][rows]
            copies, firsts = seen.add(found, start + rows)
            counts[name] = np.zeros(len(splits), np.int64)
            counts[name][rows] = copies
            if self._columns[name].duplicates == "reject":
                unwanted.append((Check.copy(self._shown[name]), copies > 0, firsts))
            together = together * np.uint64(0x9E3779B97F4A7C15) + found  # of one column: its own digest
        if self._together is not None:
            copies, firsts = self._together.add(together, start + rows)
        first_splits = np.array([self._splits[first] for first in firsts.tolist()], np.int8)
        for index, split in enumerate(SPLITS):
            leaks = (copies > 0) & (first_splits == index) & (splits[rows] != index)
            unwanted.insert(0, (Check.leak(next(iter(self._shown.values())), split), leaks, firsts))
        refused = []
        for check, broken, numbers in unwanted:
            all_firsts = np.full(len(splits), NO_COPY, np.int64)
            all_firsts[rows[broken]] = numbers[broken]
            refused.append((check, all_firsts))
        return Judgement(counts, refused)


@dataclass(frozen=True)
class Judgement:
    """What a comparison of records with those before them found.

    Attributes:
        counts: Column of images → how many earlier records have the same image; int64, [records].
        refused: Rule → number of the record that a record is a copy of, `NO_COPY` where it does not break the rule; int64,
            [records]. In the order in which records are checked, the same in every comparison.
    """

    counts: dict[str, np.ndarray]
    refused: list[tuple[Check, np.ndarray]]

    def apply(self, prepared: Prepared) -> None:
        """Counts the copies of a block, and makes those bad records that are not wanted."""
        for name, counts in self.counts.items():
            if f"{name}_copies" in prepared.features:
                prepared.features[f"{name}_copies"] = pa.array(counts)
        for check, firsts in self.refused:
            broken = firsts != NO_COPY
            if broken.any():
                prepared.refuse(check, broken, firsts)

    def part(self, rows: slice) -> Judgement:
        """That of some of the records."""
        counts = {name: values[rows] for name, values in self.counts.items()}
        return Judgement(counts, [(check, firsts[rows]) for check, firsts in self.refused])

    def digest(self, features: Collection[str], place: Callable[[int], str]) -> str:
        """SHA-256 of all that examples and rejects take from it.

        Args:
            features: Those of the examples.
            place: Number of a record → where it lies, in words that say the same whatever came before.
        """
        whole = hashlib.sha256()
        for name, counts in self.counts.items():
            if f"{name}_copies" in features:
                whole.update(counts.astype("<i8").tobytes())
        for check, firsts in self.refused:
            for row in np.flatnonzero(firsts != NO_COPY).tolist():
                whole.update(f"{check.rule}\0{check.problem}\0{row}\0{place(int(firsts[row]))}\n".encode())
        return whole.hexdigest()


def join(judgements: Sequence[Judgement]) -> Judgement:
    """The judgement of successive blocks, one or more, as one."""
    first = judgements[0]
    counts = {name: np.concatenate([each.counts[name] for each in judgements]) for name in first.counts}
    refused = [
        (check, np.concatenate([each.refused[index][1] for each in judgements]))
        for index, (check, _) in enumerate(first.refused)
    ]
    return Judgement(counts, refused)


def digests_of(prepared: Prepared) -> dict[str, np.ndarray]:
    """Column of images → digests of their contents; uint64, [records]."""
    return {name: table["digest"] for name, table in prepared.images.items()}

"""Finds the same content in two splits, or under two labels, with bounded memory."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

MAX_CONTENTS = 250_000

_NUM_SPLITS = 3
_CONFLICT = 1 << _NUM_SPLITS
_LABEL_SHIFT = _NUM_SPLITS + 1
_LABEL_BITS = 20
_COUNT_SHIFT = _LABEL_SHIFT + _LABEL_BITS


def content_key(content: bytes | memoryview) -> int:
    """64 bits of a hash of the content: also what samples are drawn by."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


@dataclass(frozen=True)
class RepeatCounts:
    """What `Repeats` found.

    Attributes:
        num_distinct: Different contents.
        num_repeated: Records whose content came before.
        num_in_two_splits: Contents that lie in two splits or more: what is tested was learned by heart.
        num_label_conflicts: Contents with two labels or more.
        is_exact: False if the numbers are estimated from a sample.
    """

    num_distinct: int
    num_repeated: int
    num_in_two_splits: int
    num_label_conflicts: int
    is_exact: bool

    def as_dict(self) -> dict[str, int | bool]:
        """JSON types."""
        return asdict(self)


class Repeats:
    """Notes of each content in which splits and under which label it came.

    Where there are more than `max_contents`, every second content by its hash is forgotten, again and again, and the
    numbers are scaled up: adaptive sampling (Flajolet, On Adaptive Sampling, Computing 43, 1990).
    """

    def __init__(self, max_contents: int = MAX_CONTENTS) -> None:
        self._seen: dict[int, int] = {}
        self._max_contents = max_contents
        self._sample_mask = 0

    def add(self, key: int, split: int, label: int) -> tuple[int | None, bool]:
        """Notes one record.

        Args:
            key: `content_key` of the content.
            split: Number of the split, 0 to 2.
            label: Number of the label, from 0 on; the last of them stands for all beyond 2**20.

        Returns: The label under which the content came first if this one differs from it, else None; and whether it came in
            another split before.
        """
        if key & self._sample_mask:
            return None, False
        label = min(label, (1 << _LABEL_BITS) - 1)
        known = self._seen.get(key)
        if known is None:
            self._seen[key] = 1 << _COUNT_SHIFT | label << _LABEL_SHIFT | 1 << split
            if len(self._seen) > self._max_contents:
                self._sample_mask = self._sample_mask << 1 | 1
                self._seen = {key: value for key, value in self._seen.items() if not key & self._sample_mask}
            return None, False
        first_label = known >> _LABEL_SHIFT & (1 << _LABEL_BITS) - 1
        is_conflict = first_label != label
        is_leak = not known & 1 << split and bool(known & (1 << _NUM_SPLITS) - 1)
        self._seen[key] = (known + (1 << _COUNT_SHIFT)) | 1 << split | (_CONFLICT if is_conflict else 0)
        return (first_label if is_conflict else None), is_leak

    def counts(self) -> RepeatCounts:
        """The numbers so far."""
        scale = self._sample_mask + 1
        splits = (1 << _NUM_SPLITS) - 1
        values = self._seen.values()
        return RepeatCounts(
            num_distinct=scale * len(self._seen),
            num_repeated=scale * sum((value >> _COUNT_SHIFT) - 1 for value in values),
            num_in_two_splits=scale * sum((value & splits).bit_count() > 1 for value in values),
            num_label_conflicts=scale * sum(bool(value & _CONFLICT) for value in values),
            is_exact=scale == 1,
        )

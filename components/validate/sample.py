"""Draws a few examples of each class."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
MAX_GROUPS = 50
"""Of data with more classes, the first MAX_GROUPS classes are sampled."""


class Sample(Generic[Item]):
    """The `size` items of each group whose keys are least.

    With hashes as keys that is a random sample of the different contents, which depends neither on the order of the records
    nor on the number of files.

    Args:
        size: Items a group.
        max_groups: Later groups are left out.
    """

    def __init__(self, size: int, max_groups: int = MAX_GROUPS) -> None:
        self._size = size
        self._max_groups = max_groups
        self._heaps: dict[str, list[tuple[int, Item]]] = {}  # of negated keys: the greatest lies first
        self._keys: dict[str, set[int]] = {}

    def wants(self, group: str, key: int) -> bool:
        """Whether `add` would take it: ask before making a costly item."""
        heap = self._heaps.get(group)
        if heap is None:
            return len(self._heaps) < self._max_groups
        return key not in self._keys[group] and (len(heap) < self._size or key < -heap[0][0])

    def add(self, group: str, key: int, item: Item) -> None:
        """Takes an item if the sample `wants` it."""
        if not self.wants(group, key):
            return
        heap = self._heaps.setdefault(group, [])
        self._keys.setdefault(group, set()).add(key)
        heapq.heappush(heap, (-key, item))  # keys differ, so that items are never compared
        if len(heap) > self._size:
            self._keys[group].remove(-heapq.heappop(heap)[0])

    def groups(self) -> Iterator[tuple[str, list[Item]]]:
        """(group, items by their keys), the groups in alphabetical order."""
        for group, heap in sorted(self._heaps.items()):
            yield group, [item for _, item in sorted(heap, key=lambda entry: -entry[0])]

"""Examples as columns in memory, which is how YDF learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipes.forest.ranking import Groups

if TYPE_CHECKING:
    import tensorflow as tf

    from recipes.forest.columns import Column


@dataclass(frozen=True)
class Table:
    """Some examples.

    Attributes:
        columns: Column → float32 [examples], NaN where missing, or bytes [examples], empty where missing.
        labels: Class ids (int64) or numbers (float32), [examples].
        groups: Of a ranking.
    """

    columns: dict[str, np.ndarray]
    labels: np.ndarray
    groups: Groups | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray | slice) -> Table:
        """The same table with these rows."""
        groups = None if self.groups is None else self.groups.take(rows)
        return Table({name: values[rows] for name, values in self.columns.items()}, self.labels[rows], groups)

    def sample_rows(self, most: int, seed: int) -> np.ndarray:
        """At most so many rows, in their order; of a ranking those of whole groups."""
        if len(self) <= most:
            return np.arange(len(self))
        if self.groups is not None:
            return self.groups.sample(most, seed)
        return np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))

    def sample(self, most: int, seed: int) -> Table:
        """The table of `sample_rows`."""
        return self if len(self) <= most else self.take(self.sample_rows(most, seed))


def read_table(dataset: tf.data.Dataset, columns: Sequence[Column]) -> Table:
    """One pass over batches of ({feature: [batch, 1]}, label [batch, 1])."""
    parts: dict[str, list[np.ndarray]] = {column.name: [] for column in columns}
    labels = []
    for features, label in dataset.as_numpy_iterator():
        for column in columns:
            values = features[column.feature].reshape(-1)
            parts[column.name].append(values if column.kind == "number" else values.astype(np.bytes_))
        labels.append(label.reshape(-1))
    return Table({name: np.concatenate(part) for name, part in parts.items()}, np.concatenate(labels))

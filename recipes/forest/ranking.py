"""How good an order within groups is: NDCG, on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Groups:
    """Which examples are compared with each other, and how their order is judged.

    Attributes:
        ids: Group of each example, int64 [examples], counted from 0.
        truncation: So many of the first places count.
    """

    ids: np.ndarray
    truncation: int

    @property
    def name(self) -> str:
        """Of the metric, as the evaluation calls it."""
        return f"ndcg_{self.truncation}"

    def take(self, rows: np.ndarray | slice) -> Groups:
        """Those of these examples."""
        return Groups(np.unique(self.ids[rows], return_inverse=True)[1], self.truncation)

    def sample(self, most: int, seed: int) -> np.ndarray:
        """Rows of whole groups, drawn at random and in their order: `most` at most, but one group at least."""
        sizes = np.bincount(self.ids)
        drawn = np.random.default_rng(seed).permutation(len(sizes))
        count = max(1, int(np.searchsorted(np.cumsum(sizes[drawn]), most, side="right")))
        return np.flatnonzero(np.isin(self.ids, drawn[:count]))

    def ndcg(self, relevances: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Normalised discounted cumulative gain (Järvelin & Kekäläinen 2002) of each group.

        The gain is 2^relevance - 1 (Burges et al. 2005), which YDF's LambdaMART learns by. Equal scores share their places:
        each counts their mean discount, as if they stood in random order (McSherry & Najork 2008).

        Args:
            relevances: [examples].
            scores: [examples]; the greatest comes first.

        Returns: Float64 [groups]; NaN of those whose examples are all equally relevant, which have no order.
        """
        gains = np.exp2(relevances.astype(np.float64)) - 1.0
        best = self._dcg(gains, gains)
        ends = np.stack([np.full(len(best), np.inf), np.full(len(best), -np.inf)])
        np.minimum.at(ends[0], self.ids, gains)
        np.maximum.at(ends[1], self.ids, gains)
        ordered = ends[0] < ends[1]
        return np.divide(self._dcg(gains, scores), best, out=np.full(len(best), np.nan), where=ordered)

    def _dcg(self, gains: np.ndarray, scores: np.ndarray) -> np.ndarray:
        order = np.lexsort((-scores, self.ids))
        ids, ordered = self.ids[order], scores[order]
        sizes = np.bincount(ids)
        places = np.arange(len(ids)) - (np.cumsum(sizes) - sizes)[ids]
        discounts = np.where(places < self.truncation, 1.0 / np.log2(places + 2.0), 0.0)
        ties = np.cumsum((np.diff(ids, prepend=ids[:1]) != 0) | (np.diff(ordered, prepend=ordered[:1]) != 0.0))
        shared = np.bincount(ties, discounts) / np.bincount(ties)
        return np.bincount(ids, gains[order] * shared[ties])

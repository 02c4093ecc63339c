"""Rankings: how good the order within each group is. A group, such as the results of one query, counts as one example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

TRUNCATIONS = (1, 3, 5, 10)
"""`ndcg_5` looks at the first 5 places."""
SCORES = (*(f"ndcg_{each}" for each in TRUNCATIONS), "ndcg", "mrr")
"""What is measured of each group, in the order of the columns of `Predictions.outputs`."""


@dataclass(frozen=True)
class Ranking:
    """The examples of a split, and the groups that they make.

    Attributes:
        group: The raw column.
        relevances: Float64 [examples].
        scores: Float64 [examples]; the greatest of a group comes first.
        columns: Raw columns, [examples] rows, the group's among them.
        groups: Group of each example, counted from 0 in the order of the column's values.
        judged: Which groups have an order: those whose examples are not all equally relevant, bool [groups].
    """

    group: str
    relevances: NDArray[np.float64]
    scores: NDArray[np.float64]
    columns: pd.DataFrame
    groups: NDArray[np.int64]
    judged: NDArray[np.bool_]

    @property
    def left_out(self) -> tuple[int, int]:
        """How many groups there is nothing to judge by: of a single example, and of several that are equally relevant."""
        single = np.bincount(self.groups) == 1
        return int(single.sum()), int((~self.judged & ~single).sum())

    def measured(self, scores: NDArray) -> NDArray[np.float64]:
        """`SCORES` of the groups that are judged, [groups, scores], by any model's scores of the same examples."""
        return measure_groups(self.relevances, scores, self.groups)[self.judged]

    def columns_of_groups(self, names: Sequence[str]) -> pd.DataFrame:
        """Raw columns of the groups that are judged.

        Raises: UserError if a column is not the same within each group.
        """
        first = np.unique(self.groups, return_index=True)[1]
        for name in names:
            values = self.columns.groupby(self.groups)[name].nunique(dropna=False)
            if (values > 1).any():
                example = self.columns[self.group].iloc[first[int((values > 1).to_numpy().argmax())]]
                raise UserError(
                    f"evaluate.slices: column '{name}' differs within {(values > 1).sum():,} of {len(values):,} groups, first "
                    f"where '{self.group}' is {example}. A ranking is judged group by group: slice by columns that are "
                    "the same throughout a group."
                )
        return self.columns[list(names)].iloc[first[self.judged]].reset_index(drop=True)


def make_ranking(group: str, relevances: NDArray, scores: NDArray, columns: pd.DataFrame) -> Ranking:
    """Puts the examples into groups.

    Raises: UserError if an example has no group, or no group an order.
    """
    import pandas as pd

    missing = columns[group].isna().to_numpy()
    if missing.any():
        raise UserError(
            f"evaluate: {missing.sum():,} of {len(missing):,} test examples have no '{group}', first record "
            f"{missing.argmax()}. A ranking compares examples of the same group (model.group): fill or drop them (data)."
        )
    ids = pd.factorize(columns[group], sort=True)[0].astype(np.int64)
    least, most = np.full(ids.max() + 1, np.inf), np.full(ids.max() + 1, -np.inf)
    np.minimum.at(least, ids, relevances)
    np.maximum.at(most, ids, relevances)
    found = Ranking(group, relevances, scores, columns, ids, least < most)
    if not found.judged.any():
        single, equal = found.left_out
        raise UserError(
            f"evaluate: none of the {len(least):,} groups of the {len(ids):,} test examples has an order: {single:,} hold a "
            f"single example, {equal:,} several that are equally relevant. Expected groups of several examples: enlarge "
            f"data.split.test, keep groups whole (data.split.key: [{group}]), or name another column (model.group)."
        )
    return found


def measure_groups(relevances: NDArray, scores: NDArray, groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """`SCORES` of each group, [groups, scores]; NaN where its examples are all equally relevant.

    NDCG (Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques") has the gain 2^relevance - 1 of
    Burges et al. (2005) and the discount 1 / log2(place + 1). `mrr` is one through the place of the first of the most relevant
    examples. Examples of equal score stand in random order, and what is expected of that is the value (McSherry & Najork 2008,
    "Computing information retrieval performance measures efficiently in the presence of tied scores"), so that a model gains
    nothing by answering all alike.

    Args:
        relevances: [examples], at least 0.
        scores: [examples]; the greatest comes first.
        groups: [examples], counted from 0.
    """
    found = np.full((int(groups.max()) + 1, len(SCORES)), np.nan)
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        relevance = relevances[rows].astype(np.float64)
        if relevance.min() < relevance.max():
            found[groups[rows[0]]] = _measure_group(relevance, scores[rows])
    return found


def _measure_group(relevances: NDArray, scores: NDArray) -> list[float]:
    count, gains = len(relevances), np.exp2(relevances) - 1.0
    _, ties, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    gains_of_ties = np.bincount(ties, gains) / sizes
    discounts = 1.0 / np.log2(np.arange(count) + 2.0)
    expected, best = discounts * np.repeat(gains_of_ties, sizes), discounts * np.sort(gains)[::-1]
    ndcgs = [float(expected[:each].sum() / best[:each].sum()) for each in (*TRUNCATIONS, count)]
    of_most = np.bincount(ties, relevances == relevances.max()).astype(np.int64)
    tie = int(np.flatnonzero(of_most)[0])
    return [*ndcgs, _reciprocal_rank(int(sizes[:tie].sum()), int(sizes[tie]), int(of_most[tie]))]


def _reciprocal_rank(before: int, size: int, wanted: int) -> float:
    """Expected 1 / place of the first of `wanted` examples among `size` in random order, which stand after `before` others."""
    earlier = np.arange(size - wanted + 1)  # so many unwanted ones come first
    none_yet = np.cumprod(np.append(1.0, (size - wanted - earlier[:-1]) / (size - earlier[:-1])))
    return float(np.sum(none_yet * wanted / (size - earlier) / (before + earlier + 1)))

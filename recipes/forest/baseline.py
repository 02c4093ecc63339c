"""The linear model that a forest is to be better than, on the same examples, and whether it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recipes.forest.measures import key_measure, measures
from recipes.forest.ranking import Groups
from recipes.forest.table import Table

NUM_RESAMPLES = 500
CONFIDENCE = 0.95
_MIN_COUNT = 2
_MAX_CATEGORIES = 1000


def fit_linear(train: Table, classes: Sequence[str], weights: np.ndarray | None) -> Callable[[Table], np.ndarray]:
    """Logistic regression, or a linear one with an L2 penalty (ridge), on z-scores and one column a category's value.

    Solved to the end, where the linear `tabular` recipes take the steps of a network. A missing number counts as the mean.

    Args:
        train: What it learns from.
        classes: Names by id; empty for a regression.
        weights: Of the examples.

    Returns: Table → probabilities [examples, classes], or numbers [examples, 1].
    """
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import OneHotEncoder

    numbers = [name for name, values in train.columns.items() if values.dtype.kind != "S"]
    categories = [name for name, values in train.columns.items() if values.dtype.kind == "S"]

    def matrix(table: Table, names: Sequence[str]) -> np.ndarray:
        return np.stack([table.columns[name] for name in names], axis=1)

    parts: list[Callable[[Table], sparse.csr_matrix]] = []
    if numbers:
        known = np.ma.masked_invalid(matrix(train, numbers).astype(np.float64))
        mean, deviation = known.mean(axis=0).filled(0.0), known.std(axis=0).filled(0.0)
        scale = np.where(deviation > 0.0, deviation, np.inf)
        parts.append(lambda table: sparse.csr_matrix(np.nan_to_num((matrix(table, numbers) - mean) / scale)))
    if categories:
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=_MIN_COUNT, max_categories=_MAX_CATEGORIES)
        encoder.fit(_text(matrix(train, categories)))
        parts.append(lambda table: encoder.transform(_text(matrix(table, categories))))

    def encode(table: Table) -> sparse.csr_matrix:
        return sparse.hstack([part(table) for part in parts], format="csr")

    if not classes:
        ridge = Ridge(solver="lsqr").fit(encode(train), train.labels.astype(np.float64), sample_weight=weights)
        return lambda table: ridge.predict(encode(table)).reshape(-1, 1)
    logistic = LogisticRegression(max_iter=2000).fit(encode(train), train.labels, sample_weight=weights)

    def predict(table: Table) -> np.ndarray:
        answers = np.zeros((len(table), len(classes)))
        answers[:, logistic.classes_] = logistic.predict_proba(encode(table))
        return answers

    return predict


@dataclass(frozen=True)
class Comparison:
    """The forest and the linear model on the same examples; the interval of each number is a percentile bootstrap's.

    Attributes:
        measure: The recipe's key metric.
        num_examples: So many; of a ranking so many groups that have an order.
        unit: `examples`, or `groups`: what the resamples draw.
        forest, linear: (value, low, high).
        gain: How much better the forest is, on the same resamples; negative: worse, whichever way is up.
    """

    measure: str
    num_examples: int
    forest: tuple[float, float, float]
    linear: tuple[float, float, float]
    gain: tuple[float, float, float]
    unit: str = "examples"

    def __str__(self) -> str:
        low, high = self.gain[1:]
        verdict = "better" if low > 0.0 else "worse" if high < 0.0 else "neither better nor worse than chance makes it"
        return (
            f"{self.measure} on eval ({self.num_examples:,} {self.unit}): forest {_shown(self.forest)}, "
            f"linear model {_shown(self.linear)}; the forest is {verdict}: {self.gain[0]:+.4f} [{low:+.4f}, {high:+.4f}]"
        )


def compare(
    labels: np.ndarray,
    forest: np.ndarray,
    linear: np.ndarray,
    classes: Sequence[str],
    seed: int,
    groups: Groups | None = None,
) -> Comparison:
    """Both on the same resamples, so that what both get wrong alike cancels out.

    Args:
        labels: Class ids, or numbers, [examples].
        forest: Its answers, as `measures` takes them.
        linear: Those of the linear model.
        classes: Names by id; empty for a regression.
        seed: Of the resamples.
        groups: Of a ranking, whose resamples draw whole groups.
    """
    name, count = key_measure(classes, groups), len(labels)
    random = np.random.default_rng(seed)

    if groups is not None:
        of_groups = np.stack([groups.ndcg(labels, each[:, 0]) for each in (forest, linear)])
        of_groups = of_groups[:, ~np.isnan(of_groups[0])]
        count = of_groups.shape[1]

    def both(rows: np.ndarray | slice) -> tuple[float, float]:
        if groups is not None:
            ours, theirs = of_groups[:, rows].mean(axis=1)
            return float(ours), float(theirs)
        return measures(labels[rows], forest[rows], classes)[name], measures(labels[rows], linear[rows], classes)[name]

    resamples = (random.integers(count, size=count) for _ in range(NUM_RESAMPLES))
    values = np.array([both(slice(None)), *map(both, resamples)])
    forward = bool(classes) or groups is not None  # an error is better when it is small
    better = values[:, 0] - values[:, 1] if forward else values[:, 1] - values[:, 0]
    values = np.column_stack([values, better])
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.nanquantile(values[1:], [tail, 1.0 - tail], axis=0)
    forest_, linear_, gain = ((float(values[0, column]), float(low[column]), float(high[column])) for column in range(3))
    return Comparison(name, count, forest_, linear_, gain, "examples" if groups is None else "groups")


def _shown(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.4f} [{value[1]:.4f}, {value[2]:.4f}]"


def _text(matrix: np.ndarray) -> np.ndarray:
    """Bytes → str: scikit-learn takes no bytes."""
    return np.char.decode(matrix, "utf-8", "replace").astype(object)

"""How good answers are, on arrays: loss and metrics, by the names that networks have them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recipes.forest.ranking import Groups

# As Keras clips probabilities, so that one wrong certainty is no infinite loss.
EPSILON = 1e-7


def measures(
    labels: np.ndarray,
    answers: np.ndarray,
    classes: Sequence[str],
    weights: np.ndarray | None = None,
    groups: Groups | None = None,
) -> dict[str, float]:
    """`loss`, and what Keras' metrics of the same names say of a network.

    Args:
        labels: Class ids, or numbers, [examples].
        answers: Probabilities [examples, classes], or numbers [examples, 1].
        classes: Names; none for a regression and a ranking.
        weights: Of the examples, in the loss alone; None counts them alike.
        groups: Of a ranking.

    Returns: Of two classes `auc`, `aucpr` and `accuracy`, of more `accuracy`, of none `mae` and `rmse`. Of a ranking the mean
        NDCG of the groups, as `ndcg_5`, and as the loss what it lacks to 1; NaN if no group has an order.
    """
    if groups is not None:
        each = groups.ndcg(labels, answers[:, 0])
        each = each[~np.isnan(each)]
        ndcg = float(each.mean()) if len(each) else float("nan")
        return {"loss": 1.0 - ndcg, groups.name: ndcg}
    if not classes:
        errors = answers[:, 0].astype(np.float64) - labels
        return {
            "loss": _mean(errors**2, weights),
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt((errors**2).mean())),
        }
    likelihoods = np.take_along_axis(answers, labels[:, np.newaxis], axis=1)[:, 0].astype(np.float64)
    losses = -np.log(np.clip(likelihoods, EPSILON, 1.0 - EPSILON))
    found = {"loss": _mean(losses, weights)}
    if len(classes) == 2:
        found |= {"auc": auc(labels, answers[:, 1]), "aucpr": average_precision(labels, answers[:, 1])}
    return found | {"accuracy": float((answers.argmax(axis=1) == labels).mean())}


def key_measure(classes: Sequence[str], groups: Groups | None = None) -> str:
    """Which of the measures is the recipe's key metric."""
    if groups is not None:
        return groups.name
    return {0: "mae", 2: "auc"}.get(len(classes), "accuracy")


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative; ties count half. NaN of one class alone."""
    positives, negatives = _by_score(labels, scores)
    if not positives.sum() or not negatives.sum():
        return float("nan")
    better = negatives.sum() - np.cumsum(negatives)  # of the scores from the greatest down, the negatives below
    return float((positives * (better + 0.5 * negatives)).sum() / (positives.sum() * negatives.sum()))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the steps of precision over recall; NaN without positives."""
    positives, negatives = _by_score(labels, scores)
    if not positives.sum():
        return float("nan")
    found = np.cumsum(positives)
    precision = found / (found + np.cumsum(negatives))
    return float((positives * precision).sum() / positives.sum())


def _by_score(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives of each score that there is, from the greatest down."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0.0, True))
    positives = np.diff(np.cumsum(labels[order])[ends], prepend=0)
    return positives, np.diff(ends + 1, prepend=0) - positives


def _mean(losses: np.ndarray, weights: np.ndarray | None) -> float:
    """As Keras averages: the weights are not divided by their mean."""
    return float((losses if weights is None else losses * weights).mean())

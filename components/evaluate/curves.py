"""The tables behind the pictures, which `dvc plots` reads too: small, whatever the size of the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.evaluate.decision import Choice
from components.evaluate.metrics import METRICS, Decision, likelier
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd

MAX_POINTS = 500
"""Of a curve."""
MAX_RESIDUALS = 2000
MAX_CURVES = 6
"""Of a multiclass model: the curves of as many classes, the most frequent ones."""
_NUM_BINS = 10


def make_tables(
    model: ModelInfo, predictions: Predictions, seed: int, choice: Choice | None = None
) -> dict[str, pd.DataFrame]:
    """Name of the table → table, by the model's kind.

    binary: roc, pr, calibration, confusion, classes; multiclass: the same, with roc and pr of one class against the rest, and
    calibration of the likeliest class; regression: residuals; scored and ranking: none. Curves without both classes are empty.
    Where a threshold was chosen: costs (`Choice.curve`) and decisions.
    """
    labels, outputs = predictions.labels, predictions.outputs
    if model.kind in ("scored", "ranking"):
        return {}
    if model.kind == "regression":
        return {"residuals": residuals(labels, outputs, seed)}
    names = np.array(model.class_names, dtype=object)
    tables = {"confusion": _confusion(labels, predictions.classes, names), "classes": classes(predictions, names)}
    if model.kind == "binary":
        tables["roc"], tables["pr"] = roc(labels == 1, outputs), precision_recall(labels == 1, outputs)
        tables["calibration"] = calibration(labels == 1, outputs)
        if choice is not None:
            tables |= {"costs": choice.curve, "decisions": decisions(labels == 1, outputs, choice.decision)}
    else:
        chosen = np.argsort(-np.bincount(labels, minlength=len(names)), kind="stable")[:MAX_CURVES]
        tables["roc"] = _by_class(names, {each: roc(labels == each, outputs[:, each]) for each in sorted(chosen)})
        tables["pr"] = _by_class(names, {each: precision_recall(labels == each, outputs[:, each]) for each in sorted(chosen)})
        tables["calibration"] = calibration(predictions.classes == labels, outputs.max(axis=1))
    return tables


def roc(positive: NDArray[np.bool_], scores: NDArray) -> pd.DataFrame:
    """Columns fpr, tpr, threshold (a score of at least this is predicted as positive)."""
    import pandas as pd

    thresholds, positives, negatives = _counts(positive, scores)
    if positives[-1] == 0 or negatives[-1] == 0:
        return pd.DataFrame({"fpr": [], "tpr": [], "threshold": []})
    # A point between two others on a straight line shows nothing.
    corner = np.ones(len(positives), dtype=bool)
    corner[1:-1] = (np.diff(positives, 2) != 0) | (np.diff(negatives, 2) != 0)
    keep = _thin(np.flatnonzero(corner))
    fpr, tpr = negatives[keep] / negatives[-1], positives[keep] / positives[-1]
    return pd.DataFrame({"fpr": fpr, "tpr": tpr, "threshold": thresholds[keep]})


def precision_recall(positive: NDArray[np.bool_], scores: NDArray) -> pd.DataFrame:
    """Columns precision, recall, threshold (a score of at least this is predicted as positive)."""
    import pandas as pd

    thresholds, positives, negatives = (counts[1:] for counts in _counts(positive, scores))
    if positives[-1] == 0 or negatives[-1] == 0:
        return pd.DataFrame({"precision": [], "recall": [], "threshold": []})
    keep = _thin(np.arange(len(positives)))
    predicted = positives[keep] + negatives[keep]
    return pd.DataFrame(
        {"precision": positives[keep] / predicted, "recall": positives[keep] / positives[-1], "threshold": thresholds[keep]}
    )


def decisions(positive: NDArray[np.bool_], scores: NDArray, decision: Decision) -> pd.DataFrame:
    """What is called positive at 0.5, and at the decision's threshold: two rows.

    Columns: threshold, true_positives, false_positives, false_negatives, true_negatives, and cost, of all examples together.
    """
    import pandas as pd

    rows = []
    for threshold, called in ((0.5, likelier(scores)), (decision.threshold, decision.called(scores))):
        false_positives, false_negatives = int(np.sum(called & ~positive)), int(np.sum(positive & ~called))
        rows.append(
            {
                "threshold": threshold,
                "true_positives": int(np.sum(called & positive)),
                "false_positives": false_positives,
                "false_negatives": false_negatives,
                "true_negatives": int(np.sum(~called & ~positive)),
                "cost": decision.false_positive * false_positives + decision.false_negative * false_negatives,
            }
        )
    return pd.DataFrame(rows)


def calibration(positive: NDArray[np.bool_], scores: NDArray) -> pd.DataFrame:
    """Columns mean_score, fraction_positive, num_examples, over bins that hold about as many examples each."""
    import pandas as pd

    order = np.argsort(scores, kind="stable")
    bins = [rows for rows in np.array_split(order, _NUM_BINS) if len(rows)]
    return pd.DataFrame(
        {
            "mean_score": [scores[rows].mean() for rows in bins],
            "fraction_positive": [positive[rows].mean() for rows in bins],
            "num_examples": [len(rows) for rows in bins],
        }
    )


def classes(predictions: Predictions, names: NDArray) -> pd.DataFrame:
    """One row a class.

    Columns: class, num_examples (the support), num_predicted, precision, recall (so the accuracy within the class), f1, auc
    (against the rest), mistaken_for (the class that its examples are wrongly predicted as most often; "" for none) and
    num_mistaken (how often). NaN where undefined.
    """
    import pandas as pd

    labels, outputs = predictions.labels, predictions.outputs
    counts = confusion_matrix(labels, predictions.classes, len(names))
    actual, guessed, both = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal().copy()
    np.fill_diagonal(counts, 0)
    mistaken_for, num_mistaken = counts.argmax(axis=1), counts.max(axis=1)
    scores = np.stack([1 - outputs, outputs], axis=1) if outputs.ndim == 1 else outputs

    def ratio(numerator: NDArray, denominator: NDArray) -> NDArray:
        return np.divide(numerator, denominator, out=np.full(len(names), np.nan), where=denominator > 0)

    return pd.DataFrame(
        {
            "class": names,
            "num_examples": actual,
            "num_predicted": guessed,
            "precision": ratio(both, guessed),
            "recall": ratio(both, actual),
            "f1": ratio(2 * both, actual + guessed),
            "auc": [METRICS["binary"]["auc"].value(labels == each, scores[:, each]) for each in range(len(names))],
            "mistaken_for": np.where(num_mistaken > 0, names[mistaken_for], ""),
            "num_mistaken": num_mistaken,
        }
    )


def confusion_matrix(labels: NDArray, predicted: NDArray, num_classes: int) -> NDArray[np.int64]:
    """Counts, [actual, predicted]."""
    return np.bincount(labels * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)


def residuals(labels: NDArray, predictions: NDArray, seed: int) -> pd.DataFrame:
    """Columns predicted, actual, residual (actual - predicted); a random sample where they are many."""
    import pandas as pd

    rows = np.arange(len(labels))
    if len(rows) > MAX_RESIDUALS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_RESIDUALS, replace=False))
    return pd.DataFrame({"predicted": predictions[rows], "actual": labels[rows], "residual": labels[rows] - predictions[rows]})


def _confusion(labels: NDArray, predicted: NDArray, names: NDArray) -> pd.DataFrame:
    """Columns actual, predicted; a row an example, never thinned: DVC's template counts them."""
    import pandas as pd

    return pd.DataFrame({"actual": names[labels], "predicted": names[predicted]})


def _counts(positive: NDArray[np.bool_], scores: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Distinct scores, descending from just above the greatest, and positives and negatives scored at least as high."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    positives = np.cumsum(positive[order])[ends]
    thresholds = np.append(np.nextafter(scores.max(), np.inf), scores[order][ends])
    return thresholds, np.append(0, positives), np.append(0, ends + 1 - positives)


def _thin(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(rows) <= MAX_POINTS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MAX_POINTS).round().astype(np.int64)]


def _by_class(names: NDArray, tables: dict[int, pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([table.assign(**{"class": names[each]}) for each, table in tables.items()], ignore_index=True)

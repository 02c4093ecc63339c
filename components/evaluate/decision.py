"""The decision threshold: from which score on an example is called positive, where mistakes have their costs.

After the TensorFlow tutorial "Classification on imbalanced data" (structured_data/imbalanced_data), which leaves the choice to
its reader. The threshold is chosen on the eval split; what it costs is told of the test split, which had no say in it.

A model whose scores are true probabilities costs least at t* = cost of a false positive / sum of both costs (Elkan 2001, "The
Foundations of Cost-Sensitive Learning"). Scores seldom are, least of all those of a model that was trained with class weights
or oversampling, so the threshold is one that did cost least on eval. Often a whole range of thresholds does: then t* itself,
if it lies within, else the middle of the range that comes nearest to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.evaluate.metrics import Decision
from components.params.models import Costs

if TYPE_CHECKING:
    import pandas as pd

LEAST_SHOWN = 1e-4
"""Of the curve, which is full of steps near 0 and 1, where most scores lie: half of its points are evenly spaced on the scale
of the log odds, from here to as near to 1."""
_NUM_POINTS = 201
"""Of each half."""


@dataclass(frozen=True)
class Choice:
    """What was chosen on the eval split.

    Attributes:
        decision: The threshold, and the costs that it was chosen by.
        num_examples: Of the eval split.
        num_positives: Among these.
        curve: What an example of eval costs, at some thresholds, that of the decision among them: columns threshold, cost.
    """

    decision: Decision
    num_examples: int
    num_positives: int
    curve: pd.DataFrame


def choose(labels: NDArray, scores: NDArray, costs: Costs) -> Choice:
    """Chooses the threshold.

    Args:
        labels: Class ids of the eval split, [N]; 1 is positive.
        scores: Of the second class, [N].
        costs: Of the two kinds of mistake.
    """
    import pandas as pd

    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.insert(np.diff(scores[order]) != 0, 0, True))
    distinct, positive = scores[order][starts], labels == 1
    # Thresholds in (low, high] call positive what scores at least `high`: all examples first, none last.
    low = np.insert(distinct, 0, min(0.0, np.nextafter(distinct[0], -np.inf)))
    high = np.append(distinct, max(1.0, np.nextafter(distinct[-1], np.inf)))
    missed = np.append(0, np.cumsum(positive[order]))[np.append(starts, len(labels))]
    spared = np.append(0, np.cumsum(~positive[order]))[np.append(starts, len(labels))]
    total = costs.false_negative * missed + costs.false_positive * (len(labels) - positive.sum() - spared)
    best = total == total.min()
    threshold = _nearest(costs.false_positive / (costs.false_positive + costs.false_negative), low[best], high[best])
    end = np.log(1 / LEAST_SHOWN - 1)
    log_odds = np.linspace(-end, end, _NUM_POINTS)
    shown = np.unique([threshold, *np.linspace(0.0, 1.0, _NUM_POINTS), *(1 / (1 + np.exp(-log_odds))).round(9)])
    curve = pd.DataFrame({"threshold": shown, "cost": total[np.searchsorted(distinct, shown)] / len(labels)})
    decision = Decision(costs.false_positive, costs.false_negative, threshold)
    return Choice(decision, len(labels), int(positive.sum()), curve)


def _nearest(wanted: float, low: NDArray, high: NDArray) -> float:
    """`wanted`, if one of the ranges (low, high] holds it, else the middle of the range nearest to it."""
    # Ranges that touch are one, else its middle would be that of a part.
    apart = low[1:] != high[:-1]
    low, high = low[np.insert(apart, 0, True)], high[np.append(apart, True)]
    distance = np.maximum(0.0, np.maximum(low - wanted, wanted - high))
    nearest = int(distance.argmin())
    if low[nearest] < wanted <= high[nearest]:
        return float(wanted)
    middle = (low[nearest] + high[nearest]) / 2
    # A short number can be told to others. Above a score of 1 there is no room for a middle.
    numbers = (float(f"{middle:.4g}"), float(middle), float(high[nearest]))
    return next(number for number in numbers if low[nearest] < number <= high[nearest])

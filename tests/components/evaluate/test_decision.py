"""The threshold that costs least on eval, and what is measured at it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.evaluate.curves import decisions
from components.evaluate.decision import choose
from components.evaluate.metrics import Decision, decision_metrics
from components.params.models import Costs

SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.9])
LABELS = np.array([0, 0, 1, 0, 1, 1])


def costs(false_positive: float, false_negative: float) -> Costs:
    return Costs(false_positive=false_positive, false_negative=false_negative)


@pytest.mark.parametrize(
    ("false_positive", "false_negative", "threshold"),
    [
        # Missing the 0.3 costs more than calling the 0.4 positive: (0.2, 0.3], and 1/11 lies below it.
        (1.0, 10.0, 0.25),
        # It costs less: (0.4, 0.6] is best, and 2/3 lies above it.
        (2.0, 1.0, 0.5),
        # Both cost the same: the two ranges are best, and 0.5 lies in one of them.
        (1.0, 1.0, 0.5),
        # The theoretical threshold lies in the best range: 4/(4 + 15).
        (4.0, 15.0, 4.0 / 19.0),
        (1000.0, 1.0, 0.5),
    ],
)
def test_the_threshold_costs_least(false_positive: float, false_negative: float, threshold: float) -> None:
    choice = choose(LABELS, SCORES, costs(false_positive, false_negative))
    assert choice.decision == Decision(false_positive, false_negative, pytest.approx(threshold))
    assert (choice.num_examples, choice.num_positives) == (6, 3)


def test_no_other_threshold_costs_less() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        scores = random.integers(0, 12, 40) / 11  # ties, and both ends of the range
        labels = (random.random(40) < scores * 0.7 + 0.1).astype(int)
        of = costs(*random.choice([0.5, 1.0, 3.0, 25.0], 2))
        choice = choose(labels, scores, of)
        value = decision_metrics(choice.decision)["cost"].value(labels, scores)
        others = [-1.0, *scores, *np.nextafter(scores, 2.0)]
        least = min(
            decision_metrics(Decision(of.false_positive, of.false_negative, each))["cost"].value(labels, scores)
            for each in others
        )
        assert value == pytest.approx(least)
        curve = choice.curve
        assert curve["cost"].min() >= least - 1e-12
        assert curve["cost"][curve["threshold"] == choice.decision.threshold].tolist() == [pytest.approx(least)]


def test_the_curve_tells_the_cost_at_its_thresholds() -> None:
    curve = choose(LABELS, SCORES, costs(1.0, 10.0)).curve
    assert curve["threshold"].is_monotonic_increasing
    assert (curve["threshold"].iloc[0], curve["threshold"].iloc[-1]) == (0.0, 1.0)
    expected = [np.mean(np.where(threshold <= SCORES, LABELS == 0, 10.0 * (LABELS == 1))) for threshold in curve["threshold"]]
    assert curve["cost"].tolist() == pytest.approx(expected)


def test_where_no_example_is_positive_or_all_are() -> None:
    nobody = choose(np.zeros(6, int), SCORES, costs(1.0, 25.0))
    assert not nobody.decision.called(SCORES).any()
    everybody = choose(np.ones(6, int), SCORES, costs(1.0, 25.0))
    assert everybody.decision.called(SCORES).all()
    sure = choose(np.array([0, 1]), np.array([1.0, 1.0]), costs(3.0, 1.0))
    assert not sure.decision.called(np.array([1.0, 1.0])).any()


def test_metrics_at_the_threshold_and_at_half() -> None:
    metrics = decision_metrics(Decision(1.0, 10.0, 0.25))
    values = {name: metric.value(LABELS, SCORES) for name, metric in metrics.items()}
    assert values == pytest.approx(
        {
            "cost": 1 / 6,
            "cost_at_half": 10 / 6,
            "accuracy_at_threshold": 5 / 6,
            "precision_at_threshold": 3 / 4,
            "recall_at_threshold": 1.0,
            "f1_at_threshold": 6 / 7,
        }
    )
    assert {name: metric.better for name, metric in metrics.items() if metric.better == "lower"} == {
        "cost": "lower",
        "cost_at_half": "lower",
    }
    high = decision_metrics(Decision(1.0, 10.0, 0.95))["precision_at_threshold"]
    assert math.isnan(high.value(LABELS, SCORES))
    assert high.undefined == "no example scores at least 0.95"


def test_the_mistakes_are_counted() -> None:
    table = decisions(LABELS == 1, SCORES, Decision(1.0, 10.0, 0.25))
    assert table.to_dict("records") == [
        {
            "threshold": 0.5,
            "true_positives": 2,
            "false_positives": 0,
            "false_negatives": 1,
            "true_negatives": 3,
            "cost": 10.0,
        },
        {
            "threshold": 0.25,
            "true_positives": 3,
            "false_positives": 1,
            "false_negatives": 0,
            "true_negatives": 2,
            "cost": 1.0,
        },
    ]

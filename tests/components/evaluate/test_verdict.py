"""The gate's rules and what it says."""

from __future__ import annotations

import dataclasses

import pytest

from components.evaluate.measure import Comparison, Measurement
from components.evaluate.metrics import METRICS
from components.evaluate.verdict import Verdict, make_verdict, shown
from components.params.models import EvaluateParams

AUC = METRICS["binary"]["auc"]
GOOD = Measurement(2000, {"auc": 0.94321, "precision": None}, 0.93, 0.95)
UNDEFINED = {"precision": "no example is predicted as of the second class", "auc": "the examples are all of one class"}


def judge(measurement: Measurement = GOOD, champion: Comparison | None = None, **params: object) -> Verdict:
    measurement = dataclasses.replace(measurement, champion=champion)
    return make_verdict(measurement, AUC, UNDEFINED, EvaluateParams.model_validate(params))


def test_whole_verdict_as_json():
    champion = Comparison("abc", 0.93, 0.01321, 0.001, 0.02)
    verdict = judge(champion=champion, thresholds={"auc": {"min": 0.9}}, beat_champion_by=0.02)
    reason = (
        "auc 0.9432 against the champion's 0.9300 is an improvement of +0.0132 (95% interval +0.0010 to +0.0200), "
        "less than the 0.02 that evaluate.beat_champion_by asks for"
    )
    assert verdict.as_dict() == {
        "promote": False,
        "reason": reason,
        "thresholds_met": True,
        "failures": [],
        "thresholds": [{"metric": "auc", "value": 0.94321, "min": 0.9, "max": None, "failure": None}],
        "blessed": None,
        "champion": {"digest": "abc", "value": 0.93, "difference": 0.01321, "low": 0.001, "high": 0.02, "problem": None},
        "beats_champion": False,
        "notes": [],
    }


@pytest.mark.parametrize(
    ("champion", "params", "promote", "reason"),
    [
        (None, {}, True, "there are no thresholds; no incumbent"),
        (None, {"thresholds": {"auc": {"min": 0.9, "max": 0.99}}}, True, "every threshold is met; no incumbent"),
        (None, {"thresholds": {"auc": {"min": 0.94321}}}, True, "every threshold is met; no incumbent"),
        (None, {"thresholds": {"auc": {"min": 0.95}}}, False, "auc 0.9432 is less than 0.95 (evaluate.thresholds.auc.min)"),
        (
            None,
            {"thresholds": {"auc": {"min": 0.943211}}},
            False,
            "auc 0.9432 is less than 0.943211 (evaluate.thresholds.auc.min)",
        ),
        (
            None,
            {"thresholds": {"auc": {"max": 0.5}, "precision": {"min": 0.1}}},
            False,
            "auc 0.9432 is more than 0.5 (evaluate.thresholds.auc.max); precision is undefined on the test split: "
            "no example is predicted as of the second class (evaluate.thresholds.precision)",
        ),
        (
            Comparison("", 0.95, -0.00679, -0.01, 0.002),
            {},
            False,
            "auc 0.9432 against the champion's 0.9500 is an improvement of -0.0068 (95% interval -0.0100 to +0.0020), "
            "less than the 0 that evaluate.beat_champion_by asks for",
        ),
        (
            Comparison("", 0.94321, 0.0, 0.0, 0.0),
            {},
            True,
            "there are no thresholds; auc 0.9432 against the champion's 0.9432 is an improvement of +0.0000 "
            "(95% interval +0.0000 to +0.0000), at least the 0 that evaluate.beat_champion_by asks for",
        ),
        (
            Comparison("", 0.9432, -0.00000001, None, None),
            {"confidence": 0.9},
            False,
            "auc 0.9432 against the champion's 0.9432 is an improvement of -0.00000001 (no interval), "
            "less than the 0 that evaluate.beat_champion_by asks for",
        ),
        (
            Comparison("", problem="it knows other classes; do this"),
            {},
            False,
            "can't be compared with the champion: it knows other classes; do this",
        ),
    ],
)
def test_promotes_or_says_why_not(champion, params, promote, reason):
    verdict = judge(champion=champion, **params)
    assert (verdict.promote, verdict.reason) == (promote, reason)


def test_a_model_that_cannot_be_judged_is_not_promoted():
    verdict = judge(Measurement(2, {"auc": None}, None, None))
    assert verdict.promote is False
    assert verdict.thresholds_met is True
    assert verdict.reason == (
        "auc is undefined on the test split: the examples are all of one class, so the model can't be judged"
    )


def test_notes_tell_what_the_numbers_do_not():
    measurement = Measurement(52, {"accuracy": 1.0}, 1.0, 1.0, Comparison("", 1.0, 0.0, 0.0, 0.0))
    verdict = make_verdict(measurement, METRICS["multiclass"]["accuracy"], {}, EvaluateParams(), approximated=["auc"])
    assert verdict.notes == [
        "No test example is predicted wrongly, so the resamples know no errors and the interval has no width. "
        "With none in 52, an error rate of up to 5.6% is compatible with the data (95% confidence).",
        "The test split holds only 52 examples: small differences say little.",
        "The interval of the improvement holds 0: this test split can't tell candidate and champion apart.",
        "TFMA approximates auc, and takes an undefined one for 0, and so judges its threshold otherwise. "
        "The exact value decides.",
    ]


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [(0.5, 0.4, "0.5000"), (0.74999, 0.75, "0.74999"), (0.75, 0.75, "0.7500"), (1e-20, 0.0, "1e-20")],
)
def test_shown_values_lie_on_their_side_of_the_limit(value, limit, text):
    assert shown(value, limit) == text

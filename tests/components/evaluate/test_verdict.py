"""What the verdict makes of the checks, and what it says."""

from __future__ import annotations

import dataclasses

import pytest

from components.evaluate.checks import Check, check_thresholds
from components.evaluate.incumbent import check_champion
from components.evaluate.measure import Comparison, Measurement
from components.evaluate.metrics import METRICS
from components.evaluate.verdict import Verdict, make_verdict
from components.params.models import EvaluateParams

AUC = METRICS["binary"]["auc"]
GOOD = Measurement(2000, {"auc": 0.94321, "precision": None}, 0.93, 0.95)
UNDEFINED = {"precision": "no example is predicted as of the second class", "auc": "the examples are all of one class"}


def judge(champion: Comparison | None = None, *more: Check, **params: object) -> Verdict:
    """The verdict by thresholds and champion, and by `more` checks."""
    measurement, given = dataclasses.replace(GOOD, champion=champion), EvaluateParams.model_validate(params)
    checks = [
        check_thresholds(measurement.values, UNDEFINED, given),
        check_champion(champion, "d", measurement.values["auc"], AUC, given, None),
        *more,
    ]
    return make_verdict(measurement, AUC, given, checks)


def test_whole_verdict_as_json():
    champion = Comparison("abc", 0.93, 0.01321, 0.001, 0.02)
    verdict = judge(champion, thresholds={"auc": {"min": 0.9}}, beat_champion_by=0.02)
    why = "better, but not certainly by more than the 0.02 of evaluate.beat_champion_by"
    reason = "auc 0.9432 against the champion's 0.9300 is an improvement of +0.0132 (95% interval +0.0010 to +0.0200), " + why
    blank = {"value": None, "low": None, "high": None, "min": None, "max": None, "passed": True, "note": ""}
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
        "checks": [
            {
                "name": "thresholds",
                "passed": True,
                "reason": "every threshold is met",
                "judged": True,
                "items": [{**blank, "what": "auc", "value": 0.94321, "min": 0.9}],
            },
            {
                "name": "champion",
                "passed": False,
                "reason": reason,
                "judged": True,
                "items": [
                    {
                        **blank,
                        "what": "auc, improvement on the champion",
                        "value": 0.01321,
                        "low": 0.001,
                        "high": 0.02,
                        "min": 0.02,
                        "passed": False,
                        "note": why,
                    }
                ],
            },
        ],
    }


def test_it_is_promoted_if_every_check_passed():
    assert (judge().promote, judge().reason) == (True, "there are no thresholds; no incumbent")
    guessing = Check("guessing", passed=True, reason="better than guessing")
    slices = Check("slices", passed=True, reason="there are no thresholds on slices", judged=False)
    verdict = judge(None, slices, guessing, thresholds={"auc": {"min": 0.9}})
    assert (verdict.promote, verdict.reason) == (True, "every threshold is met; no incumbent; better than guessing")


def test_every_check_that_failed_is_a_reason():
    size, canary = (Check(name, passed=False, reason=f"{name}!") for name in ("size", "canary"))
    verdict = judge(None, size, canary, thresholds={"auc": {"min": 0.95}})
    assert verdict.reason == "auc 0.9432 is less than 0.95 (evaluate.thresholds.auc.min); size!; canary!"
    assert (verdict.promote, verdict.thresholds_met) == (False, False)
    assert [each.name for each in verdict.failed] == ["thresholds", "size", "canary"]
    assert verdict.failures == ["auc 0.9432 is less than 0.95 (evaluate.thresholds.auc.min)"]
    assert [each.failure for each in verdict.thresholds] == verdict.failures


def test_notes_tell_what_the_numbers_do_not():
    measurement = Measurement(52, {"accuracy": 1.0}, 1.0, 1.0)
    verdict = make_verdict(measurement, METRICS["multiclass"]["accuracy"], EvaluateParams(), [], approximated=["auc"])
    assert verdict.notes == [
        "No test example is predicted wrongly, so the resamples know no errors and the interval has no width. "
        "With none in 52, an error rate of up to 5.6% is compatible with the data (95% confidence).",
        "The test split holds only 52 examples: small differences say little.",
        "TFMA approximates auc, and takes an undefined one for 0, and so judges its threshold otherwise. "
        "The exact value decides.",
    ]


@pytest.mark.parametrize(
    ("low", "high", "margin", "beats"),
    [
        (0.001, 0.02, 0.0, True),
        (0.001, 0.02, 0.001, False),
        (0.0, 0.0, 0.0, False),
        (-0.004, 0.02, -0.005, True),
        (None, None, 0.0, False),
    ],
)
def test_it_beats_the_champion_if_the_interval_lies_above(low, high, margin, beats):
    assert judge(Comparison("abc", 0.93, 0.01, low, high), beat_champion_by=margin).beats_champion is beats

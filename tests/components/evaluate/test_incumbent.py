"""Better than the champion, worse, or a tie: and what a tie is worth."""

from __future__ import annotations

import pytest

from components.evaluate.incumbent import Cost, check_champion, shown_size_mb, size_bytes
from components.evaluate.measure import Comparison
from components.evaluate.metrics import METRICS
from components.params.models import EvaluateParams

AUC = METRICS["binary"]["auc"]
TOLD = "auc 0.9432 against the champion's 0.9300 is an improvement of "
TIE = TOLD + "+0.0132 (95% interval -0.0010 to +0.0200), so this test split can't tell the two apart"


@pytest.mark.parametrize(
    ("difference", "interval", "params", "passed", "reason"),
    [
        (
            0.0132,
            (0.001, 0.02),
            {},
            True,
            TOLD + "+0.0132 (95% interval +0.0010 to +0.0200), which lies above the 0 of evaluate.beat_champion_by",
        ),
        (
            0.0132,
            (0.001, 0.02),
            {"beat_champion_by": 0.005, "on_tie": "promote"},
            False,
            TOLD + "+0.0132 (95% interval +0.0010 to +0.0200), better, but not certainly by more than the 0.005 of "
            "evaluate.beat_champion_by",
        ),
        (
            -0.0132,
            (-0.02, -0.00000001),
            {"confidence": 0.9, "on_tie": "promote"},
            False,
            TOLD + "-0.0132 (90% interval -0.0200 to -0.00000001), worse than the champion",
        ),
        # Not worse by more than 0.05 is what was asked for.
        (
            -0.0132,
            (-0.02, -0.01),
            {"beat_champion_by": -0.05},
            True,
            TOLD + "-0.0132 (95% interval -0.0200 to -0.0100), which lies above the -0.05 of evaluate.beat_champion_by",
        ),
        (0.0132, (-0.001, 0.02), {}, False, TIE + " (evaluate.on_tie: refuse)"),
        (0.0132, (-0.001, 0.02), {"on_tie": "promote"}, True, TIE + " (evaluate.on_tie: promote)"),
        # A tie stays one, however much is asked for.
        (0.0132, (-0.001, 0.02), {"on_tie": "promote", "beat_champion_by": 0.5}, True, TIE + " (evaluate.on_tie: promote)"),
        (
            0.0,
            (0.0, 0.0),
            {},
            False,
            TOLD + "+0.0000 (95% interval +0.0000 to +0.0000), so this test split can't tell the two apart "
            "(evaluate.on_tie: refuse)",
        ),
        (
            0.0132,
            (None, None),
            {},
            False,
            TOLD + "+0.0132 (no interval), so this test split can't tell the two apart (evaluate.on_tie: refuse)",
        ),
    ],
)
def test_better_worse_or_a_tie(difference, interval, params, passed, reason):
    champion = Comparison("abc", 0.93, difference, *interval)
    check = check_champion(champion, "d", 0.9432, AUC, EvaluateParams.model_validate(params), None)
    assert (check.passed, check.reason, check.judged) == (passed, reason, True)
    (item,) = check.items
    assert (item.value, item.low, item.high, item.passed) == (difference, *interval, passed)


@pytest.mark.parametrize(
    ("size", "latency", "passed", "told"),
    [
        (800_000, 1.0, True, "it has 0.8 MB and the champion 1, and it answers as fast"),
        (1_000_000, 0.8, True, "it has 1 MB and the champion 1, and it answers faster"),
        (950_000, 0.95, False, "it has 0.95 MB and the champion 1, and it answers as fast"),
        (800_000, 1.2, False, "it has 0.8 MB and the champion 1, and it answers more slowly"),
        (1_200_000, 0.5, False, "it has 1.2 MB and the champion 1, and it answers faster"),
        (800_000, None, False, "it has 0.8 MB and the champion 1, and their latencies are not known"),
    ],
)
def test_a_tie_may_go_to_the_cheaper_one(size, latency, passed, told):
    params = EvaluateParams(on_tie="promote_if_cheaper")
    costs = Cost(size, latency), Cost(1_000_000, 1.0)
    check = check_champion(Comparison("abc", 0.93, 0.0132, -0.001, 0.02), "d", 0.9432, AUC, params, costs)
    assert (check.passed, check.reason) == (
        passed,
        f"{TIE}; {told} (evaluate.on_tie: promote_if_cheaper, cheaper_by: 0.1)",
    )


def test_what_is_not_compared():
    params = EvaluateParams()
    check = check_champion(None, "d", 0.9, AUC, params, None)
    assert (check.passed, check.judged, check.reason) == (True, False, "no incumbent")
    check = check_champion(Comparison("d", 0.9, 0.0, 0.0, 0.0), "d", 0.9, AUC, params, None)
    assert (check.passed, check.judged, check.reason) == (True, False, "it is the champion itself")
    check = check_champion(Comparison("c", problem="it knows other classes; do this"), "d", 0.9, AUC, params, None)
    assert (check.passed, check.judged, check.reason) == (
        False,
        True,
        "can't be compared with the champion: it knows other classes; do this",
    )


def test_the_size_is_that_of_what_is_served(tmp_path):
    for name, size in (
        ("Format-Serving/saved_model.pb", 12_300),
        ("Format-Serving/variables/v", 45),
        ("keras/model.keras", 9),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    assert size_bytes(tmp_path) == 12_345
    assert shown_size_mb(12_345) == 0.02
    assert shown_size_mb(1_250_000) == 1.25

"""The checks that compare a number with a limit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from components.errors import TensorlineError
from components.evaluate.checks import (
    Item,
    check_anomalies,
    check_latency,
    check_size,
    check_slices,
    check_thresholds,
    read_anomalies,
    shown,
)
from components.evaluate.measure import Measurement
from components.evaluate.slices import Slice
from components.params.models import EvaluateParams

VALUES = {"auc": 0.94321, "precision": None}
UNDEFINED = {"precision": "no example is predicted as of the second class", "auc": "the examples are all of one class"}


def params(**content: object) -> EvaluateParams:
    return EvaluateParams.model_validate(content)


def test_anomalies(tmp_path):
    row = {"feature": "fare", "split": "train", "what": "Out-of-range", "how_much": "3 values", "fix": "", "offending": []}
    (tmp_path / "anomalies.json").write_text(json.dumps([row] * 7), encoding="utf-8")
    found = read_anomalies(tmp_path)
    told = ", ".join(["fare (train: Out-of-range)"] * 5) + ", and 2 more"
    refused = check_anomalies(found, params())
    assert (refused.passed, refused.reason) == (
        False,
        f"the data break their schema, 7 anomalies: {told} (evaluate.on_anomaly: refuse)",
    )
    assert len(refused.items) == 8
    assert refused.items[:2] == [
        Item("anomalies", 7, max=0, passed=False),
        Item("fare (train)", passed=False, note="Out-of-range: 3 values"),
    ]
    allowed = check_anomalies(found[:1], params(on_anomaly="allow"))
    assert (allowed.passed, allowed.reason) == (
        True,
        "the data break their schema, 1 anomaly: fare (train: Out-of-range) (evaluate.on_anomaly: allow)",
    )
    assert check_anomalies([], params()).passed is True


def test_no_anomalies_file(tmp_path):
    with pytest.raises(TensorlineError) as error:
        read_anomalies(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'anomalies.json'}: [Errno 2] No such file or directory: '{tmp_path / 'anomalies.json'}'. "
        "Expected what stage validate writes: rerun validate."
    )


@pytest.mark.parametrize(
    ("thresholds", "passed", "reason"),
    [
        ({}, True, "there are no thresholds"),
        ({"auc": {"min": 0.9, "max": 0.99}}, True, "every threshold is met"),
        ({"auc": {"min": 0.94321}}, True, "every threshold is met"),
        ({"auc": {"min": 0.95}}, False, "auc 0.9432 is less than 0.95 (evaluate.thresholds.auc.min)"),
        ({"auc": {"min": 0.943211}}, False, "auc 0.9432 is less than 0.943211 (evaluate.thresholds.auc.min)"),
        (
            {"auc": {"max": 0.5}, "precision": {"min": 0.1}},
            False,
            "auc 0.9432 is more than 0.5 (evaluate.thresholds.auc.max); precision is undefined on the test split: "
            "no example is predicted as of the second class (evaluate.thresholds.precision)",
        ),
    ],
)
def test_thresholds(thresholds, passed, reason):
    check = check_thresholds(VALUES, UNDEFINED, params(thresholds=thresholds))
    assert (check.passed, check.reason, check.judged) == (passed, reason, bool(thresholds))


def part(value: str, count: int, auc: float | None) -> tuple[Slice, Measurement]:
    return Slice(("pay",), (value,), np.arange(count)), Measurement(count, {"auc": auc}, None, None)


SLICES = [
    (Slice((), (), np.arange(400)), Measurement(400, {"auc": 0.5}, None, None)),
    part("Card", 300, 0.9),
    part("Cash", 60, None),
    part("Other", 29, 0.1),
    part("Voucher", 40, 0.61),
]


def test_slices():
    rules = [
        {"columns": ["pay"], "thresholds": {"auc": {"min": 0.7}}},
        {"columns": ["pay"], "values": ["Crad"], "thresholds": {"auc": {"min": 0.7}}},
        {"columns": ["pay"], "values": ["Card"], "thresholds": {"auc": {"max": 0.95}}, "min_examples": 100},
    ]
    check = check_slices(SLICES, UNDEFINED, params(slices=[["pay"]], slice_thresholds=rules), "examples")
    low = "auc where pay = Voucher (40 examples) is 0.6100, less than 0.7 (evaluate.slice_thresholds.0.thresholds.auc.min)"
    known = "pay = Card; pay = Cash; pay = Other; pay = Voucher"
    nowhere = f"no test examples there (evaluate.slice_thresholds.1.values); slices: {known}"
    assert check.items == [
        Item("auc where pay = Card", 0.9, min=0.7, note="300 examples"),
        Item("auc where pay = Cash", None, min=0.7, passed=None, note="undefined, the examples are all of one class"),
        Item("auc where pay = Other", 0.1, min=0.7, passed=None, note="29 examples, fewer than 30"),
        Item("auc where pay = Voucher", 0.61, min=0.7, passed=False, note=low),
        Item("pay = Crad", passed=None, note=nowhere),
        Item("auc where pay = Card", 0.9, max=0.95, note="300 examples"),
    ]
    assert (check.passed, check.judged) == (False, True)
    assert check.reason == (
        f"{low}; not judged, 3: auc where pay = Cash: undefined, the examples are all of one class, "
        f"auc where pay = Other: 29 examples, fewer than 30, pay = Crad: {nowhere}"
    )


def test_slices_that_are_too_small_are_told_and_not_judged():
    rules = [{"columns": ["pay"], "values": ["Other"], "thresholds": {"auc": {"min": 0.7}}}]
    check = check_slices(SLICES, UNDEFINED, params(slices=[["pay"]], slice_thresholds=rules), "groups")
    assert (check.passed, check.judged, check.reason) == (
        True,
        False,
        "no slice could be judged; not judged, 1: auc where pay = Other: 29 groups, fewer than 30",
    )
    rules[0]["min_examples"] = 29
    check = check_slices(SLICES, UNDEFINED, params(slices=[["pay"]], slice_thresholds=rules), "groups")
    assert check.reason == (
        "auc where pay = Other (29 groups) is 0.1000, less than 0.7 (evaluate.slice_thresholds.0.thresholds.auc.min)"
    )
    assert check_slices(SLICES, UNDEFINED, params(), "examples").judged is False


@pytest.mark.parametrize(
    ("limit", "passed", "judged", "reason"),
    [
        (None, True, False, "the SavedModel has 1.25 MB; there is no limit (evaluate.max_size_mb)"),
        (1.25, True, True, "the SavedModel has 1.25 MB, within the 1.25 MB of evaluate.max_size_mb"),
        (1, False, True, "the SavedModel has 1.25 MB, more than the 1 MB of evaluate.max_size_mb"),
    ],
)
def test_size(limit, passed, judged, reason):
    check = check_size(1.25, params(max_size_mb=limit))
    assert (check.passed, check.judged, check.reason) == (passed, judged, reason)
    assert check.items == [Item("size_mb", 1.25, max=limit, passed=passed if judged else None)]


@pytest.mark.parametrize(
    ("measured", "limit", "passed", "reason"),
    [
        (7.5, None, True, "there is no limit (evaluate.max_latency_ms)"),
        (7.5, 8, True, "a request of one row takes no more than the 8 ms of evaluate.max_latency_ms (median)"),
        (8.5, 8, False, "a request of one row takes longer than the 8 ms of evaluate.max_latency_ms (median)"),
        (
            None,
            8,
            False,
            "the latency is not known, as the canary has no answer, and evaluate.max_latency_ms allows 8 ms",
        ),
    ],
)
def test_latency_is_judged_and_not_told(measured, limit, passed, reason):
    check = check_latency(measured, params(max_latency_ms=limit))
    assert (check.passed, check.reason, check.judged) == (passed, reason, limit is not None)
    assert [each.value for each in check.items] == ([] if limit is None else [None])


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [(0.5, 0.4, "0.5000"), (0.74999, 0.75, "0.74999"), (0.75, 0.75, "0.7500"), (1e-20, 0.0, "1e-20")],
)
def test_shown_values_lie_on_their_side_of_the_limit(value, limit, text):
    assert shown(value, limit) == text

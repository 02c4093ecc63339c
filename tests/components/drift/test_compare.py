"""Distances, limits and p-values: against SciPy, and where missing, rare, new and vanished values come in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from components.drift.compare import FeatureDrift, compare
from components.drift.profile import Profile

LIMITS = dict.fromkeys(("numeric", "categorical", "text", "image"), 0.05)
Make = Callable[..., Profile]


def one(baseline: Profile, current: Profile, **options: Any) -> FeatureDrift:
    (result,) = compare(baseline, current, LIMITS, 0.01, **options)
    return result


def test_numbers_are_as_scipy_has_them(make_profile: Make) -> None:
    generator = np.random.default_rng(0)
    old, new = generator.normal(size=400).astype(np.float32), generator.normal(0.4, size=300).astype(np.float32)
    result = one(make_profile({"fare": old.tolist()}), make_profile({"fare": new.tolist()}))
    expected = stats.ks_2samp(old, new, method="asymp")
    ranks = stats.mannwhitneyu(old, new, method="asymptotic", use_continuity=False)
    where, shares = result.detail.split(": ")
    place = float(where.removeprefix("at most "))
    assert place == pytest.approx(expected.statistic_location, rel=1e-5)
    before, now = (100 * (values <= expected.statistic_location).mean() for values in (old, new))
    assert shares == f"{before:.1f}% before, {now:.1f}% now"
    # The ranks' variance is that of so many more records than one that N + 1 is N.
    assert result.p_value == pytest.approx(2 * min(expected.pvalue, ranks.pvalue), rel=0.1)
    assert result.p_value < 1e-5
    assert result == FeatureDrift(
        feature="fare",
        kind="numeric",
        distance_name="kolmogorov_smirnov",
        distance=pytest.approx(expected.statistic, rel=1e-5),
        limit=pytest.approx(math.sqrt(0.05**2 + math.pi**2 / 12 * (1 / 400 + 1 / 300)), rel=1e-5),
        p_value=result.p_value,
        p_adjusted=result.p_value,
        drifted=True,
        num_baseline=400,
        num_current=300,
        missing_baseline=0.0,
        missing_current=0.0,
        detail=result.detail,
    )


def test_ranks_of_many_equal_values_are_as_scipy_has_them(make_profile: Make) -> None:
    old, new = [0] * 700 + [1] * 300, [0] * 600 + [1] * 400
    result = one(make_profile({"tips": old}), make_profile({"tips": new}))
    ranks = stats.mannwhitneyu(old, new, method="asymptotic", use_continuity=False)
    assert result.p_value == pytest.approx(2 * ranks.pvalue, rel=0.01)
    assert (result.distance, result.detail) == (0.1, "at most 0: 70.0% before, 60.0% now")


def test_a_missing_number_counts_as_less_than_all_others(make_profile: Make) -> None:
    old, new = [None] * 100 + [3.5] * 900, [None] * 400 + [3.5] * 600
    result = one(make_profile({"fare": old}), make_profile({"fare": new}))
    assert (result.distance, result.drifted, result.num_baseline, result.num_current) == (0.3, True, 900, 600)
    assert (result.missing_baseline, result.missing_current) == (0.1, 0.4)
    assert result.detail == "missing: 10.0% before, 40.0% now"


def test_a_difference_that_does_not_matter_is_none_however_sure_it_is(make_profile: Make) -> None:
    old, new = [0] * 50_000 + [1] * 50_000, [0] * 52_000 + [1] * 48_000
    kept = {"hour": [*range(1000)] * 100}
    result = compare(make_profile({"tips": old, **kept}), make_profile({"tips": new, **kept}), LIMITS, 0.01, only=["tips"])[0]
    assert result.p_adjusted < 0.01
    assert (result.distance < result.limit, result.drifted) == (True, False)


def test_values_are_as_scipy_has_them(make_profile: Make) -> None:
    old, new = {"cash": 500, "card": 400, "voucher": 100}, {"cash": 300, "card": 400, "voucher": 50}
    result = one(*(make_profile({"payment": [name for name in of for _ in range(of[name])]}) for of in (old, new)))
    table = np.array([list(old.values()), list(new.values())])
    assert result.p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-5)
    assert result.distance == pytest.approx(jensenshannon(*table, base=2), rel=1e-5)
    assert result.limit == pytest.approx(math.sqrt(0.05**2 + 2 * (1 / 1000 + 1 / 750) / (8 * math.log(2))), rel=1e-5)
    assert (result.distance_name, result.drifted) == ("jensen_shannon", True)
    assert result.detail == "card: 40.0% before, 53.3% now"


def test_chance_brings_the_squared_distance_that_the_limit_accounts_for(make_profile: Make) -> None:
    generator = np.random.default_rng(3)
    squares: dict[str, list[float]] = {"values": [], "numbers": []}
    for _ in range(60):
        sides = [
            make_profile(
                {"values": [str(value) for value in generator.integers(0, 12, 400)], "numbers": generator.random(400).tolist()}
            )
            for _ in range(2)
        ]
        for result in compare(*sides, dict.fromkeys(LIMITS, 0.0), 0.01):
            squares[result.feature].append((result.distance / result.limit) ** 2)
    assert np.mean(squares["values"]) == pytest.approx(1.0, abs=0.25)
    assert np.mean(squares["numbers"]) == pytest.approx(1.0, abs=0.25)


def test_rare_values_are_pooled(make_profile: Make) -> None:
    """Names that occur once differ in any two samples; that there are more of them is a difference."""
    names = [f"name {index}" for index in range(2000)]
    same = one(make_profile({"name": ["x"] * 500 + names[:500]}), make_profile({"name": ["x"] * 500 + names[500:1000]}))
    assert (same.distance, same.p_value, same.drifted) == (0.0, 1.0, False)
    more = one(make_profile({"name": ["x"] * 500 + names[:500]}), make_profile({"name": ["x"] * 300 + names[500:1200]}))
    assert (more.drifted, more.detail) == (True, "x: 50.0% before, 30.0% now")
    ids = one(make_profile({"name": names[:1000]}), make_profile({"name": names[1000:]}))
    assert (ids.distance, ids.p_value, ids.detail) == (0.0, 1.0, "only rare values")


def test_a_value_that_a_profile_has_not_kept_may_be_as_frequent_as_those_it_kept(make_profile: Make) -> None:
    kept = [f"{index}" for index in range(1000) for _ in range(20)]
    left_out = ["y"] * 15
    baseline = make_profile({"company": kept + left_out})
    assert "y" not in baseline.features["company"].content.listed  # type: ignore[union-attr]
    current = make_profile({"company": left_out * 3 + kept})
    assert not one(baseline, current).drifted
    many = one(baseline, make_profile({"company": ["y"] * 5_000 + kept}))
    assert (many.drifted, many.detail) == (True, "y: 0.1% before, 20.0% now")


def test_words_count_once_a_text(make_profile: Make) -> None:
    old = ["a good film", "a bad film, bad, bad"] * 300
    same = one(make_profile({"text": old}), make_profile({"text": [text.replace("bad", "bad bad") for text in old]}))
    assert (same.distance, same.drifted) == (0.0, False)
    result = one(make_profile({"text": old}), make_profile({"text": ["A good, dull film", "a bad film"] * 300}))
    assert (result.kind, result.distance_name, result.distance, result.drifted) == ("text", "l_infinity", 0.5, True)
    assert result.detail == "texts with 'dull': 0.0% before, 50.0% now"
    assert result.p_value == pytest.approx(2 * 0.5**300 * 5, rel=0.01)  # 5 words are tested


@pytest.mark.parametrize("value", [1.5, "cash", "texts"])
def test_a_feature_that_is_new_or_vanished(make_profile: Make, value: Any) -> None:
    name = "text" if value == "texts" else "x"
    full = make_profile({"hour": [1, 2] * 100, name: [value] * 200})
    without = make_profile({"hour": [1, 2] * 100})
    missing = make_profile({"hour": [1, 2] * 100, name: [None] * 200})
    for absent in (without, missing):
        vanished, hour = compare(full, absent, LIMITS, 0.01)
        assert (vanished.feature, vanished.distance_name, vanished.distance, vanished.drifted) == (name, "presence", 1.0, True)
        assert vanished.detail == "vanished: only the baseline has values of it"
        assert not hour.drifted
        new = compare(absent, full, LIMITS, 0.01)[0]
        assert (new.distance, new.drifted, new.num_baseline, new.num_current) == (1.0, True, 0, 200)
        assert new.detail == "new: the baseline has no value of it"


def test_a_feature_that_is_nearly_always_missing_may_be_so_always(make_profile: Make) -> None:
    rare = one(make_profile({"tract": [7.0] + [None] * 999}), make_profile({"tract": [None] * 1000}), only=["tract"])
    assert (rare.distance_name, rare.distance, rare.drifted) == ("presence", 0.001, False)
    assert compare(make_profile({"tract": [None] * 9}), make_profile({"tract": [None] * 9}), LIMITS, 0.01) == []


def test_another_type_is_drift(make_profile: Make) -> None:
    result = one(make_profile({"fare": [1.5, 2.5]}), make_profile({"fare": ["1.5", "2.5"]}))
    assert (result.distance_name, result.kind, result.drifted) == ("type", "categorical", True)
    assert result.detail == "numbers before, values now: the schema, or the type of the data, changed"


def test_more_features_need_more_evidence(make_profile: Make) -> None:
    """Holm: the least p-value times the number of features, and so on; ignored ones do not count."""
    old = {"a": [0] * 500 + [1] * 500, **{f"x{index}": [0, 1] * 500 for index in range(9)}}
    new = {**old, "a": [0] * 430 + [1] * 570}
    results = compare(make_profile(old), make_profile(new), LIMITS, 0.01)
    assert [result.feature for result in results] == ["a", *(f"x{index}" for index in range(9))]
    assert results[0].p_adjusted == pytest.approx(10 * results[0].p_value, rel=1e-5)
    assert 0.001 < results[0].p_value < 0.01
    assert not results[0].drifted
    alone = one(make_profile(old), make_profile(new), ignore=[name for name in old if name != "a"])
    assert (alone.p_adjusted, alone.drifted) == (alone.p_value, True)


def test_windows_that_overlap_count_less(make_profile: Make) -> None:
    old, new = {"miles": [0.0] * 500 + [1.0] * 500}, {"miles": [0.0] * 400 + [1.0] * 600}
    assert one(make_profile(old), make_profile(new)).drifted
    result = one(make_profile(old, overlap=25.0), make_profile(new, overlap=25.0))
    assert result.limit == pytest.approx(math.sqrt(0.05**2 + math.pi**2 / 12 * (2 / 40)), rel=1e-5)
    assert not result.drifted

"""Importance finds what the scores hang on, and nothing where there is nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from components.tune.importance import MIN_TRIALS, importance

NAMES = ("rate", "units", "kind", "noise")


def trials(number: int, score: Callable[[dict[str, Any], float], float], seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    made = []
    for _ in range(number):
        values = {
            "rate": float(random.uniform()),
            "units": int(random.integers(5)),
            "kind": str(random.choice(["a", "b", "c"])),
            "noise": float(random.uniform()),
        }
        made.append({"hyperparameters": values, "score": float(score(values, random.normal()))})
    return made


def test_neither_lines_nor_order_are_needed() -> None:
    shares = importance(trials(60, lambda values, noise: (values["rate"] - 0.5) ** 2 + 0.1 * (values["kind"] == "b")), NAMES)
    assert list(shares)[:2] == ["rate", "kind"]
    assert min(shares["rate"], shares["kind"]) > 0.15
    assert max(shares["units"], shares["noise"]) < 0.1


def test_pure_noise_is_about_0_on_average() -> None:
    found = [importance(trials(40, lambda values, noise: noise, seed), NAMES) for seed in range(200)]
    # Cut off at 0, what is 0 on average is a little more.
    assert {name: np.mean([shares[name] for shares in found]) < 0.06 for name in NAMES} == dict.fromkeys(NAMES, True)


def test_a_diverged_trial_is_only_the_worst() -> None:
    sound = trials(20, lambda values, noise: values["rate"])
    worst = max(range(20), key=lambda index: sound[index]["score"])
    diverged = [{**trial, "score": 1e30 if index == worst else trial["score"]} for index, trial in enumerate(sound)]
    assert importance(diverged, NAMES) == importance(sound, NAMES)


def test_the_number_of_the_formula() -> None:
    # Ranks 1 2 3 | 4 5 6: H = 12 / (6 * 7) * (6² / 3 + 15² / 3) - 3 * 7 = 27 / 7; (H - 2 + 1) / (6 - 2).
    made = [{"hyperparameters": {"units": units}, "score": score} for score, units in enumerate([8, 8, 8, 16, 16, 16])]
    assert importance(made, ["units"]) == {"units": pytest.approx((27 / 7 - 1) / 4)}


def test_few_trials_and_one_value_tell_nothing() -> None:
    made = trials(MIN_TRIALS - 1, lambda values, noise: noise)
    assert importance(made, NAMES) == {}
    same = [{"hyperparameters": {"units": 8}, "score": float(score)} for score in range(MIN_TRIALS)]
    assert importance(same, ["units"]) == {}
    equal = [{"hyperparameters": {"units": units % 2}, "score": 1.0} for units in range(MIN_TRIALS)]
    assert importance(equal, ["units"]) == {"units": 0.0}

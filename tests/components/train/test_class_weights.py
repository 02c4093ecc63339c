"""Rare classes can be made to count."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from components.errors import UserError
from components.train.class_weights import class_weights

NAMES = ["Adelie", "Chinstrap", "Gentoo"]


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = [0] * 152 + [1] * 68 + [2] * 124
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=np.array(labels))
    assert class_weights("balanced", NAMES, [152, 68, 124]) == pytest.approx(dict(enumerate(expected)))


def test_a_class_without_examples_weighs_nothing() -> None:
    assert class_weights("balanced", NAMES, [3, 0, 3]) == {0: 2 / 3, 1: 0.0, 2: 2 / 3}


def test_classes_that_are_not_named_count_one() -> None:
    assert class_weights({"Chinstrap": 2.5}, NAMES, []) == {0: 1.0, 1: 2.5, 2: 1.0}


def test_none_means_none() -> None:
    assert class_weights("none", NAMES, []) is None


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(UserError) as raised:
        class_weights({"Emperor": 2.0}, NAMES, [])
    assert str(raised.value) == "train.class_weights: no class is named 'Emperor'. The classes are: Adelie, Chinstrap, Gentoo."


def test_a_regression_has_no_classes() -> None:
    with pytest.raises(UserError) as raised:
        class_weights("balanced", [], [])
    assert str(raised.value) == (
        "train.class_weights: the recipe predicts a number, which has no classes. Set class_weights: none."
    )

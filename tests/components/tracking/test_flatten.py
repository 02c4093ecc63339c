from __future__ import annotations

import doctest

from components.tracking import flatten, redaction


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(flatten).failed == 0
    assert doctest.testmod(redaction).failed == 0


def test_nothing_gives_nothing() -> None:
    assert flatten.flatten({}) == {}


def test_names_that_mlflow_refuses_stay_apart() -> None:
    params = {"derive": {"tips (%)": "a", "tips [%]": "b", "größe": "c"}, "none": {}, "user": {"password": "hunter2"}}
    assert flatten.flatten(params) == {
        "derive.tips ___": "a",
        "derive.tips ____2": "b",
        "derive.größe": "c",
        "none": "{}",
        "user.password": "***",
    }


def test_long_values_are_cut_visibly() -> None:
    note = "… (cut: 6,001 characters)"
    cut = flatten.flatten({"a": "x" * 6001, "b": "x" * 6000})
    assert cut == {"a": "x" * (6000 - len(note)) + note, "b": "x" * 6000}

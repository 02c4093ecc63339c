"""What the sections may hold, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from recipes.forest.params import ModelParams, TransformParams


def test_defaults() -> None:
    assert TransformParams().model_dump() == {"ignore": [], "categories": []}
    assert ModelParams().model_dump() == {
        "task": None,
        "group": None,
        "ndcg_truncation": 5,
        "max_depth": 6,
        "min_examples": 5,
        "subsample": 1.0,
        "feature_share": 1.0,
        "l2": 0.0,
        "growing_strategy": "local",
        "max_num_nodes": 31,
        "min_category_count": 5,
        "max_categories": 2000,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_depth", 1),
        ("min_examples", 0),
        ("subsample", 0.0),
        ("feature_share", 1.1),
        ("l2", -1.0),
        ("growing_strategy", "global"),
        ("max_num_nodes", 1),
        ("task", "clustering"),
        ("group", ""),
        ("ndcg_truncation", 7),
        ("num_trees", 100),
    ],
)
def test_what_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        ModelParams.model_validate({key: value})
    assert [error["loc"] for error in refused.value.errors()] == [(key,)]

"""Parameters: every mistake has its place and its message."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from recipes.tabular.params import ModelParams, TransformParams

MISTAKES = [
    (TransformParams, {"ignor": ["a"]}, "ignor: Extra inputs are not permitted"),
    (
        TransformParams,
        {"numeric": {"kind": "vocabulary"}},
        "numeric: Input tag 'vocabulary' found using 'kind' does not match any of the expected tags: "
        "'zscore', 'log', 'piecewise', 'buckets'",
    ),
    (
        TransformParams,
        {"categorical": {"kind": "zscore"}},
        "categorical: Input tag 'zscore' found using 'kind' does not match any of the expected tags: 'vocabulary', 'hash'",
    ),
    (
        TransformParams,
        {"features": {"fare": {"num_buckets": 4}}},
        "features.fare: Unable to extract tag using discriminator 'kind'",
    ),
    (
        TransformParams,
        {"features": {"fare": {"kind": "zscore", "num_buckets": 4}}},
        "features.fare.zscore.num_buckets: Extra inputs are not permitted",
    ),
    (
        TransformParams,
        {"features": {"fare": {"kind": "buckets", "num_buckets": 2}}},
        "features.fare.buckets.num_buckets: Input should be greater than or equal to 3",
    ),
    (
        TransformParams,
        {"features": {"company": {"kind": "vocabulary", "top_k": 0}}},
        "features.company.vocabulary.top_k: Input should be greater than or equal to 1",
    ),
    (TransformParams, {"crosses": [["a"]]}, "crosses: Value error, a cross needs two or more different columns, got ['a']"),
    (
        TransformParams,
        {"crosses": [["a", "a"]]},
        "crosses: Value error, a cross needs two or more different columns, got ['a', 'a']",
    ),
    (TransformParams, {"missing_indicators": "yes"}, "missing_indicators: Input should be a valid boolean"),
    (ModelParams, {"kind": "wide"}, "kind: Input should be 'deep', 'linear' or 'wide_and_deep'"),
    (ModelParams, {"hidden_units": []}, "hidden_units: List should have at least 1 item after validation, not 0"),
    (ModelParams, {"hidden_units": [64, 0]}, "hidden_units.1: Input should be greater than or equal to 1"),
    (ModelParams, {"dropout": 1.0}, "dropout: Input should be less than 1"),
    (ModelParams, {"weight_decay": -1.0}, "weight_decay: Input should be greater than or equal to 0"),
    (ModelParams, {"max_embedding_dim": 0}, "max_embedding_dim: Input should be greater than or equal to 1"),
    (ModelParams, {"loss": "huber"}, "loss: Input should be 'mse', 'mae' or 'msle'"),
]


@pytest.mark.parametrize(("model", "raw", "message"), MISTAKES)
def test_a_mistake_is_located(model: type[BaseModel], raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(raw)
    assert [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in caught.value.errors()] == [message]


def test_params_cannot_change() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        ModelParams().dropout = 0.5  # type: ignore[misc]


def test_params_come_back_from_json() -> None:
    params = TransformParams.model_validate(
        {"features": {"fare": {"kind": "log"}, "company": {"kind": "hash", "num_buckets": 50}}, "crosses": [["a", "b"]]}
    )
    assert TransformParams.model_validate(params.model_dump(mode="json")) == params

"""Parameters: every mistake has its place and its message."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from recipes.image.params import ModelParams, TransformParams

SIZE = {"height": 28, "width": 28}
MISTAKES = [
    (TransformParams, {"height": 28}, "width: Field required"),
    (TransformParams, {**SIZE, "height": 0}, "height: Input should be greater than or equal to 1"),
    (TransformParams, {**SIZE, "width": 4096}, "width: Input should be less than or equal to 2048"),
    (TransformParams, {**SIZE, "channels": 4}, "channels: Input should be 1 or 3"),
    (TransformParams, {**SIZE, "fit": "cover"}, "fit: Input should be 'stretch', 'crop' or 'pad'"),
    (
        TransformParams,
        {**SIZE, "normalise": "imagenet"},
        "normalise: Input should be 'zero_one', 'minus_one_one', 'standardise' or 'none'",
    ),
    (
        TransformParams,
        {**SIZE, "resize": "cubic"},
        "resize: Input should be 'bilinear', 'area', 'bicubic', 'lanczos3' or 'nearest'",
    ),
    (TransformParams, {**SIZE, "antialias": True}, "antialias: Extra inputs are not permitted"),
    (ModelParams, {"network": "vgg"}, "network: Input should be 'cnn', 'resnet' or 'transfer'"),
    (ModelParams, {"filters": []}, "filters: List should have at least 1 item after validation, not 0"),
    (ModelParams, {"filters": [8, 0]}, "filters.1: Input should be greater than or equal to 1"),
    (ModelParams, {"blocks": 0}, "blocks: Input should be greater than or equal to 1"),
    (ModelParams, {"dropout": 1.0}, "dropout: Input should be less than 1"),
    (ModelParams, {"schedule": "linear"}, "schedule: Input should be 'cosine' or 'constant'"),
    (
        ModelParams,
        {"augment": {"flip": "left"}},
        "augment.flip: Input should be 'none', 'horizontal', 'vertical' or 'both'",
    ),
    (ModelParams, {"augment": {"crop": 0.6}}, "augment.crop: Input should be less than or equal to 0.5"),
    (ModelParams, {"augment": {"rotate": 0.1}}, "augment.rotate: Extra inputs are not permitted"),
    (ModelParams, {"network": "transfer", "backbone": {}}, "backbone.path: Field required"),
    (
        ModelParams,
        {"network": "transfer"},
        ": Value error, network transfer needs a backbone; give model.backbone.path",
    ),
    (
        ModelParams,
        {"backbone": {"path": "a.keras"}},
        ": Value error, network cnn has no backbone; remove model.backbone, or take network transfer",
    ),
]


@pytest.mark.parametrize(("model", "raw", "message"), MISTAKES)
def test_a_mistake_is_located(model: type[BaseModel], raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(raw)
    assert [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in caught.value.errors()] == [message]


def test_params_come_back_from_json() -> None:
    params = ModelParams.model_validate(
        {"network": "transfer", "augment": {"cutout": 0.3}, "backbone": {"path": "a.keras", "unfreeze_from": 3}}
    )
    assert ModelParams.model_validate(params.model_dump(mode="json")) == params
    assert TransformParams.model_validate(TransformParams(**SIZE).model_dump(mode="json")) == TransformParams(**SIZE)

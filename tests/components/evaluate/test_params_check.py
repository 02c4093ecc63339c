"""The mistakes that only model and schema can tell."""

from __future__ import annotations

import re

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import ParamsError
from components.evaluate.model_info import ModelInfo
from components.evaluate.params_check import check_params
from components.params.models import EvaluateParams

SCHEMA = text_format.Parse(
    """
    feature { name: "fare" type: FLOAT }
    feature { name: "payment_type" type: BYTES string_domain { value: "Cash" } }
    feature { name: "trip_start_hour" type: INT }
    """,
    schema_pb2.Schema(),
)


def model(kind: str) -> ModelInfo:
    return ModelInfo(kind=kind, key_metric="accuracy", class_names=["0", "1"], label="big_tipper", digest="")


def test_good_params_pass():
    params = EvaluateParams.model_validate(
        {"slices": [["fare"], ["fare", "payment_type"]], "thresholds": {"auc": {"min": 0.5}}}
    )
    check_params(model("binary"), params, SCHEMA)


def test_every_mistake_is_named_with_what_was_perhaps_meant():
    params = EvaluateParams.model_validate(
        {"slices": [["payment"], [], ["x"]], "thresholds": {"acuracy": {"min": 0.5}, "auc": {"min": 0.5}}}
    )
    message = (
        "evaluate.thresholds.acuracy: a multiclass model has no such metric. Did you mean 'accuracy'? "
        "Known: accuracy, macro_f1, log_loss.\n"
        "evaluate.thresholds.auc: a multiclass model has no such metric. Known: accuracy, macro_f1, log_loss.\n"
        "evaluate.slices.0: the schema has no column 'payment'. Did you mean 'payment_type'? "
        "Known: fare, payment_type, trip_start_hour.\n"
        "evaluate.slices.1: expected names of columns, got []. The overall slice is always there.\n"
        "evaluate.slices.2: the schema has no column 'x'. Known: fare, payment_type, trip_start_hour."
    )
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}$"):
        check_params(model("multiclass"), params, SCHEMA)


def test_what_needs_costs_says_so():
    content = {"thresholds": {"cost": {"max": 0.1}, "recall_at_threshold": {"min": 0.5}}}
    check_params(model("binary"), EvaluateParams.model_validate({**content, "costs": {}}), SCHEMA)
    message = "\n".join(
        f"evaluate.thresholds.{name}: measured only where mistakes have costs. Add evaluate.costs: {{false_positive: 1.0, "
        "false_negative: 25.0}, say."
        for name in content["thresholds"]
    )
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}$"):
        check_params(model("binary"), EvaluateParams.model_validate(content), SCHEMA)


def test_images_and_texts_are_no_slices_but_what_was_measured_of_them_is():
    schema = text_format.Parse(
        """
        feature { name: "image" type: BYTES image_domain {} }
        feature { name: "image_width" type: INT }
        feature { name: "image_aspect" type: FLOAT }
        feature { name: "text" type: BYTES natural_language_domain {} }
        """,
        schema_pb2.Schema(),
    )
    params = EvaluateParams.model_validate({"slices": [["image_width"], ["image", "image_width"], ["text"]]})
    message = (
        "evaluate.slices.1: column 'image' holds images, hardly two of them alike. Expected a column of few values or of "
        "numbers, such as image_aspect, image_width.\n"
        "evaluate.slices.2: column 'text' holds texts, hardly two of them alike. Expected a column of few values or of "
        "numbers."
    )
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}$"):
        check_params(model("binary"), params, schema)

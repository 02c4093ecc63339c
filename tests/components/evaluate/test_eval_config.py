"""The EvalConfig by kind."""

from __future__ import annotations

from google.protobuf import json_format

from components.evaluate.eval_config import TFMA_CLASSES, make_eval_config
from components.evaluate.metrics import METRICS
from components.evaluate.model_info import ModelInfo
from components.params.models import EvaluateParams


def model(kind: str) -> ModelInfo:
    return ModelInfo(kind=kind, key_metric="accuracy", class_names=["0", "1"], label="big_tipper", digest="")


def test_config_of_a_regression_with_a_threshold_and_a_slice():
    params = EvaluateParams.model_validate({"slices": [["origin", "year"]], "thresholds": {"mae": {"max": 2.5}}})
    assert json_format.MessageToDict(make_eval_config(model("regression"), params)) == {
        "modelSpecs": [
            {
                "signatureName": "serving_default",
                "labelKey": "label",
                "predictionKey": "prediction",
                "preprocessingFunctionNames": ["transform_labels"],
            }
        ],
        "slicingSpecs": [{}, {"featureKeys": ["origin", "year"]}],
        "metricsSpecs": [
            {
                "metrics": [
                    {"className": "ExampleCount"},
                    {
                        "className": "MeanAbsoluteError",
                        "config": '{"name": "mae"}',
                        "perSliceThresholds": [{"slicingSpecs": [{}], "threshold": {"valueThreshold": {"upperBound": 2.5}}}],
                    },
                    {"className": "RootMeanSquaredError", "config": '{"name": "rmse"}'},
                ]
            }
        ],
        "options": {"includeDefaultMetrics": False},
    }


def test_every_metric_of_tfma_is_one_of_ours():
    for kind, classes in TFMA_CLASSES.items():
        assert set(classes) <= set(METRICS[kind])


def test_slices_by_ranges_are_not_for_tfma_which_knows_only_values():
    params = EvaluateParams.model_validate({"slices": [["payment_type"], ["fare"], ["payment_type", "fare"]]})
    config = json_format.MessageToDict(make_eval_config(model("binary"), params, ["fare"]))
    assert config["slicingSpecs"] == [{}, {"featureKeys": ["payment_type"]}]


def test_tfma_measures_the_top_classes_of_many():
    many = model("multiclass").model_copy(update={"class_names": [str(each) for each in range(10)]})
    config = json_format.MessageToDict(make_eval_config(many, EvaluateParams()))
    assert config["metricsSpecs"] == [
        {
            "metrics": [
                {"className": "ExampleCount"},
                {"className": "SparseCategoricalAccuracy", "config": '{"name": "accuracy"}'},
                {"className": "SparseTopKCategoricalAccuracy", "config": '{"name": "top_3_accuracy", "k": 3}'},
                {"className": "SparseTopKCategoricalAccuracy", "config": '{"name": "top_5_accuracy", "k": 5}'},
                {"className": "SparseCategoricalCrossentropy", "config": '{"name": "log_loss"}'},
                {"className": "MultiClassConfusionMatrixPlot"},
            ]
        }
    ]

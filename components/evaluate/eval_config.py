"""TFMA's EvalConfig, from what the model predicts and from the section `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

# Not tfma.EvalConfig: TFMA 0.52 leaves its configuration out of the package, and only TFX puts it back.
from tensorflow_model_analysis.proto import config_pb2

from components.evaluate.metrics import TOP_K, metrics_of
from components.evaluate.model_info import ModelInfo
from components.params.models import EvaluateParams, Threshold

LABEL_KEY = "label"
LABELS_FUNCTION = "transform_labels"
OUTPUT_KEYS = {"binary": "score", "multiclass": "probabilities", "regression": "prediction"}
"""Which output of `serving_default` is judged."""

TFMA_CLASSES: dict[str, dict[str, str]] = {
    "binary": {
        "auc": "AUC",
        "auc_pr": "AUCPrecisionRecall",
        "accuracy": "BinaryAccuracy",
        "precision": "Precision",
        "recall": "Recall",
        "f1": "F1Score",
        # Keras' class: TFMA's own BinaryCrossEntropy doesn't clip, and one score of exactly 1 makes it NaN.
        "log_loss": "BinaryCrossentropy",
        "brier": "MeanSquaredError",
        "calibration": "Calibration",
    },
    # TFMA's F1Score of many classes counts a class as predicted from probability 0.5 on, not the likeliest: no macro_f1.
    "multiclass": {
        "accuracy": "SparseCategoricalAccuracy",
        **{f"top_{k}_accuracy": "SparseTopKCategoricalAccuracy" for k in TOP_K},
        "log_loss": "SparseCategoricalCrossentropy",
    },
    # TFMA has the squared correlation, but no coefficient of determination: no r2.
    "regression": {"mae": "MeanAbsoluteError", "rmse": "RootMeanSquaredError"},
}
"""Kind → our name of a metric → TFMA's class; what is missing here is measured by ModelReport alone."""

_TFMA_ARGUMENTS = {f"top_{k}_accuracy": {"k": k} for k in TOP_K}
_TFMA_PLOTS = {"binary": ["CalibrationPlot"], "multiclass": ["MultiClassConfusionMatrixPlot"], "regression": []}


def tfma_classes(model: ModelInfo) -> dict[str, str]:
    """Of the model's metrics those that TFMA measures too: our name → TFMA's class."""
    return {name: class_name for name, class_name in TFMA_CLASSES[model.kind].items() if name in metrics_of(model)}


def make_eval_config(model: ModelInfo, params: EvaluateParams, many_valued: Collection[str] = ()) -> config_pb2.EvalConfig:
    """Metrics by the model's kind, slices overall and by `params.slices`, thresholds on the overall slice.

    TFMA makes a slice of every value, so slices by `many_valued` columns, which ModelReport divides into ranges, are left out.
    """
    slices = [columns for columns in params.slices if not set(columns) & set(many_valued)]
    config = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name="serving_default",
                label_key=LABEL_KEY,
                prediction_key=OUTPUT_KEYS[model.kind],
                preprocessing_function_names=[LABELS_FUNCTION],
            )
        ],
        slicing_specs=[config_pb2.SlicingSpec(), *(config_pb2.SlicingSpec(feature_keys=columns) for columns in slices)],
        metrics_specs=[config_pb2.MetricsSpec(metrics=list(_metric_configs(model, params)))],
    )
    config.options.include_default_metrics.value = False
    return config


def _metric_configs(model: ModelInfo, params: EvaluateParams) -> Iterable[config_pb2.MetricConfig]:
    yield config_pb2.MetricConfig(class_name="ExampleCount")
    for name, class_name in tfma_classes(model).items():
        arguments = {"name": name, **_TFMA_ARGUMENTS.get(name, {})}
        metric = config_pb2.MetricConfig(class_name=class_name, config=json.dumps(arguments))
        if name in params.thresholds:
            # Not metric.threshold: that one would hold for every slice too.
            metric.per_slice_thresholds.add(
                slicing_specs=[config_pb2.SlicingSpec()], threshold=_tfma_threshold(params.thresholds[name])
            )
        yield metric
    for class_name in _TFMA_PLOTS[model.kind]:
        yield config_pb2.MetricConfig(class_name=class_name)


def _tfma_threshold(threshold: Threshold) -> config_pb2.MetricThreshold:
    bounds = config_pb2.GenericValueThreshold()
    if threshold.min is not None:
        bounds.lower_bound.value = threshold.min
    if threshold.max is not None:
        bounds.upper_bound.value = threshold.max
    return config_pb2.MetricThreshold(value_threshold=bounds)

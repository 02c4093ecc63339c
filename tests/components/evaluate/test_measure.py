"""Which metrics get an interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.evaluate import measure as measure_module
from components.evaluate.measure import measure
from components.evaluate.metrics import Decision, metrics_of
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions
from components.params.models import EvaluateParams

MODEL = ModelInfo(kind="binary", key_metric="auc", class_names=["0", "1"], label="y", digest="")


def test_every_metric_of_few_examples_and_the_key_metric_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(2, size=300)
    predictions = Predictions(labels, np.clip(0.3 * labels + 0.7 * random.random(300), 0, 1), pd.DataFrame(index=range(300)))
    decision = Decision(1.0, 5.0, 0.3)
    few = measure(MODEL, predictions, EvaluateParams(), 7, decision)
    assert list(few.intervals) == list(metrics_of(MODEL, decision)) == list(few.values)
    monkeypatch.setattr(measure_module, "MAX_EXAMPLES", 299)
    many = measure(MODEL, predictions, EvaluateParams(), 7, decision)
    assert many.intervals == {"auc": few.intervals["auc"]}
    assert (many.low, many.high, many.values) == (few.low, few.high, few.values)

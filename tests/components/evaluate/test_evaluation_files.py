"""The open form of the evaluation: a tiny table by hand, written and read to the last bit, and what does not fit refused."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.errors import AccountingError
from components.evaluate.blessing import bless, read_blessing
from components.evaluate.decision import choose
from components.evaluate.evaluation import Evaluation
from components.evaluate.evaluation_files import is_columnar, read_evaluation, write_evaluation
from components.evaluate.measure import measure, measure_slices
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions
from components.evaluate.slices import make_slices
from components.params.models import Costs, EvaluateParams
from components.tfrecord_writer import frame

MODEL = ModelInfo(kind="binary", key_metric="accuracy", class_names=["no", "yes"], label="tipped", digest="d" * 64)
PARAMS = EvaluateParams.model_validate({"slices": [["payment"]], "thresholds": {"auc": {"min": 0.75}}, "num_resamples": 100})
LABELS = np.array([1, 0, 1, 0])
SCORES = np.array([0.75, 0.25, 0.5, 0.5])
PAYMENT = pd.DataFrame({"payment": ["Card", "Card", "Cash", None]})

# From 1 called yes, rightly, to 3 called yes, 2 of them rightly: in between 1 + 2x are called yes, 1 + x of them rightly.
# The area under it is half (the recall gained) of the integral of (1 + x) / (1 + 2x), x from 0 to 1.
AREA_OF_SECOND = 0.5 * (0.5 + 0.25 * math.log(3))


def evaluate(params: EvaluateParams = PARAMS, *, costs: Costs | None = None) -> Evaluation:
    predictions = Predictions(LABELS, SCORES, PAYMENT)
    choice = None if costs is None else choose(LABELS, SCORES, costs)
    decision = None if choice is None else choice.decision
    whole, *parts = make_slices(PAYMENT, params.slices)
    slices = [(whole, measure(MODEL, predictions, params, 7, decision))]
    slices += measure_slices(MODEL, predictions, parts, params, 7, decision)
    return Evaluation(predictions, slices, choice)


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    (tmp_path / "examples" / "Split-test").mkdir(parents=True)
    content = b"".join(frame(pa.array([b"example"] * 4, pa.binary())).to_pylist())
    (tmp_path / "examples" / "Split-test" / "data-00000-of-00001.tfrecord").write_bytes(content)
    return tmp_path / "examples"


def test_a_table_by_hand(tmp_path: Path) -> None:
    write_evaluation(tmp_path, evaluate(), MODEL, PARAMS, 7)
    assert is_columnar(tmp_path)
    content = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    slices = content.pop("slices")
    assert content == {
        "format": 1,
        "evaluator": "columnar",
        "model": {"kind": "binary", "digest": "d" * 64, "key_metric": "accuracy"},
        "unit": "examples",
        "bootstrap": {"num_resamples": 100, "confidence": 0.95, "seed": 7},
        "decision": None,
    }
    assert [(each["slice"], each["num_examples"]) for each in slices] == [
        ({}, 4),
        ({"payment": "Card"}, 2),
        ({"payment": "Cash"}, 1),
        ({"payment": "(missing)"}, 1),
    ]
    # Of the four pairs of a yes and a no three are in order and one is a tie; only the first example is called yes.
    assert slices[0]["metrics"] == pytest.approx(
        {
            "auc": 3.5 / 4,
            "auc_pr": 0.5 + AREA_OF_SECOND,
            "accuracy": 3 / 4,
            "precision": 1.0,
            "recall": 1 / 2,
            "f1": 2 / 3,
            "log_loss": -(2 * math.log(0.75) + 2 * math.log(0.5)) / 4,
            "brier": (2 * 0.25**2 + 2 * 0.5**2) / 4,
            "calibration": 1.0,
        }
    )
    assert slices[1]["metrics"]["auc"] == slices[1]["metrics"]["accuracy"] == 1.0
    assert {name: slices[3]["metrics"][name] for name in ("auc", "recall", "accuracy")} == {
        "auc": None,
        "recall": None,
        "accuracy": 1.0,
    }


@pytest.mark.parametrize("costs", [None, Costs(false_positive=1.0, false_negative=3.0)])
def test_it_is_read_to_the_last_bit(costs: Costs | None, examples: Path, tmp_path: Path) -> None:
    written = evaluate(costs=costs)
    write_evaluation(tmp_path, written, MODEL, PARAMS, 7)
    found = read_evaluation(tmp_path, examples, MODEL, PARAMS, 7)
    assert [part.title for part, _ in found.slices] == [part.title for part, _ in written.slices]
    assert [measured for _, measured in found.slices] == [measured for _, measured in written.slices]
    assert found.predictions.labels.tolist() == LABELS.tolist()
    assert found.predictions.outputs.tolist() == SCORES.tolist()
    pd.testing.assert_frame_equal(found.predictions.columns, PAYMENT)
    if costs is None or written.choice is None or found.choice is None:
        assert found.choice is written.choice is None
    else:
        pd.testing.assert_frame_equal(found.choice.curve, written.choice.curve)
        assert dataclasses.replace(found.choice, curve=None) == dataclasses.replace(written.choice, curve=None)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"model": MODEL.model_copy(update={"digest": "e" * 64})}, f"model {'d' * 64}, expected {'e' * 64}"),
        ({"seed": 8}, "seed 7, expected 8"),
        ({"params": PARAMS.model_copy(update={"slices": []})}, "columns ['payment'], expected []"),
    ],
)
def test_what_was_evaluated_otherwise_is_refused(changes: dict[str, Any], what: str, examples: Path, tmp_path: Path) -> None:
    write_evaluation(tmp_path, evaluate(), MODEL, PARAMS, 7)
    message = (
        f"evaluate: the Evaluator measured something else than ModelReport is to judge: {what}. "
        "Expected the same model, examples and parameters; was one of them replaced in between? Rerun evaluate."
    )
    with pytest.raises(AccountingError, match=f"^{re.escape(message)}$"):
        read_evaluation(tmp_path, examples, **{"model": MODEL, "params": PARAMS, "seed": 7, **changes})


@pytest.mark.parametrize(
    ("thresholds", "name", "expected"),
    [({"auc": {"min": 0.75}}, "BLESSED", True), ({"f1": {"min": 0.7}}, "NOT_BLESSED", False), ({}, "NOT_JUDGED", None)],
)
def test_the_blessing(thresholds: dict[str, Any], name: str, expected: bool | None, tmp_path: Path) -> None:
    params = EvaluateParams.model_validate({"thresholds": thresholds, "slices": [["payment"]], "num_resamples": 100})
    properties = bless(tmp_path, evaluate(params), MODEL, params, "artifacts/x/model")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert read_blessing(tmp_path) is expected
    told = {"blessed": int(bool(expected)), "current_model": "artifacts/x/model", "current_model_id": 0}
    assert properties == ({} if expected is None else told)

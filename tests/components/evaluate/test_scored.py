"""A model that scores its answers itself: measured, sliced, compared and judged as others are, without TFMA."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import ParamsError
from components.params.models import EvaluateParams

pytestmark = pytest.mark.slow
METRICS = [
    {"name": "rmse", "title": "Error", "score": "square", "better": "lower", "over": None, "root": True},
    {"name": "skill", "title": "Against the mean", "score": "error", "better": "lower", "over": "naive", "root": False},
]


def write_scored(folder: Path, case: Any, factor: float, digest: str, kind: str = "scored") -> None:
    """A model that predicts `factor` × weight / 1000 for the miles per gallon."""
    import tensorflow as tf

    mean = float(case.test["mpg"].mean())

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def score(self, examples: Any) -> dict[str, Any]:
            spec = {name: tf.io.FixedLenFeature([], tf.float32) for name in ("mpg", "weight")}
            parsed = tf.io.parse_example(examples, spec)
            error = parsed["mpg"] - factor * parsed["weight"] / 1000.0
            return {"square": error**2, "error": tf.abs(error), "naive": tf.abs(parsed["mpg"] - mean)}

    model = Model()
    tf.saved_model.save(model, str(folder / "Format-Serving"), signatures={"score_examples": model.score})
    content = {"kind": kind, "key_metric": "rmse", "metrics": METRICS, "class_names": [], "label": None, "digest": digest}
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def frames(regression: Any) -> dict[str, pd.DataFrame]:
    """Factor → the scores of each test example, computed without TensorFlow."""
    mpg, weight = regression.test["mpg"], regression.test["weight"]
    return {
        factor: pd.DataFrame(
            {
                "square": (mpg - factor * weight / 1000) ** 2,
                "error": (mpg - factor * weight / 1000).abs(),
                "naive": (mpg - mpg.mean()).abs(),
                "origin": regression.test["origin"],
            }
        )
        for factor in (7.0, 8.0)
    }


def test_it_is_measured_by_slice_and_against_the_champion(
    regression: Any, evaluate: Callable[..., Any], frames: dict[float, pd.DataFrame], tmp_path: Path
) -> None:
    write_scored(tmp_path / "candidate", regression, 8.0, "d" * 64)
    write_scored(tmp_path / "champion", regression, 7.0, "c" * 64)
    params = EvaluateParams.model_validate({"slices": [["origin"]], "thresholds": {"skill": {"max": 2.0}}})
    case = regression.__class__(**{**vars(regression), "model": tmp_path / "candidate"})
    found = evaluate(tmp_path / "found", case, params, tmp_path / "champion")
    ours, theirs = frames[8.0], frames[7.0]
    rmse, before = np.sqrt(ours["square"].mean()), np.sqrt(theirs["square"].mean())
    metrics = found.metrics
    assert metrics["rmse"] == pytest.approx(rmse, rel=1e-5)
    assert metrics["skill"] == pytest.approx(ours["error"].sum() / ours["naive"].sum(), rel=1e-5)
    assert metrics["champion_rmse"] == pytest.approx(before, rel=1e-5)
    assert metrics["difference"] == pytest.approx(before - rmse, rel=1e-4)  # less is better
    assert metrics["rmse_low"] < rmse < metrics["rmse_high"]
    assert metrics["difference_low"] < before - rmse < metrics["difference_high"]
    slices = pd.read_csv(found.report / "slices.csv", dtype={"values": str}).set_index("values")
    expected = np.sqrt(ours.groupby("origin")["square"].mean())
    assert slices["rmse"].drop("all", errors="ignore").dropna().to_dict() == pytest.approx(
        {**{str(name): value for name, value in expected.items()}, np.nan: rmse}, rel=1e-5, nan_ok=True
    )
    written = pd.read_parquet(found.report / "predictions.parquet")
    assert list(written) == ["record", "square", "error", "naive", "origin"]
    np.testing.assert_allclose(written["error"], ours["error"], rtol=1e-4, atol=1e-4)
    assert {path.name for path in found.report.iterdir()} == {
        "metrics.json", "verdict.json", "intervals.csv", "slices.csv", "slices.png", "scores.png", "predictions.parquet",
        "report.html", "gate.html",
    }  # fmt: skip
    assert [path.name for path in found.blessing.iterdir()] == ["BLESSED"]
    content = json.loads((found.evaluation / "evaluation.json").read_text(encoding="utf-8"))
    assert content["slices"][0]["metrics"] == pytest.approx({"rmse": rmse, "skill": metrics["skill"]}, rel=1e-5)
    by_tfma = evaluate(tmp_path / "by_tfma", case, params, tmp_path / "champion", by_tfma=True)
    for folder in (by_tfma.evaluation, by_tfma.blessing):
        assert {path.name: path.read_text() for path in folder.iterdir()} == {
            "NOT_JUDGED": "TFMA has no metrics for models of the kind scored.\n"
        }
    assert by_tfma.metrics == metrics


def test_a_champion_of_another_kind_is_not_compared_with(
    regression: Any, evaluate: Callable[..., Any], tmp_path: Path
) -> None:
    write_scored(tmp_path / "candidate", regression, 8.0, "d" * 64)
    case = regression.__class__(**{**vars(regression), "model": tmp_path / "candidate"})
    found = evaluate(tmp_path / "found", case, EvaluateParams(), regression.model)
    verdict = json.loads((found.report / "verdict.json").read_text())
    assert not verdict["promote"]
    assert verdict["champion"]["problem"] == (
        "the champion is a regression model, the candidate a scored one; use another register.model_name, or take the alias "
        "from the champion"
    )


def test_a_threshold_of_a_metric_that_it_has_not(regression: Any, evaluate: Callable[..., Any], tmp_path: Path) -> None:
    write_scored(tmp_path / "candidate", regression, 8.0, "d" * 64)
    case = regression.__class__(**{**vars(regression), "model": tmp_path / "candidate"})
    with pytest.raises(ParamsError) as caught:
        evaluate(tmp_path / "found", case, EvaluateParams.model_validate({"thresholds": {"rmsee": {"max": 1}}}))
    assert str(caught.value) == (
        "evaluate.thresholds.rmsee: a scored model has no such metric. Did you mean 'rmse'? Known: rmse, skill."
    )

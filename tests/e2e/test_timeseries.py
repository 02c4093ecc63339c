"""A time series goes the way of tables: windows, a forecaster, its report, and every way to ask it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import copy_repository, working_in
from tests.e2e.test_media import TO_EVALUATE, ask_all_ways, edit

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


@pytest.fixture(scope="module")
def seattle(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., None]) -> Path:
    """A repository in which seattle ran up to evaluate, with a network that has a layer of its own; the root."""
    root = copy_repository(tmp_path_factory.mktemp("seattle"))
    edit(
        root / "pipelines" / "seattle" / "params.yaml",
        ("architecture: linear", "architecture: autoregressive_lstm\n  units: 16"),
        ("epochs: 100", "epochs: 15"),
        ("label_width: 7", "label_width: 3"),
        ("temp_max_ahead", "warmth"),
    )
    (root / "schemas" / "seattle.pbtxt").write_text("# none yet\n")  # other widths have other shapes
    run_stages(root, "seattle", TO_EVALUATE)
    return root


def test_the_report_holds_the_forecasts_against_the_baselines(seattle: Path) -> None:
    from components.bridge.job import Job
    from components.evaluate.outcome import outcome
    from components.register.register import raw_examples

    folder = seattle / "artifacts" / "seattle"
    metrics = json.loads((folder / "report" / "metrics.json").read_text(encoding="utf-8"))
    model = json.loads((folder / "model" / "model.json").read_text(encoding="utf-8"))
    assert model["inputs"] == dict.fromkeys(["precipitation", "temp_max", "temp_min", "wind", "window_time"], "number")
    # The baselines by NumPy, from the file itself.
    lines = (seattle / "data/weather/seattle_daily.csv").read_text(encoding="utf-8").splitlines()[1:]
    warmth = np.array([float(line.split(",")[2]) for line in lines if line.startswith("2015")])
    ahead = np.arange(len(warmth) - 16)[:, np.newaxis] + np.arange(14, 17)
    actual = warmth[ahead]
    assert metrics["num_examples"] == len(ahead)
    assert metrics["mae_last_value"] == pytest.approx(np.abs(actual - warmth[ahead[:, :1] - 1]).mean(), rel=1e-5)
    assert metrics["mae_repeat"] == pytest.approx(np.abs(actual - warmth[ahead - 7]).mean(), rel=1e-5)
    assert metrics["relative_mae"] == pytest.approx(metrics["mae"] / metrics["mae_last_value"])
    assert metrics["relative_mae"] < 1
    assert metrics["mae_low"] < metrics["mae"] < metrics["mae_high"]
    with working_in(seattle):
        folders = {key: folder / key for key in ("report", "model", "canary", "evaluation")}
        told = outcome(Job.load("seattle", seattle), folders).lines[1]
    names = ("rmse", "mae_last_value", "mae_repeat", "relative_mae")
    assert told == ", ".join(f"{name} {metrics[name]:.4f}" for name in names)
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "mae of the last value" in page
    assert "window_month" in (folder / "report" / "slices.csv").read_text(encoding="utf-8")
    with working_in(seattle):
        first = raw_examples(folder / "examples", model["inputs"])
    assert first["temp_max"][0] == pytest.approx(warmth[:14].tolist(), rel=1e-6)


def test_a_forecast_is_answered_alike_in_every_way(seattle: Path) -> None:
    ask_all_ways(seattle, "seattle")

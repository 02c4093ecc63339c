"""The networks, the baselines and the scores, held against NumPy; saved models; pictures; mistakes."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from recipes.contract import RecipeError
from recipes.timeseries.baselines import repeated_rows
from recipes.timeseries.params import ARCHITECTURES, ModelParams, TransformParams

ROOT = Path(__file__).parents[3]


def build(transformed: Any, architecture: str) -> keras.Model:
    hp = keras_tuner.HyperParameters()
    hp.Fixed("architecture", architecture)
    model: keras.Model = transformed.recipe.build(hp)
    return model


def shaken(model: keras.Model) -> keras.Model:
    """With other weights than those it begins with, some of which are zero."""
    random = np.random.default_rng(3)
    model.set_weights([random.normal(0, 0.2, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_network_forecasts_every_step_of_every_target(architecture: str, week: Any, two: Any) -> None:
    assert build(week, architecture).output_shape == (None, 7, 1)
    model, again = build(two, architecture), build(two, architecture)
    assert model.name == architecture
    for weight, same in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
    history = model.fit({"series": two.series}, two.scaled, epochs=2, verbose=0, batch_size=128)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert not any(np.array_equal(*both) for both in zip(model.get_weights(), again.get_weights(), strict=True))
    predictions = model({"series": two.series})
    assert (predictions.shape, predictions.dtype) == ((493, 2, 2), tf.float32)


@pytest.mark.slow
def test_a_residual_network_begins_with_the_last_value(two: Any) -> None:
    predictions = build(two, "residual_lstm")({"series": two.series})
    np.testing.assert_array_equal(predictions, np.repeat(two.series[:, -1:, :2], 2, axis=1))


@pytest.mark.slow
def test_an_autoregressive_network_feeds_on_its_own_forecasts(two: Any) -> None:
    from recipes.timeseries.layers import AutoregressiveLSTM

    layer = AutoregressiveLSTM(4, 3, 2, seed=1)
    series = tf.constant(two.series[:6])
    layer.build(series.shape)
    layer.head.set_weights([np.random.default_rng(0).normal(size=(4, 2)), np.array([0.1, -0.2])])
    output, *state = layer.encoder(series)
    expected = [layer.head(output)]
    for _ in range(2):
        output, state = layer.decoder(expected[-1], state)
        expected.append(layer.head(output))
    np.testing.assert_allclose(layer(series), np.stack(expected, axis=1), atol=1e-6)
    assert len({each.numpy().tobytes() for each in expected}) == 3
    # Of days two and three ahead, the first is forecast and left out.
    model = shaken(build(two, "autoregressive_lstm"))
    steps = model.get_layer("forecast")(two.series)
    np.testing.assert_allclose(model({"series": two.series}), steps[:, 1:], atol=1e-6)


@pytest.mark.slow
def test_models_come_back_in_a_process_of_their_own(two: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "series.npy", two.series[:20])
    expected = {}
    for architecture in ARCHITECTURES:
        model = shaken(build(two, architecture))
        model.save(tmp_path / f"{architecture}.keras")
        expected[architecture] = model({"series": two.series[:20]})
    script = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import keras, numpy as np
import recipes.timeseries.layers
for path in pathlib.Path().glob("*.keras"):
    model = keras.saving.load_model(path, safe_mode=True)
    np.save(f"{path.stem}.npy", model({"series": np.load("series.npy")}))
sys.exit("tensorflow_transform" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script, str(ROOT)], cwd=tmp_path, check=True, capture_output=True)
    for architecture, answers in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{architecture}.npy"), answers, atol=1e-6, err_msg=architecture)


def numpy_errors(transformed: Any, predictions: np.ndarray, season: int) -> dict[str, np.ndarray]:
    """Errors in units, [windows, label_width, targets]."""
    windows = transformed.recipe.windows
    history = np.stack([transformed.raw[name] for name in windows.targets], axis=2)
    repeated = np.concatenate([history[:, -season:]] * 9, axis=1)
    return {
        "": predictions - transformed.label,
        "_last_value": history[:, -1:] - transformed.label,
        "_repeat": repeated[:, windows.shift - windows.label_width : windows.shift] - transformed.label,
    }


@pytest.mark.slow
def test_scores_are_the_errors_in_units(week: Any) -> None:
    recipe, model = week.recipe, shaken(build(week, "dense"))
    served = recipe.outputs(model({"series": week.series}))
    assert {name: (value.dtype, value.shape) for name, value in served.items()} == {"prediction": (tf.float32, (480, 7))}
    errors = numpy_errors(week, served["prediction"].numpy()[:, :, np.newaxis], season=7)
    scores = recipe.score(model, {"series": tf.constant(week.series)}, tf.constant(week.scaled))
    expected = {f"abs_error{name}": np.abs(error).mean(axis=(1, 2)) for name, error in errors.items()}
    expected["squared_error"] = np.square(errors[""]).mean(axis=(1, 2))
    assert scores.keys() == expected.keys() == {metric.score for metric in recipe.metrics}
    for name, values in expected.items():
        np.testing.assert_allclose(scores[name], values, rtol=2e-4, atol=2e-4, err_msg=name)
    assert [metric.name for metric in recipe.metrics] == ["mae", "rmse", "mae_last_value", "mae_repeat", "relative_mae"]


@pytest.mark.slow
def test_several_targets_are_judged_in_standard_deviations_and_each_in_its_units(two: Any) -> None:
    recipe, model = two.recipe, shaken(build(two, "lstm"))
    served = recipe.outputs(model({"series": two.series}))["prediction"].numpy()
    assert served.shape == (493, 2, 2)
    errors = numpy_errors(two, served, season=5)
    scores = recipe.score(model, {"series": tf.constant(two.series)}, tf.constant(two.scaled))
    scale = np.array([two.raw["temp_max"].std(), two.raw["temp_min"].std()])
    expected = {f"abs_error{name}": np.abs(error / scale).mean(axis=(1, 2)) for name, error in errors.items()}
    expected["squared_error"] = np.square(errors[""] / scale).mean(axis=(1, 2))
    expected["abs_error_temp_max"], expected["abs_error_temp_min"] = np.abs(errors[""]).mean(axis=1).T
    assert scores.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(scores[name], values, rtol=2e-4, atol=2e-4, err_msg=name)


@pytest.mark.parametrize(
    ("label_width", "shift", "season", "rows"),
    [
        (7, 7, 7, [7, 8, 9, 10, 11, 12, 13]),
        (1, 1, 14, [0]),
        (1, 1, 1, [13]),
        (3, 3, 2, [12, 13, 12]),
        (2, 20, 14, [4, 5]),
    ],
)
def test_a_season_comes_back(label_width: int, shift: int, season: int, rows: list[int], week: Any) -> None:
    assert repeated_rows(replace(week.recipe.windows, label_width=label_width, shift=shift), season) == rows


@pytest.mark.slow
def test_the_description_of_a_model(week: Any, tmp_path: Path) -> None:
    recipe, model = week.recipe, shaken(build(week, "linear"))
    examples = tf.data.Dataset.from_tensor_slices(({"series": week.series}, week.scaled)).batch(100)
    recipe.describe(model, tmp_path, examples)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "baselines.csv",
        "mae_by_step.csv",
        "mae_by_step.png",
        "weights.png",
        "windows.png",
    ]
    served = recipe.outputs(model({"series": week.series}))["prediction"].numpy()[:, :, np.newaxis]
    errors = numpy_errors(week, served, season=7)
    with (tmp_path / "baselines.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["target"], row["forecast"]) for row in table] == [
        ("temp_max", "model"),
        ("temp_max", "last_value"),
        ("temp_max", "repeat"),
    ]
    for row, error in zip(table, errors.values(), strict=True):
        assert [float(row["mae"]), float(row["rmse"])] == pytest.approx(
            [np.abs(error).mean(), np.sqrt(np.square(error).mean())], rel=1e-4
        )
    with (tmp_path / "mae_by_step.csv").open(newline="") as file:
        steps = list(csv.DictReader(file))
    assert [row["step"] for row in steps] == list("1234567")
    assert [float(row["last_value"]) for row in steps] == pytest.approx(
        np.abs(errors["_last_value"]).mean(axis=(0, 2)).tolist(), rel=1e-4
    )


def test_what_windows_and_params_must_agree_on(make_recipe: Callable[..., Any], week: Any) -> None:
    windows = week.recipe.windows
    for arguments, message in (
        (
            {"windows": None},
            "data.windows: timeseries.forecaster learns from windows over a time series, and the section is not there. Say "
            "how they are cut, see docs/data.md.",
        ),
        (
            {"windows": replace(windows, targets=["wind"])},
            "data.windows.inputs: the target 'wind' is not among them, and the forecast begins at its last value. Add it.",
        ),
        (
            {"transform": {"signals": ["day"]}},
            "transform.signals: rows that are 24 h apart can't follow the day. Remove 'day'.",
        ),
        (
            {"season": 15},
            "model.season: 15 rows, and a model sees 14, data.windows.input_width. Expected at most as many.",
        ),
    ):
        with pytest.raises(RecipeError) as raised:
            make_recipe(**arguments)
        assert str(raised.value) == message


@pytest.mark.parametrize(
    ("model", "content", "message"),
    [
        (TransformParams, {"signals": ["week"]}, "signals.0: Input should be 'day' or 'year'"),
        (TransformParams, {"signals": ["day", "day"]}, "signals: Value error, expected each signal once, got day, day"),
        (ModelParams, {"units": 0}, "units: Input should be greater than or equal to 1"),
        (ModelParams, {"dropout": 0.1}, "dropout: Extra inputs are not permitted"),
    ],
)
def test_mistakes_in_params(model: Any, content: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        model.model_validate(content)
    (error,) = raised.value.errors()
    assert f"{'.'.join(map(str, error['loc']))}: {error['msg']}" == message

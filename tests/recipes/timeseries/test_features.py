"""What TFT makes of windows, held against NumPy; and the way back to units."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # imports TFT


def zscore(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    return (values - of.mean()) / of.std()


def test_inputs_are_zscores_with_the_targets_first(two: Any) -> None:
    raw = two.raw
    expected = np.stack([zscore(raw[name], raw[name]) for name in ("temp_max", "temp_min", "wind")], axis=2)
    np.testing.assert_allclose(two.series, expected, atol=1e-5)
    assert (two.series.dtype, two.series.shape) == (np.float32, (493, 5, 3))


def test_labels_are_scaled_as_the_inputs_are(two: Any) -> None:
    expected = np.stack(
        [zscore(two.label[:, :, index], two.raw[name]) for index, name in enumerate(("temp_max", "temp_min"))], axis=2
    )
    np.testing.assert_allclose(two.scaled, expected, atol=1e-5)


def test_the_year_is_a_wave(week: Any) -> None:
    angle = 2 * np.pi * week.raw["window_time"] / (365.2425 * 86_400)
    np.testing.assert_allclose(week.series[:, :, 2:], np.stack([np.sin(angle), np.cos(angle)], axis=2), atol=1e-6)


def test_the_units_are_found_in_the_graph(week: Any, two: Any) -> None:
    for transformed, names in ((week, ["temp_max"]), (two, ["temp_max", "temp_min"])):
        raw = [transformed.raw[name] for name in names]
        np.testing.assert_allclose(transformed.recipe.units.mean, [each.mean() for each in raw], rtol=1e-6)
        np.testing.assert_allclose(transformed.recipe.units.scale, [each.std() for each in raw], rtol=1e-6)


def test_serving_needs_no_label(week: Any) -> None:
    import tensorflow as tf

    raw = {
        name: tf.constant(values[:9], tf.int64 if name == "window_time" else tf.float32) for name, values in week.raw.items()
    }
    np.testing.assert_array_equal(week.output.transform_features_layer()(raw)["series"], week.series[:9])

"""Windows over the days of Seattle, cut here with NumPy, and what TFT makes of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import Task, Windows
from recipes.timeseries.params import ModelParams, TransformParams
from tests.recipes import transforming

ROOT = Path(__file__).parents[3]
DAY_S = 86_400
WEEK = Windows(["precipitation", "temp_max"], ["temp_max"], 14, 7, 7, DAY_S, "window_time")
"""Two weeks in, one week out."""
TWO = Windows(["temp_min", "wind", "temp_max"], ["temp_max", "temp_min"], 5, 2, 3, DAY_S, "window_time")
"""Two targets, of the second and the third day ahead."""


@dataclass(frozen=True)
class Transformed:
    """What TFT made of windows.

    Attributes:
        raw: Column → values [windows, rows], in float64; the times among them.
        label: [windows, label_width, targets], in units.
        series: The transformed windows.
        scaled: The transformed label.
        recipe: The recipe, its features set.
        output: The tft.TFTransformOutput.
    """

    raw: dict[str, np.ndarray]
    label: np.ndarray
    series: np.ndarray
    scaled: np.ndarray
    recipe: Any
    output: Any


def create(windows: Windows | None = WEEK, transform: dict[str, Any] | None = None, **model: Any) -> Any:
    from recipes.timeseries.forecaster import Forecaster

    sections = TransformParams.model_validate(transform or {}), ModelParams.model_validate(model)
    schema = schema_pb2.Schema()
    return Forecaster(Task("ahead", schema, *sections, seed=7, windows=windows))


def cut(windows: Windows) -> tuple[dict[str, np.ndarray], np.ndarray]:
    with (ROOT / "data/weather/seattle_daily.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:500]
    starts = np.arange(len(rows) - windows.input_width - windows.shift + 1)[:, np.newaxis]
    seen = starts + np.arange(windows.input_width)
    ahead = starts + np.arange(windows.input_width + windows.shift - windows.label_width, windows.input_width + windows.shift)
    columns = {name: np.array([float(row[name]) for row in rows]) for name in windows.inputs}
    times = np.array([row["date"] for row in rows], "datetime64[s]").astype(np.int64)
    raw = {name: columns[name][seen] for name in windows.inputs}
    return {**raw, windows.time: times[seen]}, np.stack([columns[name][ahead] for name in windows.targets], axis=2)


def analyse_and_transform(recipe: Any, folder: Path) -> Transformed:
    windows = recipe.windows
    raw, label = cut(windows)
    shapes = {**{name: [windows.input_width] for name in raw}, "ahead": list(label.shape[1:])}
    columns = {}
    for name, values in {**raw, "ahead": label}.items():
        integers = values.dtype == np.int64
        feature = recipe.task.schema.feature.add(name=name, type=schema_pb2.INT if integers else schema_pb2.FLOAT)
        feature.presence.min_fraction = 1.0
        for size in shapes[name]:
            feature.shape.dim.add(size=size)
        flat = values.reshape(len(values), -1)
        columns[name] = pa.array(list(flat if integers else flat.astype(np.float32)))
    used = [*windows.inputs, "ahead", *([windows.time] if recipe.task.transform.signals else [])]
    kept = [feature for feature in recipe.task.schema.feature if feature.name in used]
    schema = schema_pb2.Schema(feature=kept)
    batch = pa.RecordBatch.from_pydict({name: columns[name] for name in used})
    parts, output = transforming.analyse_and_transform(recipe, schema, batch, folder)
    spec = output.transformed_feature_spec()
    found = {
        name: np.concatenate([part.column(name).flatten().to_numpy() for part in parts]).reshape(-1, *spec[name].shape)
        for name in spec
    }
    recipe.set_features({"series": spec["series"]}, output)
    return Transformed(raw, label, found["series"], found["label"], recipe, output)


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., Any]:
    """`create(windows, transform, **model)`: a recipe that has not been told its features."""
    return create


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    recipe = create(WEEK, {"signals": ["year"]}, season=7)
    return analyse_and_transform(recipe, tmp_path_factory.mktemp("week"))


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    return analyse_and_transform(create(TWO), tmp_path_factory.mktemp("two"))

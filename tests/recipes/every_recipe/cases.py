"""A small real pipeline for each recipe: a cut of its data, and a model that trains in seconds."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEFORE_TRAIN = ("ingest", "transform", "tune")
"""Validate is left out: the reviewed schema is what it would hand on."""


@dataclass(frozen=True)
class Case:
    """What one recipe is tried on.

    Attributes:
        pipeline: A pipeline of the repository that uses the recipe.
        model: Replaces keys of its section `model`.
        train: Replaces keys of its section `train`.
        cut: Makes the pipeline's data in a copy of the repository smaller.
        strategies: Whether its model can be trained by several replicas.
    """

    pipeline: str
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    cut: Callable[[Path], None] = lambda root: None
    strategies: bool = True


def every_nth_image(path: str, step: int) -> Callable[[Path], None]:
    """Leaves one image in `step` of an archive."""

    def cut(root: Path) -> None:
        with zipfile.ZipFile(root / path) as archive:
            content = {name: archive.read(name) for name in sorted(archive.namelist())[::step]}
        with zipfile.ZipFile(root / path, "w") as archive:
            for name, image in content.items():
                archive.writestr(name, image)

    return cut


def every_nth_line(path: str, step: int) -> Callable[[Path], None]:
    """Leaves the header and one line in `step`."""

    def cut(root: Path) -> None:
        header, *rows = (root / path).read_text(encoding="utf-8").splitlines(keepends=True)
        (root / path).write_text("".join([header, *rows[::step]]), encoding="utf-8")

    return cut


def steps_one_by_one(root: Path) -> None:
    """Forecasts with the layer of the recipe's own; in the pipeline, since the tuned values come before those of the model."""
    file = root / "pipelines/seattle/params.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("architecture: linear", "architecture: autoregressive_lstm\n  units: 8"), encoding="utf-8")


CASES: dict[str, Case] = {
    "tabular.classifier": Case("penguins"),
    "tabular.regressor": Case("mpg"),
    "image.classifier": Case(
        "fashion", {"filters": [4], "dense_units": 8}, cut=every_nth_image("data/fashion/fashion_5k.zip", 25)
    ),
    "image.vae": Case("fashion_vae", {"filters": [4, 4], "hidden_units": 8}),  # whose data it has
    "forest.boosted_trees": Case("credit", strategies=False),
    "text.classifier": Case("reviews", cut=every_nth_line("data/reviews/sentences.csv", 10)),
    "timeseries.forecaster": Case("seattle", cut=steps_one_by_one),
}
"""Recipe → case; tests/recipes/every_recipe/test_every_recipe.py holds that there is one for each."""

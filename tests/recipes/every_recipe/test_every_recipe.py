"""What holds for every recipe: strategies, determinism, resumption, both signatures, and loading in a fresh process."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipes import RECIPES
from tests.conftest import ROOT, copy_repository
from tests.recipes.every_recipe.cases import BEFORE_TRAIN, CASES

pytestmark = pytest.mark.slow


def run_module(name: str, *arguments: Path) -> None:
    command = [sys.executable, "-m", f"tests.recipes.every_recipe.{name}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., None]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(recipe → way → digest and epochs, recipe → way → what went wrong when it was loaded)."""
    root = copy_repository(tmp_path_factory.mktemp("every_recipe"))
    for case in CASES.values():
        case.cut(root)
    for case in CASES.values():
        schema = root / "artifacts" / case.pipeline / "schema"
        schema.mkdir(parents=True)
        shutil.copy(root / "schemas" / f"{case.pipeline}.pbtxt", schema / "schema.pbtxt")
        run_stages(root, case.pipeline, BEFORE_TRAIN)
    folder = tmp_path_factory.mktemp("trained")
    run_module("train_all", root, folder)
    run_module("load_all", root, folder)
    return tuple(json.loads((folder / name).read_text(encoding="utf-8")) for name in ("results.json", "loaded.json"))


def test_no_recipe_is_left_out() -> None:
    assert CASES.keys() == RECIPES.keys()


@pytest.mark.parametrize("recipe", CASES)
def test_the_same_seed_gives_the_same_model(recipe: str, found: Any) -> None:
    trained = found[0][recipe]
    assert trained["one_device"] == trained["default"]


@pytest.mark.parametrize("recipe", CASES)
def test_a_training_that_was_stopped_ends_as_an_undisturbed_one(recipe: str, found: Any) -> None:
    trained = found[0][recipe]
    assert trained["killed"] == trained["default"]


@pytest.mark.parametrize("recipe", [recipe for recipe, case in CASES.items() if case.strategies])
def test_two_replicas_learn(recipe: str, found: Any) -> None:
    losses = [epoch["loss"] for epoch in found[0][recipe]["mirrored_2"]["epochs"]]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("recipe", CASES)
def test_what_was_saved_answers_in_a_fresh_process_as_the_model_that_was_trained(recipe: str, found: Any) -> None:
    ways = ["default", "mirrored_2"] if CASES[recipe].strategies else ["default"]
    assert found[1][recipe] == dict.fromkeys(ways)

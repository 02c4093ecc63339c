"""Recipes are known by name only, the user's own included."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from components.bridge.recipe import is_recipe_error
from components.params.load import load_pipeline, recipe_package
from tests.conftest import copy_repository


def test_names_lead_to_packages_and_classes() -> None:
    assert recipe_package("tabular.regressor") == ("recipes.tabular", "recipes.tabular.regressor:TabularRegressor")
    with pytest.raises(KeyError, match="tabular"):
        recipe_package("tabular")


def test_a_pipeline_may_bring_its_own_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copy_repository(tmp_path)
    package = root / "pipelines" / "mpg"
    (package / "recipe.py").write_text("class Own:\n    params_package = 'recipes.tabular'\n")
    params = package / "params.yaml"
    params.write_text(params.read_text().replace("tabular.regressor", "pipelines.mpg.recipe:Own"))
    shared = root / "params.yaml"
    shared.write_text(
        shared.read_text().replace(
            "mpg: {data: data/mpg, recipe: recipes/tabular}", "mpg: {data: data/mpg, recipe: pipelines/mpg}"
        )
    )
    monkeypatch.syspath_prepend(str(root))
    for name in [name for name in sys.modules if name.split(".")[0] == "pipelines"]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    assert load_pipeline("mpg", root).transform.ignore == ["car_name"]
    assert recipe_package("pipelines.mpg.recipe:Own") == ("recipes.tabular", "pipelines.mpg.recipe:Own")
    assert "pipelines.mpg.recipe" not in sys.modules  # which would import TensorFlow, in stages that need none
    (package / "heir.py").write_text("from pipelines.mpg import recipe\n\n\nclass Heir(recipe.Own):\n    pass\n")
    assert recipe_package("pipelines.mpg.heir:Heir") == ("recipes.tabular", "pipelines.mpg.heir:Heir")


@pytest.mark.slow
def test_a_recipes_mistake_is_told_from_a_failure() -> None:
    contract = importlib.import_module("recipes.contract")
    assert is_recipe_error(contract.RecipeError("model.loss: …"))
    assert not is_recipe_error(ValueError("model.loss: …"))

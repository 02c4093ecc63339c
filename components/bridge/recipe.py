"""Creates the recipe that params.yaml names. Components know recipes only through this module, by name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.params.load import recipe_package

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


def recipe_class(name: str) -> Any:
    """The class of a recipe, by its name in params.yaml."""
    module, _, class_name = recipe_package(name)[1].partition(":")
    return getattr(importlib.import_module(module), class_name)


def is_recipe_error(error: Exception) -> bool:
    """Whether a recipe raised `error` for a mistake of the user's; imports nothing that is not there already."""
    contract = sys.modules.get("recipes.contract")
    return contract is not None and isinstance(error, contract.RecipeError)


def create_recipe(config: Mapping[str, Any], schema: schema_pb2.Schema) -> Any:
    """An instance of the recipe.

    Args:
        config: As `Job.recipe_config` makes it.
        schema: The data contract of the raw features.

    Returns: A `recipes.contract.Recipe`.
    """
    package, _ = recipe_package(config["recipe"])
    params = importlib.import_module(f"{package}.params")
    contract = importlib.import_module("recipes.contract")
    windows = config.get("windows")
    task = contract.Task(
        label=config["label"],
        schema=schema,
        transform=params.TransformParams.model_validate(config["transform"]),
        model=params.ModelParams.model_validate(config["model"]),
        learning_rate=config["train"]["learning_rate"],
        seed=config["seed"],
        windows=None if windows is None else contract.Windows(**windows),
    )
    return recipe_class(config["recipe"])(task)

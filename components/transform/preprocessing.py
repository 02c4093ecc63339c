"""The preprocessing function that Transform imports: it hands over to the recipe."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.bridge.recipe import create_recipe
from components.column_names import require_good

SCHEMA_KEY = "schema_text"
"""Key of the custom config under which the text of the schema stands."""


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """Raw features to dense, transformed ones; see `recipes.contract.Recipe.preprocessing_fn`.

    Raises: UserError if a column's name can't be that of a served model's input; the export would find out, after training.
    """
    schema = text_format.Parse(custom_config[SCHEMA_KEY], schema_pb2.Schema())
    recipe = create_recipe(custom_config, schema)
    require_good(recipe.inputs)
    transformed: dict[str, Any] = recipe.preprocessing_fn(inputs)
    return transformed

"""The preprocessing function that Transform imports: it hands over to the recipe."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.bridge.recipe import create_recipe

SCHEMA_KEY = "schema_text"
"""Key of the custom config under which the text of the schema stands."""


def preprocessing_fn(inputs: dict[str, Any], custom_config: dict[str, Any]) -> dict[str, Any]:
    """Raw features to dense, transformed ones; see `recipes.contract.Recipe.preprocessing_fn`."""
    schema = text_format.Parse(custom_config[SCHEMA_KEY], schema_pb2.Schema())
    transformed: dict[str, Any] = create_recipe(custom_config, schema).preprocessing_fn(inputs)
    return transformed

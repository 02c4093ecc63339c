"""Decision forests: classification and regression on the columns of a schema, by YDF in place of a network."""

from __future__ import annotations

RECIPE_CLASSES: dict[str, str] = {"forest.boosted_trees": "recipes.forest.boosted_trees:boosted_trees"}
"""Recipe name → "module:function that makes it from its task"."""

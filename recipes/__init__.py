"""What is learned: one class per task, by field.

`RECIPES` maps the name that pipelines/NAME/params.yaml gives to where the recipe lives. It holds dotted paths, not classes,
so that listing the recipes imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

RECIPES: dict[str, str] = {
    "forest.boosted_trees": "recipes.forest",
    "image.classifier": "recipes.image",
    "image.vae": "recipes.image.vae",
    "tabular.classifier": "recipes.tabular",
    "tabular.regressor": "recipes.tabular",
    "text.classifier": "recipes.text",
    "timeseries.forecaster": "recipes.timeseries",
}
"""Name → package that has `params.py` (TransformParams, ModelParams: Pydantic only) and a `RECIPE_CLASSES` table."""

"""Tables: classification and regression on the columns of a schema, none of them listed by hand."""

from __future__ import annotations

RECIPE_CLASSES: dict[str, str] = {
    "tabular.classifier": "recipes.tabular.classifier:TabularClassifier",
    "tabular.regressor": "recipes.tabular.regressor:TabularRegressor",
}
"""Recipe name → "module:Class"."""

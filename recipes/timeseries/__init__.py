"""Time series: forecasts of the next steps from windows of the past ones."""

from __future__ import annotations

RECIPE_CLASSES: dict[str, str] = {"timeseries.forecaster": "recipes.timeseries.forecaster:Forecaster"}
"""Recipe name → "module:Class"."""

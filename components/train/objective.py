"""Which metric a search or a training watches, and in which direction."""

from __future__ import annotations

from typing import Any


def objective(name: str | None, recipe: Any) -> tuple[str, str]:
    """(metric, min or max); a metric is to be small if its name says loss or error."""
    if name is None or name == recipe.objective:
        return recipe.objective, recipe.objective_direction
    small = any(word in name for word in ("loss", "error", "mae", "mse", "rmse"))
    return name, "min" if small else "max"

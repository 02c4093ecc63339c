"""The search space: the recipe's own, with what `tune.space` puts in its place."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters as kinds

from components.errors import UserError

KERAS_TUNER_PREFIX = "tuner/"
"""Values of such names are Hyperband's own book-keeping, no hyperparameters of the recipe."""


def searched(values: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of the recipe among a trial's values."""
    return {name: value for name, value in values.items() if not name.startswith(KERAS_TUNER_PREFIX)}


def search_space(recipe: Any, overrides: Mapping[str, Any]) -> keras_tuner.HyperParameters:
    """Where a search starts from: empty without overrides (the recipe names its hyperparameters while it builds models).

    Args:
        recipe: A `recipes.contract.Recipe` that knows its features.
        overrides: `tune.space` as JSON types: name → {values: […]}, {min, max, sampling, step}, or one fixed value.

    Raises: UserError listing every override that names no hyperparameter of the recipe, or does not suit it.
    """
    if not overrides:
        return keras_tuner.HyperParameters()
    own = _own(recipe, set(overrides))
    problems = []
    space = keras_tuner.HyperParameters()
    for name in sorted(set(overrides) - {hp.name for hp in own.space}):
        known = sorted({hp.name for hp in own.space})
        close = difflib.get_close_matches(name, known, n=1)
        hint = f". Did you mean '{close[0]}'?" if close else "."
        problems.append(
            f"tune.space.{name}: the recipe has no such hyperparameter{hint} It has: {', '.join(known) or 'none'}."
        )
    for hp in own.space:
        try:
            space.merge([_replaced(hp, overrides[hp.name]) if hp.name in overrides else hp])
        except _UnsuitableError as problem:
            problems.append(f"tune.space.{hp.name}: {problem}")
    if problems:
        raise UserError("\n".join(problems))
    return space


def _own(recipe: Any, wanted: set[str]) -> keras_tuner.HyperParameters:
    """The hyperparameters that the recipe names when it builds its default model.

    If some of `wanted` are not among them, also those that it names for the last value of each (as many layers as may be).
    """
    own = keras_tuner.HyperParameters()
    recipe.build(own)
    tried: set[str] = set()
    while not wanted <= {hp.name for hp in own.space} and (todo := [hp for hp in own.space if hp.name not in tried]):
        for hp in todo:
            tried.add(hp.name)
            probe = own.copy()
            probe.values[hp.name] = list(hp.values)[-1] if not isinstance(hp, kinds.Int | kinds.Float) else hp.max_value
            recipe.build(probe)
            own.merge([found for found in probe.space if found.name not in {known.name for known in own.space}])
    return own


class _UnsuitableError(Exception):
    """What `tune.space` gives does not suit the recipe's hyperparameter."""


def _replaced(own: Any, given: Any) -> Any:
    """The recipe's hyperparameter with the values, the range or the one value that were given."""
    kind = _kind(own)
    common = {"name": own.name, "conditions": own.conditions}
    if not isinstance(given, Mapping):
        return kinds.Fixed(value=_value(own, kind, given), **common)
    if "values" in given:
        values = [_value(own, kind, value) for value in given["values"]]
        return kinds.Choice(values=values, default=own.default if own.default in values else values[0], **common)
    if kind in {str, bool}:
        raise _UnsuitableError(
            f"it is chosen among {_shown(own.values)}, which have no range. Give values: […], or one of them."
        )
    low, high = _value(own, kind, given["min"]), _value(own, kind, given["max"])
    step = given["step"]
    if step is not None and given["sampling"] == "linear":
        step = _value(own, kind, step)
    numeric = kinds.Int if kind is int else kinds.Float
    default = own.default if low <= own.default <= high and step is None else low
    return numeric(min_value=low, max_value=high, step=step, sampling=given["sampling"], default=default, **common)


def _kind(own: Any) -> type:
    """int, float, str or bool: what the recipe takes for this hyperparameter."""
    if isinstance(own, kinds.Int):
        return int
    if isinstance(own, kinds.Float):
        return float
    types = {type(value) for value in own.values}
    return float if types == {int, float} else types.pop()


def _value(own: Any, kind: type, value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind is int and number and float(value).is_integer():
        return int(value)
    if kind in {str, bool} and value in own.values and type(value) is kind:
        return value
    expected = {int: "an integer", float: "a number"}.get(kind) or f"one of {_shown(own.values)}"
    raise _UnsuitableError(f"expected {expected}, got {value!r}.")


def _shown(values: Any) -> str:
    return ", ".join(str(value).lower() if isinstance(value, bool) else repr(value) for value in values)

"""Weights of the classes, in the loss or in what is drawn, so that a rare class counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.errors import UserError


def class_weights(
    setting: str | Mapping[str, float], names: Sequence[str], counts: Sequence[int], key: str = "train.class_weights"
) -> dict[int, float] | None:
    """Class id → weight, as `keras.Model.fit` takes it.

    Args:
        setting: What stands under `key`: none, balanced (examples / (classes × examples of the class), as scikit-learn's
            `compute_class_weight`), or a weight for each class by name; classes left out count 1.
        names: The classes in the order of their ids; empty for a regression.
        counts: Training examples of each class.
        key: For messages.

    Raises: UserError for a class that there is not, or weights for a regression.
    """
    if setting == "none":
        return None
    if not names:
        raise UserError(f"{key}: the recipe predicts a number, which has no classes. Set {key.rpartition('.')[2]}: none.")
    if isinstance(setting, Mapping):
        if unknown := sorted(set(setting) - set(names)):
            raise UserError(f"{key}: no class is named {unknown[0]!r}. The classes are: {', '.join(names)}.")
        return {index: float(setting.get(name, 1.0)) for index, name in enumerate(names)}
    return {index: sum(counts) / (len(names) * count) if count else 0.0 for index, count in enumerate(counts)}

"""SHAP values of a forest, by YDF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.explain.how import How
from components.saved_model import SERVING_FOLDER


class Forest:
    """The trees of a SavedModel.

    Args:
        folder: Of the model artifact.
        how: What its model.json says.
    """

    def __init__(self, folder: Path, how: How) -> None:
        import ydf

        self._how = how
        before = ydf.verbose(0)  # it prints
        try:
            options = ydf.ModelIOOptions(file_prefix=how.prefix)
            self._model: Any = ydf.load_model(str(folder / SERVING_FOLDER / "assets"), advanced_options=options)
        finally:
            ydf.verbose(before)

    def contributions(self, seen: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """SHAP values (Lundberg & Lee 2017; of trees, Lundberg et al. 2020): with the bias they are what the trees add up to.

        Args:
            seen: Column → float32 [N], NaN where missing, or bytes [N], empty where missing.

        Returns: Float64 [N, columns, outputs], in the order of `seen` and of the model's classes; the bias, float64 [outputs].
        """
        found, bias = self._model.predict_shap(dict(seen))
        number = len(next(iter(seen.values())))
        width = np.asarray(bias).size
        values = np.zeros((number, len(seen), width + 1))  # the last for a class that training had no example of
        for index, name in enumerate(seen):
            if name in found:
                values[:, index, :width] = np.asarray(found[name]).reshape(number, width)
        biases = np.append(np.asarray(bias, np.float64).reshape(-1), 0.0)
        return self._how.sign * values[:, :, self._how.outputs], self._how.sign * biases[self._how.outputs]

"""Images: classification of encoded pictures by a small network, a residual one, or a backbone that others trained."""

from __future__ import annotations

RECIPE_CLASSES: dict[str, str] = {"image.classifier": "recipes.image.classifier:ImageClassifier"}
"""Recipe name → "module:Class"."""

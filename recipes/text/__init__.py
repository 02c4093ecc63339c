"""Text: one label for a text, learned from its words or on top of a pretrained encoder."""

from __future__ import annotations

RECIPE_CLASSES: dict[str, str] = {"text.classifier": "recipes.text.classifier:TextClassifier"}
"""Recipe name → "module:Class"."""

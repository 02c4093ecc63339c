"""A variational autoencoder: learns from images alone, without labels."""

from __future__ import annotations

RECIPE_CLASSES: dict[str, str] = {"image.vae": "recipes.image.vae.recipe:ImageVAE"}
"""Recipe name → "module:Class"."""

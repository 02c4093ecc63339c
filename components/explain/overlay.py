"""Saliency: which pixels moved an answer, drawn over the picture."""

from __future__ import annotations

import io

import numpy as np

TOWARDS, AGAINST = (224, 122, 95), (42, 111, 151)
"""Colours of what speaks for the answer, and against it."""
_SIDE_PX = 224
_QUANTILE = 0.99
"""The strongest colour; a single pixel must not make all others pale."""
_GREY = 0.45


def overlay(picture: np.ndarray, attributions: np.ndarray) -> bytes:
    """A PNG: the picture as the model saw it, and beside it, in grey, with the attributions in colour.

    Args:
        picture: Float [height, width, 1 or 3], in 0..1.
        attributions: [height, width].
    """
    from PIL import Image

    colours = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    grey = colours.mean(axis=2, keepdims=True) * _GREY + (1.0 - _GREY) * 0.5 * (colours.mean(axis=2, keepdims=True) > 0)
    strongest = float(np.quantile(np.abs(attributions), _QUANTILE)) or float(np.abs(attributions).max()) or 1.0
    strength = np.clip(np.abs(attributions) / strongest, 0.0, 1.0)[:, :, np.newaxis]
    colour = np.where(attributions[:, :, np.newaxis] > 0.0, np.array(TOWARDS), np.array(AGAINST)) / 255.0
    drawn = grey * (1.0 - strength) + colour * strength
    pixels = (np.concatenate([colours, drawn], axis=1) * 255.0 + 0.5).clip(0, 255).astype(np.uint8)
    factor = max(1, _SIDE_PX // max(picture.shape[:2]))
    image = Image.fromarray(pixels).resize((pixels.shape[1] * factor, pixels.shape[0] * factor), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()

"""Saliency: which pixels moved an answer, drawn over the picture."""

from __future__ import annotations

import io

import numpy as np

TOWARDS, AGAINST = (224, 122, 95), (42, 111, 151)
"""Colours of what speaks for the answer, and against it."""
_SIDE_PX = 224
_QUANTILE = 0.99
"""The strongest colour; a single pixel must not make all others pale."""
_PALE = 0.5
"""How much darker than white the drawn picture may be."""
_GAP_PX = 8


def overlay(picture: np.ndarray, attributions: np.ndarray) -> bytes:
    """A PNG: the picture as the model saw it, and beside it, pale and grey, with the attributions in colour.

    Args:
        picture: Float [height, width, 1 or 3], in 0..1.
        attributions: [height, width].
    """
    from PIL import Image

    colours = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    pale = 1.0 - _PALE * (1.0 - colours.mean(axis=2, keepdims=True))
    strongest = float(np.quantile(np.abs(attributions), _QUANTILE)) or float(np.abs(attributions).max()) or 1.0
    strength = np.clip(np.abs(attributions) / strongest, 0.0, 1.0)[:, :, np.newaxis]
    colour = np.where(attributions[:, :, np.newaxis] > 0.0, np.array(TOWARDS), np.array(AGAINST)) / 255.0
    drawn = pale * (1.0 - strength) + colour * strength
    factor = max(1, _SIDE_PX // max(picture.shape[:2]))
    large = [np.repeat(np.repeat(each, factor, axis=0), factor, axis=1) for each in (colours, drawn)]
    between = np.ones((len(large[0]), _GAP_PX, 3))
    pixels = np.concatenate([large[0], between, large[1]], axis=1)
    image = Image.fromarray((pixels * 255.0 + 0.5).clip(0, 255).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()

"""Pixels that move the answer are coloured, the others stay grey."""

from __future__ import annotations

import io

import numpy as np

from components.explain.overlay import AGAINST, TOWARDS, overlay


def test_colours_say_how_far_and_which_way() -> None:
    from PIL import Image

    picture = np.zeros((4, 4, 1))
    picture[1:3, 1:3] = 1.0
    attributions = np.zeros((4, 4))
    attributions[1, 1], attributions[2, 2], attributions[1, 2] = 2.0, -2.0, 0.5
    with Image.open(io.BytesIO(overlay(picture, attributions))) as image:
        assert image.size == (2 * 224 + 8, 224)
        pixels = np.asarray(image)[28::56]
    drawn = pixels[:, 224 + 8 + 28 :: 56].astype(int)
    assert drawn[1, 1].tolist() == list(TOWARDS)
    assert drawn[2, 2].tolist() == list(AGAINST)
    assert np.ptp(drawn[0], axis=1).max() == 0  # grey where nothing moves
    assert TOWARDS[2] < drawn[1, 2][2] < 255  # a little of the colour
    left = pixels[:, 28:224:56]
    assert (left[1:3, 1:3] == 255).all()
    assert not left[0].any()


def test_a_picture_in_colour_that_moves_nothing() -> None:
    assert overlay(np.full((300, 200, 3), 0.5), np.zeros((300, 200))).startswith(b"\x89PNG")

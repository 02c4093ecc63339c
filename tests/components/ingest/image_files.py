"""Encoded images for the tests of ingest, each a few pixels large."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def picture(seed: int = 0, size: tuple[int, int] = (12, 8), mode: str = "RGB") -> Image.Image:
    """Noise of this size (width, height); the same for the same seed."""
    width, height = size
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def encoded(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    """The image as a file has it."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def png(seed: int = 0) -> bytes:
    """A small PNG; another one for another seed."""
    return encoded(picture(seed, mode="L"))


def rotated_jpeg(orientation: int = 6) -> bytes:
    """Left half black, right half white, as the camera's chip saw it; the tag says which way is up."""
    pixels = np.zeros((16, 32), np.uint8)
    pixels[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(pixels), "JPEG", exif=exif)


def film(image_format: str, num_frames: int = 3) -> bytes:
    """An animation."""
    first, *others = [picture(seed) for seed in range(num_frames)]
    return encoded(first, image_format, save_all=True, append_images=others)

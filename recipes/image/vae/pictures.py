"""What an autoencoder has learned, as pictures: reconstructions, samples, and the tutorial's latent manifold."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recipes.image.vae.model import IMAGE_KEY

if TYPE_CHECKING:
    import tensorflow as tf

    from recipes.image.vae.model import VAE

NUM_RECONSTRUCTED = 12
MANIFOLD_SIDE = 20
SAMPLES_SIDE = 10
MAX_CODES = 2000


def write_pictures(model: VAE, folder: Path, examples: tf.data.Dataset, seed: int) -> None:
    """Writes PNG files into `folder`.

    reconstructions.png: images of the eval split over what is made of their codes. samples.png: what the decoder makes of
    codes drawn from the prior. With two latent numbers also manifold.png, the decoder over a grid of equally likely codes
    (quantiles of the standard normal distribution), and codes.png, where the eval split's images lie.

    Args:
        model: Trained.
        folder: Must be there.
        examples: Batches of {"image": float32 [batch, height, width, channels]}, with or without a label.
        seed: Draws the samples.
    """
    images = _images(examples)
    shown = images[_spread(len(images), NUM_RECONSTRUCTED)]
    rebuilt = model({IMAGE_KEY: shown}, training=False)["reconstruction"].numpy()
    _save(np.concatenate([shown, rebuilt]), folder / "reconstructions.png", len(shown))
    codes = np.random.default_rng(seed).standard_normal((SAMPLES_SIDE**2, model.latent_dim)).astype(np.float32)
    _save(model.decode(codes).numpy(), folder / "samples.png", SAMPLES_SIDE)
    if model.latent_dim != 2:
        return
    normal = statistics.NormalDist()
    quantiles = [normal.inv_cdf((index + 0.5) / MANIFOLD_SIDE) for index in range(MANIFOLD_SIDE)]
    grid = np.array([[x, y] for y in reversed(quantiles) for x in quantiles], np.float32)
    _save(model.decode(grid).numpy(), folder / "manifold.png", MANIFOLD_SIDE)
    _scatter(model.encode(images)[0].numpy(), folder / "codes.png")


def _images(examples: tf.data.Dataset) -> NDArray[np.float32]:
    """Images from all over the split, which may be sorted by class: [up to MAX_CODES, height, width, channels]."""
    each = -(-MAX_CODES // max(1, int(examples.cardinality())))  # of a batch
    found: list[NDArray[np.float32]] = []
    for batch in examples:
        images = (batch[0] if isinstance(batch, tuple) else batch)[IMAGE_KEY].numpy()
        found.append(images[_spread(len(images), each)])
    return np.concatenate(found)


def _spread(num: int, wanted: int) -> NDArray[np.int64]:
    """Up to `wanted` positions among `num`, as far apart as can be."""
    return np.unique(np.linspace(0, num - 1, min(num, wanted)).astype(np.int64))


def _save(images: NDArray[np.float32], path: Path, columns: int) -> None:
    """Writes images, [n, height, width, 1 or 3] in 0..1, row by row as one picture, enlarged to about 60 pixels an image."""
    from PIL import Image

    pixels = np.round(np.clip(images, 0.0, 1.0) * 255.0).astype(np.uint8)
    num, height, width, channels = pixels.shape
    rows = -(-num // columns)
    sheet = np.zeros((rows * columns, height, width, channels), np.uint8)
    sheet[:num] = pixels
    sheet = sheet.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    scale = max(1, round(60 / max(height, width)))
    picture = Image.fromarray(sheet[:, :, 0] if channels == 1 else sheet)
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(path)


def _scatter(codes: NDArray[np.float32], path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    axes.scatter(codes[:, 0], codes[:, 1], s=6, alpha=0.5)
    # Of a standard normal in two dimensions, P(r ≤ R) = 1 − exp(−R²/2).
    axes.add_patch(Circle((0.0, 0.0), np.sqrt(-2.0 * np.log(0.05)), fill=False, color="#e07a5f"))
    axes.set(title="Codes of the eval split; the circle holds 95% of the prior", xlabel="z₁", ylabel="z₂", aspect="equal")
    figure.savefig(path, dpi=110, metadata={"Software": None})

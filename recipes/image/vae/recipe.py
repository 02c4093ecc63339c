"""`image.vae`: what images have in common, learned without labels; see `recipes.image.vae.model`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import tensorflow as tf

from recipes.contract import InputKind, Recipe, RecipeError, ScoreMetric, Task, TaskKind
from recipes.image.column import image_column
from recipes.image.vae.model import IMAGE_KEY, VAE
from recipes.image.vae.params import ModelParams, TransformParams

if TYPE_CHECKING:
    from recipes.raw import RawTensor

LEARNING_RATE = 1e-3


class ImageVAE(Recipe):
    """Judged by the evidence lower bound on images that it has not seen.

    Raises: RecipeError where params and schema do not agree, or where the image can't be halved often enough.
    """

    objective = "val_loss"
    objective_direction = "min"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._params: ModelParams = task.model
        self._transform: TransformParams = task.transform
        self._column = image_column(task.schema, self._transform.image)
        factor = 2 ** len(self._params.filters)
        for side in ("height", "width"):
            size = getattr(self._transform, side)
            if size % factor:
                raise RecipeError(
                    f"transform.{side}: {size} can't be halved {len(self._params.filters)} times, once for each of "
                    f"model.filters. Expected a multiple of {factor}: take {max(factor, round(size / factor) * factor)}, or "
                    "fewer filters."
                )

    @property
    def kind(self) -> TaskKind:
        """`scored`: there is no label to compare with."""
        return "scored"

    @property
    def key_metric(self) -> str:
        """The evidence lower bound."""
        return "elbo"

    @property
    def metrics(self) -> list[ScoreMetric]:
        """The bound, its two parts, and how far reconstructed pixels are from the true ones."""
        return [
            ScoreMetric("elbo", "Evidence lower bound (nats an image)", "elbo", "higher"),
            ScoreMetric("reconstruction", "Log likelihood of the reconstruction (nats)", "reconstruction", "higher"),
            ScoreMetric("kl", "Divergence of the code from the prior (nats)", "kl", None),
            ScoreMetric("pixel_rmse", "Root mean squared error of a pixel (0 to 1)", "squared_error", "lower", root=True),
        ]

    @property
    def inputs(self) -> dict[str, InputKind]:
        """The column of the encoded image."""
        return {self._column: "image"}

    def preprocessing_fn(self, inputs: Mapping[str, RawTensor]) -> dict[str, tf.Tensor]:
        """See `Recipe`: `image`, float32 [batch, height, width, channels] in 0..1."""
        from recipes.image.features import make_image

        return {IMAGE_KEY: make_image(inputs[self._column], self._transform)}

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Answers `mean`, `log_var` and `reconstruction`, see `VAE`."""
        rate = self.task.learning_rate
        if rate is None:
            rate = hp.Float("learning_rate", LEARNING_RATE / 10, LEARNING_RATE * 10, sampling="log", default=LEARNING_RATE)
        units = self._params.hidden_units
        hidden_units = hp.Choice("hidden_units", sorted({units // 2 or 1, units, 2 * units}), default=units)
        shape = (self._transform.height, self._transform.width, self._transform.channels)
        model = VAE(
            shape, self._params.latent_dim, list(self._params.filters), hidden_units, seed=self.task.seed, name="image_vae"
        )
        model.compile(keras.optimizers.Adam(rate))
        return model

    def outputs(self, predictions: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`latent` [batch, latent_dim] and `reconstruction` [batch, height, width, channels], float32."""
        return {"latent": predictions["mean"], "reconstruction": predictions["reconstruction"]}

    def score(self, model: VAE, features: dict[str, tf.Tensor], label: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """`elbo`, `reconstruction` and `kl` in nats, and `squared_error`, the mean over the pixels."""
        images = features[IMAGE_KEY]
        error = tf.reduce_mean(tf.square(model(features, training=False)["reconstruction"] - images), axis=[1, 2, 3])
        return {**model.bound(images), "squared_error": error}

    def heads(self, model: VAE) -> dict[str, Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]]:
        """`encode`: an image → `mean` and `log_var` of its code, float32 [batch, latent_dim]."""

        def encode(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            mean, log_var = model.encode(features[IMAGE_KEY])
            return {"mean": mean, "log_var": log_var}

        return {"encode": encode}

    def functions(self, model: VAE) -> dict[str, Any]:
        """`decode`: `latent`, float32 [batch, latent_dim] → `image`, float32 [batch, height, width, channels] in 0..1."""

        @tf.function(input_signature=[tf.TensorSpec([None, model.latent_dim], tf.float32, name="latent")])
        def decode(latent: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"image": model.decode(latent)}

        return {"decode": decode}

    def explain(self, model: VAE) -> str:
        """Not at all."""
        return "image.vae answers with a whole picture, and no number of it is the one to explain."

    def describe(self, model: VAE, folder: Path, examples: tf.data.Dataset) -> None:
        """Writes reconstructions.png, samples.png, and, of two latent numbers, manifold.png and codes.png."""
        from recipes.image.vae.pictures import write_pictures

        write_pictures(model, folder, examples, self.task.seed)

"""The variational autoencoder of Kingma & Welling (2014, arXiv:1312.6114), with a training step of its own.

After the TensorFlow tutorial "Convolutional Variational Autoencoder" (generative/cvae). With an image x, a latent vector z, a
standard normal prior p(z), an encoder q(z|x) = N(mean, exp(log_var)) and a decoder p(x|z) of independent Bernoulli pixels, the
evidence lower bound is

    ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x),   in nats an image.

The tutorial estimates both terms with one random z; here the divergence is exact (equation 10 of the paper), and outside
training the expectation is over NUM_SAMPLES fixed points, so that the same image always has the same bound. Pixels between 0
and 1 are taken for probabilities of white, as is usual for grey images; the bound then is that of the binary images that
they stand for.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

IMAGE_KEY = "image"
"""Name of the image among the model's inputs."""
NUM_SAMPLES = 16
"""Points of z that the expectation outside training is taken over."""
PARTS = ("elbo", "reconstruction", "kl")


@keras.saving.register_keras_serializable("tensorline")
class VAE(keras.Model):
    """Encoder, decoder and the bound that both are trained on.

    `call` takes {"image": float32 [batch, height, width, channels] in 0..1} and answers `mean` and `log_var`, float32
    [batch, latent_dim], and `reconstruction`, of the images' shape: what the decoder makes of `mean`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        filters: list[int],
        hidden_units: int,
        seed: int,
        **kwargs: Any,
    ) -> None:
        """Makes both networks.

        Args:
            image_shape: (height, width, channels); height and width must be divisible by 2 ** len(filters).
            latent_dim: Numbers an image is encoded as.
            filters: Of the encoder's convolutions, each of stride 2; the decoder has them in reverse.
            hidden_units: Of the dense layer on either side of z.
            seed: Of initial weights and of all noise.
            kwargs: `name`, `dtype`.
        """
        super().__init__(**kwargs)
        self._config = {
            "image_shape": tuple(image_shape),
            "latent_dim": latent_dim,
            "filters": list(filters),
            "hidden_units": hidden_units,
            "seed": seed,
        }
        random = np.random.default_rng(seed)
        self.latent_dim = latent_dim
        self.encoder = _encoder(image_shape, latent_dim, filters, hidden_units, random)
        self.decoder = _decoder(image_shape, latent_dim, filters, hidden_units, random)
        self._noise = keras.random.SeedGenerator(int(random.integers(2**31)))
        self._points = tf.constant(random.standard_normal((NUM_SAMPLES, latent_dim)), tf.float32)
        self._means = {name: keras.metrics.Mean(name=name) for name in ("loss", *PARTS)}
        self.build({IMAGE_KEY: (None, *image_shape)})

    def build(self, input_shape: Any) -> None:
        """Encoder and decoder are built already; so is this model then."""
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor]:
        """See the class."""
        mean, log_var = self.encode(inputs[IMAGE_KEY], training=training)
        return {"mean": mean, "log_var": log_var, "reconstruction": self.decode(mean)}

    def encode(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and logarithm of the variance of q(z|x), float32 [batch, latent_dim] each."""
        mean, log_var = tf.split(self.encoder(images, training=training), 2, axis=1)
        return mean, log_var

    def decode(self, latent: tf.Tensor) -> tf.Tensor:
        """Float32 [batch, latent_dim] → the probability that each pixel is white, [batch, height, width, channels]."""
        return tf.sigmoid(self.decoder(latent, training=False))

    def bound(self, images: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """The ELBO and its parts, in nats.

        Args:
            images: Float32 [batch, height, width, channels] in 0..1.
            training: One random z an image, in place of NUM_SAMPLES fixed ones.

        Returns: `elbo` = `reconstruction` − `kl`, float32 [batch] each.
        """
        mean, log_var = self.encode(images, training=training)
        deviation = tf.exp(0.5 * log_var)
        if training:
            noise = keras.random.normal(tf.shape(mean), seed=self._noise)
            reconstruction = self._log_likelihood(images, mean + deviation * noise, training=True)
        else:
            likelihoods = [self._log_likelihood(images, mean + deviation * point) for point in tf.unstack(self._points)]
            reconstruction = tf.add_n(likelihoods) / NUM_SAMPLES
        kl = 0.5 * tf.reduce_sum(tf.exp(log_var) + tf.square(mean) - 1.0 - log_var, axis=1)
        return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}

    def _log_likelihood(self, images: tf.Tensor, latent: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logarithm of p(x|z), float32 [batch]."""
        logits = self.decoder(latent, training=training)
        of_pixels = -tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(images, tf.float32), logits)
        return tf.reduce_sum(of_pixels, axis=[1, 2, 3])

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step up the bound; within a distribution strategy, one replica's part of it.

        Each example of the global batch counts the same, also where the replicas' shares differ in size; the optimizer sums
        the replicas' gradients.
        """
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        images = images[IMAGE_KEY]
        replica = tf.distribute.get_replica_context()
        num_examples = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.shape(images)[0])
        with tf.GradientTape() as tape:
            parts = self.bound(images, training=True)
            loss = -tf.reduce_sum(parts["elbo"]) / tf.cast(num_examples, tf.float32)
            scaled = self.optimizer.scale_loss(loss)  # against underflow, in mixed precision with float16
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables, strict=True))
        return self._update(parts)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The bound of one batch, over the fixed points."""
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self._update(self.bound(images[IMAGE_KEY]))

    def _update(self, parts: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        for name in PARTS:
            self._means[name].update_state(parts[name])
        self._means["loss"].update_state(-parts["elbo"])
        return {name: metric.result() for name, metric in self._means.items()}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """`loss` (−ELBO), `elbo`, `reconstruction` and `kl`; Keras resets them at each epoch."""
        return list(self._means.values())

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**self._config, "name": self.name, "dtype": keras.saving.serialize_keras_object(self.dtype_policy)}


def _encoder(
    shape: tuple[int, int, int], latent_dim: int, filters: list[int], units: int, random: np.random.Generator
) -> keras.Model:
    """Images → mean and log_var side by side, float32 [batch, 2 · latent_dim]."""
    images = hidden = keras.Input(shape=tuple(shape), dtype="float32", name=IMAGE_KEY)
    for index, number in enumerate(filters):
        hidden = keras.layers.Conv2D(
            number, 3, 2, "same", activation="relu", kernel_initializer=_he(random), name=f"encoder_conv_{index}"
        )(hidden)
    hidden = keras.layers.Flatten(name="encoder_flat")(hidden)
    hidden = keras.layers.Dense(units, activation="relu", kernel_initializer=_he(random), name="encoder_hidden")(hidden)
    glorot = keras.initializers.GlorotUniform(_seed(random))
    # The bound is a difference of large sums, so that it is computed in float32 whatever the other layers compute in.
    outputs = keras.layers.Dense(2 * latent_dim, kernel_initializer=glorot, dtype="float32", name="posterior")(hidden)
    return keras.Model(images, outputs, name="encoder")


def _decoder(
    shape: tuple[int, int, int], latent_dim: int, filters: list[int], units: int, random: np.random.Generator
) -> keras.Model:
    """Latent vectors → logits of the pixels, float32 [batch, height, width, channels]."""
    height, width, channels = shape
    factor = 2 ** len(filters)
    small = (height // factor, width // factor, filters[-1])
    latent = keras.Input(shape=(latent_dim,), dtype="float32", name="latent")
    hidden = keras.layers.Dense(units, activation="relu", kernel_initializer=_he(random), name="decoder_hidden")(latent)
    hidden = keras.layers.Dense(int(np.prod(small)), activation="relu", kernel_initializer=_he(random), name="decoder_maps")(
        hidden
    )
    hidden = keras.layers.Reshape(small, name="decoder_reshape")(hidden)
    for index, number in enumerate(reversed(filters)):
        hidden = keras.layers.Conv2DTranspose(
            number, 3, 2, "same", activation="relu", kernel_initializer=_he(random), name=f"decoder_conv_{index}"
        )(hidden)
    glorot = keras.initializers.GlorotUniform(_seed(random))
    outputs = keras.layers.Conv2D(channels, 3, 1, "same", kernel_initializer=glorot, dtype="float32", name="logits")(hidden)
    return keras.Model(latent, outputs, name="decoder")


def _he(random: np.random.Generator) -> keras.initializers.Initializer:
    return keras.initializers.HeNormal(_seed(random))


def _seed(random: np.random.Generator) -> int:
    return int(random.integers(2**31))

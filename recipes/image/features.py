"""Encoded images → pixels of one size, in TFT's graph.

There is nothing to analyse, so that Transform needs one pass over the data; and few ops, for TFT traces them many times.
"""

from __future__ import annotations

import tensorflow as tf

from recipes.image.params import TransformParams
from recipes.raw import RawTensor, dense_string

# Of red, green and blue in luminance (ITU-R BT.601, as JPEG and Pillow weigh them).
LUMINANCE = (0.299, 0.587, 0.114)


def make_image(raw: RawTensor, params: TransformParams) -> tf.Tensor:
    """Pixels as float32 [batch, height, width, channels], in the range of `params.normalise`.

    Args:
        raw: A JPEG, PNG, GIF (its first frame) or BMP a row.
        params: What size, and how.

    A row without an image, or with one that cannot be decoded, stops the graph: ingest lets none pass.
    """
    encoded = tf.reshape(dense_string(raw), [-1])
    shape = tf.TensorSpec([params.height, params.width, params.channels], tf.float32)

    def picture(content: tf.Tensor) -> tf.Tensor:
        return _fitted(_decoded(content, params.channels), params)

    pixels = tf.map_fn(picture, encoded, fn_output_signature=shape)
    pixels = tf.clip_by_value(pixels, 0.0, 255.0)  # bicubic and lanczos3 swing over at edges, the others round
    match params.normalise:
        case "zero_one":
            return pixels / 255.0
        case "minus_one_one":
            return pixels / 127.5 - 1.0
        case "standardise":
            return tf.image.per_image_standardization(pixels)
        case _:
            return pixels


def _decoded(content: tf.Tensor, channels: int) -> tf.Tensor:
    """Pixels as they are in the file, 0 to 255, float32 [height, width, channels]."""
    # As many channels as there are: a BMP or GIF is not decoded into another number of them. The last is transparency, if
    # there are two or four.
    pixels = tf.io.decode_image(content, expand_animations=False)
    pixels.set_shape([None, None, None])
    colours = tf.gather(pixels, tf.range(3) * tf.cast(tf.shape(pixels)[2] >= 3, tf.int32), axis=2)
    colours = tf.cast(colours, tf.float32)
    return colours if channels == 3 else tf.tensordot(colours, tf.constant(LUMINANCE)[:, tf.newaxis], 1)


def _fitted(pixels: tf.Tensor, params: TransformParams) -> tf.Tensor:
    size = (params.height, params.width)
    if params.fit == "pad":
        return tf.image.resize_with_pad(pixels, *size, params.resize, antialias=True)
    if params.fit == "crop":
        height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
        # The largest middle part of the right aspect, at least one pixel.
        part = tf.stack(
            [
                tf.clip_by_value(width * params.height // params.width, 1, height),
                tf.clip_by_value(height * params.width // params.height, 1, width),
            ]
        )
        start = (tf.stack([height, width]) - part) // 2
        pixels = tf.slice(pixels, tf.concat([start, [0]], 0), tf.concat([part, [-1]], 0))
    return tf.image.resize(pixels, size, params.resize, antialias=True)

"""tf.data pipelines over transformed examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.train.oversampling import oversampled

CACHE_LIMIT_BYTES = 512 * 2**20
"""Splits smaller than this on disk are kept in memory after the first epoch."""


def expand(patterns: Sequence[str]) -> list[str]:
    """The files that TFX's file patterns name, sorted."""
    return sorted(str(path) for pattern in patterns for path in tf.io.gfile.glob(pattern))


def make_dataset(
    files: Sequence[str],
    spec: Mapping[str, Any],
    label: str | None,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    class_weights: Mapping[int, float] | None = None,
) -> tf.data.Dataset:
    """Batches of (features, label), or of features alone.

    Args:
        files: TFRecord files of transformed tf.Examples, plain or gzip.
        spec: Parsing spec of the transformed features, the label among them.
        label: Name of the label in `spec`; None where there is none.
        batch_size: Examples a batch; the last batch may be smaller.
        shuffle_seed: Shuffles anew each epoch, in the same way for the same seed; None keeps the files' order.
        class_weights: Draws the examples of each class so often; see `components.train.oversampling`. Needs `shuffle_seed`.

    Returns: A dataset of ({name: [batch, …]}, [batch, 1]), or of {name: [batch, …]} alone, in the dtypes of `spec`; see
        `densify` for features of any length.
        It knows its number of batches, for which all files are read once. Keras' `fit` would otherwise find the end of an
        epoch by a step that fails, which has by then raised the optimizer's count of steps, or not: a race.
    """
    compression = "GZIP" if files[0].endswith(".gz") else ""
    dataset = tf.data.TFRecordDataset(list(files), compression_type=compression, num_parallel_reads=min(len(files), 8))
    if sum(Path(file).stat().st_size for file in files) <= CACHE_LIMIT_BYTES:
        dataset = dataset.cache()
    num_examples = int(dataset.reduce(np.int64(0), lambda count, _: count + 1))  # fills the cache, if there is one
    if class_weights is not None and shuffle_seed is not None and label is not None:
        dataset, num_examples = oversampled(dataset, {label: spec[label]}, class_weights, shuffle_seed)
    elif shuffle_seed is not None:
        dataset = dataset.shuffle(100_000, seed=shuffle_seed, reshuffle_each_iteration=True)

    def parse(serialized: tf.Tensor) -> Any:
        features = densify(tf.io.parse_example(serialized, dict(spec)))
        return features if label is None else (features, features.pop(label))

    batches = dataset.batch(batch_size).map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return batches.apply(tf.data.experimental.assert_cardinality(math.ceil(num_examples / batch_size)))


def densify(features: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Features as the model takes them: those of any length [batch, None] are padded with 0 to the longest of the batch."""
    return {
        name: tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value for name, value in features.items()
    }


def count_labels(dataset: tf.data.Dataset, num_classes: int) -> list[int]:
    """How often each class id 0 … num_classes - 1 is the label in one pass over `dataset`."""
    zeros = tf.zeros([num_classes], tf.int64)
    counts = dataset.reduce(
        zeros, lambda total, batch: total + tf.math.bincount(tf.reshape(batch, [-1]), minlength=num_classes, dtype=tf.int64)
    )
    return [int(count) for count in counts.numpy()]

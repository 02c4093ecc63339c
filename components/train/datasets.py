"""tf.data pipelines over transformed examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.tfrecord import count_records
from components.train.oversampling import oversampled

IN_MEMORY_LIMIT_BYTES = 512 * 2**20
"""Splits smaller than this on disk are parsed once and kept in memory."""
_PARSED_AT_ONCE = 8192
_DRAWN_FROM = 1024
_PLACES = tuple(_DRAWN_FROM**place for place in range(4))
"""A seed for each epoch is made of four numbers below 1024."""


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
    apply: Callable[[tf.Tensor], Mapping[str, Any]] | None = None,
) -> tf.data.Dataset:
    """Batches of (features, label), or of features alone.

    A split that fits in memory is parsed once, and an epoch deals out its rows, all of them shuffled; a larger one is read and
    parsed anew in every epoch, and shuffled as far as a buffer of 100,000 records reaches.

    Args:
        files: TFRecord files of transformed tf.Examples, or of raw ones, plain or gzip.
        spec: Parsing spec of the transformed features, the label among them.
        label: Name of the label in `spec`; None where there is none.
        batch_size: Examples a batch; the last batch may be smaller.
        shuffle_seed: Shuffles anew each epoch, in the same way for the same seed; None keeps the files' order.
        apply: Serialized raw examples, of which the files are then, to transformed features; see `transform_graph`.
        class_weights: Draws the examples of each class so often; see `components.train.oversampling`. Needs `shuffle_seed`.

    Returns: A dataset of ({name: [batch, …]}, [batch, 1]), or of {name: [batch, …]} alone, in the dtypes of `spec`; see
        `densify` for features of any length.
        It knows its number of batches, for which all files are read once. Keras' `fit` would otherwise find the end of an
        epoch by a step that fails, which has by then raised the optimizer's count of steps, or not: a race.
    """
    compression = "GZIP" if files[0].endswith(".gz") else ""
    dataset = tf.data.TFRecordDataset(list(files), compression_type=compression, num_parallel_reads=min(len(files), 8))

    columns: dict[str, Any] = {}
    if _size_bytes(files, spec, raw=apply is not None) <= IN_MEMORY_LIMIT_BYTES and not _is_sparse(spec):
        columns = _parsed(dataset, spec, apply)

    def read(records: tf.Tensor, names: Iterable[str]) -> dict[str, Any]:
        if columns:  # what is shuffled and drawn are then the numbers of rows
            return {name: tf.gather(columns[name], records) for name in names}
        return _parse(records, {name: spec[name] for name in names}, apply)

    def batch_of(records: tf.Tensor) -> Any:
        features = densify(read(records, spec))
        return features if label is None else (features, features.pop(label))

    if columns and (class_weights is None or shuffle_seed is None or label is None):
        num_examples = next(iter(columns.values())).shape[0]
        dealt = _row_numbers(num_examples, batch_size, shuffle_seed)
    else:
        if columns:
            dataset = tf.data.Dataset.range(next(iter(columns.values())).shape[0])
        num_examples = int(dataset.reduce(np.int64(0), lambda count, _: count + 1))
        if class_weights is not None and shuffle_seed is not None and label is not None:
            dataset, num_examples = oversampled(
                dataset, lambda records: read(records, [label])[label], class_weights, shuffle_seed
            )
        elif shuffle_seed is not None:
            dataset = dataset.shuffle(100_000, seed=shuffle_seed, reshuffle_each_iteration=True)
        dealt = dataset.batch(batch_size)
    batches = dealt.map(batch_of, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return batches.apply(tf.data.experimental.assert_cardinality(math.ceil(num_examples / batch_size)))


def _row_numbers(num_rows: int, size: int, shuffle_seed: int | None) -> tf.data.Dataset:
    """0 … num_rows - 1, `size` at once; with a seed in another order each time that it is iterated over.

    `Dataset.shuffle` deals out one element after the other, which takes longer than all the rest of the pipeline.
    """
    starts = tf.data.Dataset.range(0, num_rows, size)
    if shuffle_seed is None:
        return starts.map(lambda start: tf.range(start, tf.minimum(start + size, num_rows)))

    def one_epoch(drawn: tf.Tensor) -> tf.data.Dataset:
        seed = [tf.reduce_sum(drawn * tf.constant(_PLACES, tf.int64)), shuffle_seed]
        rows = tf.random.experimental.stateless_shuffle(tf.range(num_rows, dtype=tf.int64), seed=seed)
        return starts.map(lambda start: rows[start : start + size])

    # The few numbers that tell an epoch from the others are shuffled as ever: how often a dataset was begun is then counted
    # in the same way under every strategy, which `Dataset.random` does not.
    epochs = tf.data.Dataset.range(_DRAWN_FROM).shuffle(_DRAWN_FROM, seed=shuffle_seed, reshuffle_each_iteration=True)
    return epochs.take(len(_PLACES)).batch(len(_PLACES)).flat_map(one_epoch)


def _parse(records: tf.Tensor, spec: Mapping[str, Any], apply: Callable[[tf.Tensor], Mapping[str, Any]] | None) -> Any:
    """The features of `spec`, of transformed examples or, by `apply`, of raw ones."""
    if apply is None:
        return tf.io.parse_example(records, dict(spec))
    features = apply(records)
    return {name: features[name] for name in spec}


def _size_bytes(files: Sequence[str], spec: Mapping[str, Any], *, raw: bool) -> int:
    """Of the files, or, if that is more, of what becomes of the raw examples in them."""
    on_disk = sum(Path(file).stat().st_size for file in files)
    if not raw:
        return on_disk
    fixed = [each for each in spec.values() if isinstance(each, tf.io.FixedLenFeature)]
    row_bytes = sum(each.dtype.size * math.prod(each.shape) for each in fixed)
    return max(on_disk, row_bytes * sum(count_records(Path(file)) for file in files))


def _parsed(
    examples: tf.data.Dataset, spec: Mapping[str, Any], apply: Callable[[tf.Tensor], Mapping[str, Any]] | None
) -> dict[str, tf.Tensor | tf.RaggedTensor]:
    """All examples, parsed: feature → [examples, …]; those of any length as ragged tensors."""

    def parse(records: tf.Tensor) -> dict[str, Any]:
        features = _parse(records, spec, apply)
        return {
            name: tf.RaggedTensor.from_sparse(value) if isinstance(value, tf.SparseTensor) else value
            for name, value in features.items()
        }

    with tf.device("CPU"):  # where tf.data runs
        parts = list(examples.batch(_PARSED_AT_ONCE).map(parse, num_parallel_calls=tf.data.AUTOTUNE))
        return {name: tf.concat([part[name] for part in parts], axis=0) for name in (parts[0] if parts else {})}


def _is_sparse(spec: Mapping[str, Any]) -> bool:
    """Whether features are more than values of a fixed or of any length."""
    return not all(isinstance(kind, tf.io.FixedLenFeature | tf.io.VarLenFeature) for kind in spec.values())


def densify(features: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Features as the model takes them: those of any length [batch, None] are padded with 0 to the longest of the batch."""
    return {
        name: tf.sparse.to_dense(value)
        if isinstance(value, tf.SparseTensor)
        else value.to_tensor()
        if isinstance(value, tf.RaggedTensor)
        else value
        for name, value in features.items()
    }


def count_labels(dataset: tf.data.Dataset, num_classes: int) -> list[int]:
    """How often each class id 0 … num_classes - 1 is the label in one pass over `dataset`."""
    zeros = tf.zeros([num_classes], tf.int64)
    counts = dataset.reduce(
        zeros, lambda total, batch: total + tf.math.bincount(tf.reshape(batch, [-1]), minlength=num_classes, dtype=tf.int64)
    )
    return [int(count) for count in counts.numpy()]

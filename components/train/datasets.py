"""tf.data pipelines over transformed examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.train.columns import READ_AT_ONCE, Columns, parse, read_columns
from components.train.oversampling import oversampled

_COUNTED_AT_ONCE = 8192
_DRAWN_FROM = 1024
_PLACES = tuple(_DRAWN_FROM**place for place in range(4))
"""A seed for each epoch is made of four numbers below 1024."""
_as_it_is = tf.autograph.experimental.do_not_convert
"""Nothing here is Python that depends on tensors, and to look for that takes longer than to trace."""


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
    columns: Columns | None = None,
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
        columns: What `read_columns` has made of the same files, if they were read before.

    Returns: A dataset of ({name: [batch, …]}, [batch, 1]), or of {name: [batch, …]} alone, in the dtypes of `spec`; see
        `densify` for features of any length.
        It knows its number of batches, for which all files are read once. Keras' `fit` would otherwise find the end of an
        epoch by a step that fails, which has by then raised the optimizer's count of steps, or not: a race.
    """
    columns = columns or read_columns(files, spec, apply)

    @_as_it_is
    def read(records: tf.Tensor, names: Iterable[str]) -> dict[str, Any]:
        if columns:  # what is shuffled and drawn are then the numbers of rows
            return columns.take(records, names)
        return parse(records, {name: spec[name] for name in names}, apply)

    @_as_it_is
    def batch_of(records: tf.Tensor) -> Any:
        features = densify(read(records, spec))
        return features if label is None else (features, features.pop(label))

    if columns and (class_weights is None or shuffle_seed is None or label is None):
        num_examples = columns.num_rows
        dealt = _row_numbers(num_examples, batch_size, shuffle_seed)
    else:
        dataset, num_examples = _records(files), 0
        if columns:
            dataset, num_examples = tf.data.Dataset.range(columns.num_rows), columns.num_rows
        elif class_weights is None or shuffle_seed is None or label is None:  # else the drawn ones are counted
            num_examples = _num_records(files)
        if class_weights is not None and shuffle_seed is not None and label is not None:
            dataset, num_examples = oversampled(
                dataset, _as_it_is(lambda records: read(records, [label])[label]), class_weights, shuffle_seed
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
        return starts.map(_as_it_is(lambda start: tf.range(start, tf.minimum(start + size, num_rows))))

    @_as_it_is
    def one_epoch(drawn: tf.Tensor) -> tf.data.Dataset:
        seed = [tf.reduce_sum(drawn * tf.constant(_PLACES, tf.int64)), shuffle_seed]
        rows = tf.random.experimental.stateless_shuffle(tf.range(num_rows, dtype=tf.int64), seed=seed)
        return starts.map(_as_it_is(lambda start: rows[start : start + size]))

    # The few numbers that tell an epoch from the others are shuffled as ever: how often a dataset was begun is then counted
    # in the same way under every strategy, which `Dataset.random` does not.
    epochs = tf.data.Dataset.range(_DRAWN_FROM).shuffle(_DRAWN_FROM, seed=shuffle_seed, reshuffle_each_iteration=True)
    return epochs.take(len(_PLACES)).batch(len(_PLACES)).flat_map(one_epoch)


def _records(files: Sequence[str], at_once: int | None = READ_AT_ONCE) -> tf.data.Dataset:
    """Serialized examples, in the order of `record_order`; `at_once` None: one file after the other, which costs a third."""
    compression = "GZIP" if files[0].endswith(".gz") else ""
    reads = None if at_once is None else min(len(files), at_once)
    return tf.data.TFRecordDataset(list(files), compression_type=compression, num_parallel_reads=reads)


def _num_records(files: Sequence[str]) -> int:
    def add(total: tf.Tensor, records: tf.Tensor) -> tf.Tensor:
        return total + tf.size(records, tf.int64)

    return int(_records(files, None).batch(_COUNTED_AT_ONCE).reduce(np.int64(0), _as_it_is(add)))


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


def count_labels(
    files: Sequence[str],
    spec: Mapping[str, Any],
    label: str,
    num_classes: int,
    *,
    apply: Callable[[tf.Tensor], Mapping[str, Any]] | None = None,
    columns: Columns | None = None,
) -> list[int]:
    """How often each class id 0 … num_classes - 1 is the label; arguments as of `make_dataset`.

    Without `columns` all files are read.
    """

    def count(labels: tf.Tensor) -> tf.Tensor:
        return tf.math.bincount(tf.reshape(labels, [-1]), minlength=num_classes, dtype=tf.int64)

    if columns is not None:
        return [int(number) for number in count(columns.values[label]).numpy()]
    of_label = {label: spec[label]}

    def add(total: tf.Tensor, records: tf.Tensor) -> tf.Tensor:
        return total + count(parse(records, of_label, apply)[label])

    counts = _records(files, None).batch(_COUNTED_AT_ONCE).reduce(tf.zeros([num_classes], tf.int64), _as_it_is(add))
    return [int(number) for number in counts.numpy()]

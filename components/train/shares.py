"""Which examples of a batch are whose: each replica's share."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def distribute(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy) -> Any:
    """A dataset whose steps are those of `dataset`, each batch shared among the replicas of `strategy`.

    Several workers read the same stream, in the same order, and each takes its own rows of every batch. So a step has the
    examples that it has in one process, each of them once, in a short last batch too; TensorFlow's own sharding deals out
    whole elements of the stream instead, and its batches are then others than those of one process.

    Args:
        dataset: Batches, of known cardinality if there are several workers; the same on each of them.
        strategy: Whose replicas share the batches.

    Returns: A `tf.distribute.DistributedDataset`. Shares of several workers differ by one example at most; of a batch of fewer
        examples than there are replicas, some are empty.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return strategy.experimental_distribute_dataset(dataset)
    distributed = strategy.distribute_datasets_from_function(functools.partial(_of_worker, dataset))
    # In steps, as Keras reads it; TensorFlow counts the elements, of which the worker's replicas take one each.
    distributed._cardinality = np.int64(dataset.cardinality())  # noqa: SLF001
    return distributed


def _of_worker(dataset: tf.data.Dataset, context: tf.distribute.InputContext) -> tf.data.Dataset:
    """For each batch of `dataset` the shares of one worker's replicas, one after the other."""
    num_replicas = context.num_replicas_in_sync
    num_local = num_replicas // context.num_input_pipelines
    first = context.input_pipeline_id * num_local

    def shares(*batch: Any) -> tf.data.Dataset:
        return tf.data.Dataset.range(first, first + num_local).map(functools.partial(share, batch, num_replicas))

    elements = dataset.flat_map(shares).prefetch(tf.data.AUTOTUNE)
    return elements.apply(tf.data.experimental.assert_cardinality(dataset.cardinality() * num_local))


def share(batch: Any, num_replicas: int, replica: tf.Tensor) -> Any:
    """The rows of `batch`, a structure of tensors [examples, …], that one of `num_replicas` replicas takes."""
    num_examples = tf.shape(keras.tree.flatten(batch)[0], out_type=tf.int64)[0]
    start, end = replica * num_examples // num_replicas, (replica + 1) * num_examples // num_replicas
    return keras.tree.map_structure(lambda values: values[start:end], batch)

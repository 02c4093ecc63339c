"""Raw columns → dense features, in TFT's graph.

TFT traces this function many times and builds Beam stages for every analyzer, so on small data its time is the size of the
graph: all numbers are stacked into one matrix with two analyzers, quantiles take one for each number of buckets, and values
that the schema lists take none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from recipes.raw import RawTensor, dense_number, dense_string, domain_index
from recipes.tabular.params import Buckets, Hash, Vocabulary
from recipes.tabular.plan import MISSING_KEY, NUMERIC_KEY, Category, Number, Plan

# In standard deviations: one mistyped fare must not drown the batch.
CLIP = 10.0


def make_features(inputs: Mapping[str, RawTensor], plan: Plan) -> dict[str, tf.Tensor]:
    """All features but the label.

    Returns: `numeric` (float32 [batch, numbers and their pieces]), `missing` (float32 [batch, indicators]; both only if there
    are any), and for each category and cross its id (int64 [batch, 1]).
    """
    outputs = {}
    bucketised = [category for category in plan.categories if isinstance(category.how, Buckets)]
    columns = [number.column for number in plan.numbers] + [category.column for category in bucketised]
    ids: dict[str, tf.Tensor] = {}
    if columns:
        # float64: the mean of a constant such as 20240101 must be that number, and not one nearby.
        values = tf.concat([dense_number(inputs[column]) for column in columns], axis=1)
        boundaries = _quantiles(values, plan.numbers, bucketised)
        if plan.numbers:
            outputs[NUMERIC_KEY] = _numeric(values[:, : len(plan.numbers)], plan.numbers, boundaries)
        indicators = [index for index, number in enumerate(plan.numbers) if number.indicator]
        if indicators:
            outputs[MISSING_KEY] = tf.cast(tf.math.is_nan(tf.gather(values, indicators, axis=1)), tf.float32)
        for index, category in enumerate(bucketised, start=len(plan.numbers)):
            value = values[:, index : index + 1]
            bucket = tf.reduce_sum(tf.cast(value >= boundaries[index], tf.int64), axis=1, keepdims=True)
            ids[category.name] = tf.where(tf.math.is_nan(value), tf.zeros_like(bucket), 1 + bucket)
    for category in plan.categories:
        if category.name not in ids:
            ids[category.name] = _category(inputs[category.column], category)
    for cross in plan.crosses:
        joined = tf.strings.join([tf.strings.as_string(ids[member.name]) for member in cross.categories], separator=",")
        outputs[cross.name] = tf.strings.to_hash_bucket_fast(joined, cross.num_buckets)
    return outputs | ids


def _quantiles(values: tf.Tensor, numbers: tuple[Number, ...], bucketised: list[Category]) -> dict[int, tf.Tensor]:
    """Column of `values` → its quantile boundaries (float64 [num_buckets - 1]); NaN values do not count."""
    wanted = {index: number.num_buckets for index, number in enumerate(numbers) if number.num_buckets}
    wanted |= {
        index: category.how.num_buckets
        for index, category in enumerate(bucketised, start=len(numbers))
        if isinstance(category.how, Buckets)
    }
    boundaries = {}
    for num_buckets in sorted(set(wanted.values())):
        indices = [index for index, wish in wanted.items() if wish == num_buckets]
        columns = _never_empty(tf.gather(values, indices, axis=1))
        quantiles = tft.quantiles(columns, num_buckets, epsilon=0.1 / num_buckets, reduce_instance_dims=False)
        for row, index in enumerate(indices):
            boundaries[index] = tf.cast(quantiles[row], tf.float64)
    return boundaries


def _never_empty(columns: tf.Tensor) -> tf.Tensor:
    """The same columns; one that has no value in this batch gets a single one, beyond all others.

    TFT's quantiles of several columns fail if one of them is wholly missing in the data. Counting one value more than there
    are moves a boundary by no more than a rank, and no boundary comes to lie where no value does.
    """
    empty = tf.reduce_all(tf.math.is_nan(columns), axis=0, keepdims=True)
    first = tf.equal(tf.range(tf.shape(columns)[0])[:, tf.newaxis], 0)
    return tf.where(empty & first, tf.constant(tf.float32.max, columns.dtype), columns)


def _numeric(values: tf.Tensor, numbers: tuple[Number, ...], boundaries: dict[int, tf.Tensor]) -> tf.Tensor:
    """Z-scores of all numbers, then the pieces of those that have any; 0 where a value is missing."""
    is_log = [number.log for number in numbers]
    scaled = tf.where([is_log], tf.sign(values) * tf.math.log1p(tf.abs(values)), values) if any(is_log) else values
    # Both analyzers leave NaN out of the count, so missing values shift neither.
    mean = tft.mean(scaled, reduce_instance_dims=False)
    variance = tft.var(scaled, reduce_instance_dims=False)
    # A column that never varied (or never was there) says nothing: 0, also for the first other value at serving, which the
    # model has no trained weight for.
    deviation = tf.math.divide_no_nan(scaled - mean, tf.sqrt(variance))
    parts = [tf.clip_by_value(deviation, -CLIP, CLIP)]
    for index, number in enumerate(numbers):
        if number.num_buckets:
            low, high = boundaries[index][:-1], boundaries[index][1:]
            value = values[:, index : index + 1]
            # Where many examples share one value, quantiles coincide: the piece is then a step at that value.
            risen = tf.where(high > low, (value - low) / (high - low), tf.cast(value >= low, tf.float64))
            parts.append(tf.where(variance[index] > 0.0, tf.clip_by_value(risen, 0.0, 1.0), 0.0))
    numeric = tf.concat(parts, axis=1)
    return tf.cast(tf.where(tf.math.is_finite(numeric), numeric, 0.0), tf.float32)


def _category(raw: RawTensor, category: Category) -> tf.Tensor:
    """Ids of one category: 0 for a missing value, then the values, then all others."""
    how = category.how
    if isinstance(how, range):
        number = dense_number(raw)
        ids, missing = _domain_ids(number, how), tf.math.is_nan(number)
    else:
        value = dense_string(raw)
        missing = tf.equal(value, "")
        match how:
            case Vocabulary():
                # TFT counts no empty strings.
                ids = tft.compute_and_apply_vocabulary(
                    value,
                    top_k=how.top_k,
                    frequency_threshold=how.min_count,
                    num_oov_buckets=how.num_oov_buckets,
                    vocab_filename=category.name,
                )
            case Hash():
                ids = tf.strings.to_hash_bucket_fast(value, how.num_buckets)
            case _:
                ids = _domain_ids(value, how)
    return tf.where(missing, tf.zeros_like(ids), 1 + ids)


def _domain_ids(values: tf.Tensor, domain: Any) -> tf.Tensor:
    index = domain_index(values, domain)
    return tf.where(index < 0, tf.constant(len(domain), tf.int64), index)

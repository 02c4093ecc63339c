"""Raw columns: what the schema says that they may hold, and their tensors, as TFT hands them to a recipe, made dense."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

RawTensor: TypeAlias = "tf.Tensor | tf.SparseTensor | tf.RaggedTensor"

# TFX leaves features in these stages out of what it reads.
_UNUSED_STAGES = {
    schema_pb2.DEPRECATED,
    schema_pb2.DISABLED,
    schema_pb2.PLANNED,
    schema_pb2.ALPHA,
    schema_pb2.DEBUG_ONLY,
    schema_pb2.VALIDATION_DERIVED,
}


class FeatureNames:
    """Unique names that TensorFlow takes as scopes and file systems as files, whatever a column is called."""

    def __init__(self, *taken: str) -> None:
        self._taken = set(taken)

    def claim(self, column: str) -> str:
        """A name for the feature that is made of the column, unlike all others."""
        base = re.sub(r"[^A-Za-z0-9_]+", "_", column).strip("_") or "feature"
        name, number = base, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name.lower())
        return name


def columns_of(schema: schema_pb2.Schema) -> dict[str, schema_pb2.Feature]:
    """The raw columns by name, in the order of the schema, without those that TFX does not read."""
    return {feature.name: feature for feature in schema.feature if feature.lifecycle_stage not in _UNUSED_STAGES}


def domain_of(schema: schema_pb2.Schema, feature: schema_pb2.Feature) -> tuple[str, ...] | range | None:
    """The values that the schema lists for a feature: strings, or a range of integers; None if it lists none."""
    kind = feature.WhichOneof("domain_info")
    if kind == "domain":
        return next((tuple(domain.value) for domain in schema.string_domain if domain.name == feature.domain), None)
    if kind == "string_domain":
        return tuple(feature.string_domain.value)
    if kind == "int_domain" and feature.int_domain.HasField("min") and feature.int_domain.HasField("max"):
        return range(feature.int_domain.min, feature.int_domain.max + 1)
    if kind == "bool_domain":
        if feature.type == schema_pb2.INT:
            return range(2)
        return (feature.bool_domain.false_value or "false", feature.bool_domain.true_value or "true")
    return None


def dense_number(raw: RawTensor) -> tf.Tensor:
    """The first value of each row as float64 [batch, 1]; NaN where there is none, or none that is finite."""
    values = _dense(raw, lambda value: tf.cast(value, tf.float64), float("nan"))
    return tf.where(tf.math.is_finite(values), values, tf.constant(float("nan"), tf.float64))


def dense_string(raw: RawTensor) -> tf.Tensor:
    """The first value of each row as a string [batch, 1]; empty where there is none."""
    return _dense(raw, lambda value: value if value.dtype == tf.string else tf.strings.as_string(value), "")


def domain_index(values: tf.Tensor, domain: tuple[str, ...] | range) -> tf.Tensor:
    """Place of each value in the domain as int64 [batch, 1], or -1.

    Args:
        values: As `dense_string` (a domain of strings) or `dense_number` (a range) returns them.
        domain: What may stand there.
    """
    if isinstance(domain, range):
        inside = (values >= domain.start) & (values < domain.stop)
        return tf.where(inside, tf.cast(tf.where(inside, values, 0.0), tf.int64) - domain.start, -1)
    # A comparison with every value: for so few it costs less than a lookup table and its initialisation.
    matches = tf.cast(tf.equal(values, tf.constant([list(domain)])), tf.int64)
    return tf.reduce_sum(matches * tf.range(1, len(domain) + 1, dtype=tf.int64), axis=1, keepdims=True) - 1


def _dense(raw: RawTensor, convert: Any, default: Any) -> tf.Tensor:
    if isinstance(raw, tf.RaggedTensor):
        raw = raw.to_sparse()
    if isinstance(raw, tf.SparseTensor):
        # A batch in which all are missing has no columns at all.
        shape = tf.stack([raw.dense_shape[0], tf.maximum(raw.dense_shape[1], 1)])
        sparse = tf.SparseTensor(raw.indices, convert(raw.values), shape)
        return tf.reshape(tf.sparse.to_dense(sparse, default)[:, :1], [-1, 1])
    rows = tf.reshape(raw, [tf.shape(raw)[0], -1])
    return tf.reshape(convert(rows)[:, :1], [-1, 1])

"""The label: its classes, read from the schema, and its tensor."""

from __future__ import annotations

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import RecipeError
from recipes.raw import RawTensor, dense_number, dense_string, domain_index, domain_of

MAX_CLASSES = 1000
MAX_RELEVANCE = 31
"""Of a ranking: what is gained by an example is 2^relevance - 1, which soon is more than float32 can add up."""


def label_feature(schema: schema_pb2.Schema, label: str) -> schema_pb2.Feature:
    """The label's entry in the schema.

    Raises: RecipeError if there is none.
    """
    for feature in schema.feature:
        if feature.name == label:
            return feature
    raise RecipeError(f"data.label: the schema has no column '{label}'. Known: {', '.join(f.name for f in schema.feature)}.")


def classes_of(schema: schema_pb2.Schema, label: str) -> tuple[str, ...] | range:
    """The classes in the order of their ids: the domain that the schema gives to the label.

    A static list rather than a vocabulary, so that ids do not depend on how often a class occurs.

    Raises: RecipeError if the schema gives no domain, or one that is no use.
    """
    feature = label_feature(schema, label)
    classes = domain_of(schema, feature) if feature.type in (schema_pb2.BYTES, schema_pb2.INT) else None
    if classes is None:
        raise RecipeError(
            f"data.label: the schema gives the label '{label}' ({schema_pb2.FeatureType.Name(feature.type)}) no list of "
            "classes. Expected BYTES with a string_domain, or INT with an int_domain of min and max. Add the domain to the "
            "schema, cast the column (data.cast), or take the recipe tabular.regressor for a label that is a quantity."
        )
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise RecipeError(
            f"data.label: the schema lists {len(classes)} classes for the label '{label}'. Expected 2 to {MAX_CLASSES}. "
            "Correct the label's domain in the schema, or choose another label."
        )
    return classes


def class_ids(raw: RawTensor, classes: tuple[str, ...] | range) -> tf.Tensor:
    """Class ids as int64 [batch, 1].

    A value that is no class stops the graph: validate refuses such data, and its warning is not enough here. 0 and the empty
    string get the id -1 instead, if they are no classes: TFT puts them where the label is left out, as when serving.
    """
    value = dense_string(raw)
    ids = domain_index(dense_number(raw) if isinstance(classes, range) else value, classes)
    good = (ids >= 0) | tf.equal(value, "" if raw.dtype == tf.string else "0")
    return _checked(good, ids, value, f"is no class of the schema ({', '.join(map(str, classes[:10]))})", tf.int64)


def quantities(raw: RawTensor) -> tf.Tensor:
    """A regression's labels as float32 [batch, 1]; a missing or infinite one stops the graph."""
    number = dense_number(raw)
    return _checked(tf.math.is_finite(number), number, dense_string(raw), "is no finite number", tf.float32)


def relevances(raw: RawTensor) -> tf.Tensor:
    """A ranking's labels as float32 [batch, 1]; one that is missing, or not from 0 to `MAX_RELEVANCE`, stops the graph."""
    number = dense_number(raw)
    good = (number >= 0.0) & (number <= MAX_RELEVANCE)  # NaN is neither
    return _checked(good, number, dense_string(raw), f"is no relevance: no number from 0 to {MAX_RELEVANCE}", tf.float32)


def _checked(good: tf.Tensor, label: tf.Tensor, value: tf.Tensor, problem: str, dtype: tf.DType) -> tf.Tensor:
    """`label` as `dtype`, where it is good everywhere; fails otherwise.

    Reading a message as a number is the one way to fail with a message that TensorFlow may drop together with an unused label;
    tf.debugging.Assert has side effects and always stays.
    """
    messages = tf.strings.join(["the label '", value, f"' {problem}"])
    number = tf.strings.to_number(tf.where(good, "0", messages), tf.float64)
    return tf.cast(label, dtype) + tf.cast(number, dtype)

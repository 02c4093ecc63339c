"""How statistics count each feature: what the schema says of it decides."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import schema_pb2

_WHOLE_DOMAINS = {"image_domain", "natural_language_domain"}


def statistics_schema(schema: schema_pb2.Schema | None, whole: Collection[str]) -> schema_pb2.Schema | None:
    """The schema by which TFDV counts.

    TFDV counts every different value of a BYTES feature, and keeps the most frequent ones whole: of 10,000 images of 100 kB
    that took 5 GB. Only what has an image_domain is taken for bytes, of which just presence and size are counted; so texts get
    one here as well. ExampleValidator takes such statistics for a feature with a natural_language_domain.

    Args:
        schema: The reviewed schema, whose domains say what is counted by value; None if there is none.
        whole: Features that hold images or texts, beside those that the schema calls so.

    Returns: A schema for statistics alone; None if there is nothing to say.
    """
    if schema is None and not whole:
        return None
    counted = copy.deepcopy(schema) if schema is not None else schema_pb2.Schema()
    known = {feature.name for feature in counted.feature}
    for name in sorted(set(whole) - known):
        counted.feature.add(name=name, type=schema_pb2.BYTES)
    for feature in counted.feature:
        if feature.name in whole or feature.WhichOneof("domain_info") in _WHOLE_DOMAINS:
            feature.image_domain.SetInParent()
    return counted


@dataclass(frozen=True)
class Counting:
    """What `statistics_schema` comes to; strings that it does not name are counted by value, numbers as quantities.

    Attributes:
        whole: Features that hold bytes, of which presence and size are counted.
        codes: Integers that are counted by value.
    """

    whole: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, schema: schema_pb2.Schema | None) -> Counting:
        """Args: schema: As `statistics_schema` gives it."""
        features = schema.feature if schema is not None else ()
        return cls(
            frozenset(feature.name for feature in features if feature.WhichOneof("domain_info") == "image_domain"),
            frozenset(feature.name for feature in features if feature.type == schema_pb2.INT and _is_categorical(feature)),
        )


def needs_tfdv(schema: schema_pb2.Schema | None) -> bool:
    """Whether the reviewed schema asks for what TFDV alone counts: structs, sparse or weighted features, floats as codes."""
    if schema is None:
        return False
    return bool(schema.sparse_feature or schema.weighted_feature) or any(
        feature.type == schema_pb2.STRUCT or feature.float_domain.is_categorical for feature in schema.feature
    )


def _is_categorical(feature: schema_pb2.Feature) -> bool:
    """Of an integer, as TFDV's `schema_util.is_categorical_feature`."""
    return feature.int_domain.is_categorical or feature.WhichOneof("domain_info") in {"bool_domain", "natural_language_domain"}

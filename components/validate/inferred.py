"""The schema that statistics suggest, and what TFDV leaves open: the classes of an integer label, images and texts, shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.validate import tfdv_parts
from components.validate.measured import IMAGE_RANGES, TEXT_RANGES, Columns, Range

MAX_INTEGER_CLASSES = 100
"""An integer label with a wider range is taken for a number to predict, as TFDV takes strings with more values for text."""


def infer(statistics: Sequence[statistics_pb2.DatasetFeatureStatisticsList], columns: Columns) -> schema_pb2.Schema:
    """The schema of all splits, as SchemaGen makes it.

    Args:
        statistics: Of each split, in order.
        columns: Which hold what.
    """
    first, *others = (each.datasets[0] for each in statistics)
    schema = tfdv_parts.infer_schema(first)
    for dataset in others:
        schema = tfdv_parts.update_schema(schema, dataset)
    complete(schema, columns, statistics)
    return schema


def complete(schema: Any, columns: Columns, statistics: Sequence[Any]) -> None:
    """Does all that follows to an inferred schema, in place; see there."""
    splits = list(statistics)
    complete_label(schema, columns.label, splits)
    complete_contents(schema, columns, splits)
    complete_shapes(schema, columns)


def complete_label(schema: Any, label: str | None, statistics: list[Any]) -> None:
    """Gives an integer label of at most MAX_INTEGER_CLASSES values its domain, in place.

    Args:
        schema: `schema_pb2.Schema`.
        label: The label's name; None if there is none.
        statistics: `DatasetFeatureStatisticsList` of every split, so that a class that is rare in one is not missed.
    """
    for feature in schema.feature:
        if feature.name != label or feature.WhichOneof("domain_info") or feature.type != 2:  # INT
            continue
        numbers = _numbers(label, statistics)
        if not numbers:
            continue
        low, high = int(min(n.min for n in numbers)), int(max(n.max for n in numbers))
        if high - low < MAX_INTEGER_CLASSES:
            feature.int_domain.min = low
            feature.int_domain.max = high


def complete_contents(schema: Any, columns: Columns, statistics: list[Any]) -> None:
    """Says of images and texts what they are, and gives the numbers measured of them their ranges, in place.

    A range begins at the least that is sound, an image that shows something and a text that has words, unless the data already
    has less: what is inferred takes the data that it was inferred from.

    Args:
        schema: `schema_pb2.Schema`.
        columns: Which they are.
        statistics: `DatasetFeatureStatisticsList` of every split.
    """
    features = {feature.name: feature for feature in schema.feature}
    for names, domain, ranges in (
        (columns.images, "image_domain", IMAGE_RANGES),
        (columns.texts, "natural_language_domain", TEXT_RANGES),
    ):
        for name in names:
            if name in features:
                getattr(features[name], domain).SetInParent()
            for suffix, limits in ranges.items():
                if f"{name}_{suffix}" in features:
                    _limit(features[f"{name}_{suffix}"], limits, statistics)


def complete_shapes(schema: Any, columns: Columns) -> None:
    """Gives the features that always hold as many numbers their shapes, in place: a window never lacks a value.

    Args:
        schema: `schema_pb2.Schema`.
        columns: The shapes.
    """
    for feature in schema.feature:
        if feature.name in columns.shapes:
            feature.ClearField("shape_type")
            for size in columns.shapes[feature.name]:
                feature.shape.dim.add(size=size)
            feature.presence.min_fraction, feature.presence.min_count = 1.0, 1


def _limit(feature: Any, limits: Range, statistics: list[Any]) -> None:
    least, most = limits
    numbers = _numbers(feature.name, statistics)
    if not numbers:
        return
    least = least if min(number.min for number in numbers) >= least else 0
    if feature.type == 2:  # INT
        feature.int_domain.min = int(least)
        if most is not None:
            feature.int_domain.max = int(most)
    else:
        feature.float_domain.min = least
        if most is not None:
            feature.float_domain.max = most


def _numbers(name: str | None, statistics: list[Any]) -> list[Any]:
    """The numeric statistics of a feature, one a split that has values of it."""
    return [
        column.num_stats
        for split in statistics
        for column in split.datasets[0].features
        if list(column.path.step) == [name] and column.num_stats.common_stats.num_non_missing
    ]

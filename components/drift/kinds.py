"""What is profiled of each feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from components.validate.measured import IMAGE_RANGES, TEXT_RANGES, Columns

Kind = Literal["numeric", "categorical", "text", "image"]
"""What a feature tells of; each has a limit of its own in params (`validate.drift.limits`)."""
Measure = Literal["numbers", "values", "words", "size_bytes"]
"""How it is told: a sample of numbers, counts of values, counts of the texts that hold a word, a sample of lengths."""

MAX_INTEGER_CLASSES = 100
"""An integer whose domain is no wider counts by value where it is the label, as in the inferred schema."""
DEPENDS_ON_THE_REST = "copies"
"""Of an image: how often it came before. That is no property of its distribution."""


@dataclass(frozen=True)
class FeatureKind:
    """Kind and measure of a feature."""

    kind: Kind
    measure: Measure


def kinds_of(schema: Any, columns: Columns) -> dict[str, FeatureKind | None]:
    """Feature → what is profiled of it, None if nothing is.

    Args:
        schema: `schema_pb2.Schema`, whose domains tell codes from quantities.
        columns: Which hold images and texts; what ingest measured of them has their kind.
    """
    kinds: dict[str, FeatureKind | None] = {}
    images, texts = list(columns.images), list(columns.texts)
    for feature in schema.feature:
        domain = feature.WhichOneof("domain_info")
        if domain == "image_domain" and feature.name not in images:
            images.append(feature.name)
        elif domain == "natural_language_domain" and feature.name not in texts:
            texts.append(feature.name)
        elif feature.type == 1 or _is_code(feature, is_label=feature.name == columns.label):  # BYTES
            kinds[feature.name] = FeatureKind("categorical", "values")
        else:
            kinds[feature.name] = FeatureKind("numeric", "numbers")
    for name in images:
        kinds |= {f"{name}_{suffix}": FeatureKind("image", "numbers") for suffix in IMAGE_RANGES}
        kinds |= {name: FeatureKind("image", "size_bytes"), f"{name}_format": FeatureKind("image", "values")}
        kinds[f"{name}_{DEPENDS_ON_THE_REST}"] = None
    for name in texts:
        kinds |= {f"{name}_{suffix}": FeatureKind("text", "numbers") for suffix in TEXT_RANGES}
        kinds |= {name: FeatureKind("text", "words"), f"{name}_script": FeatureKind("text", "values")}
    return kinds


def _is_code(feature: Any, *, is_label: bool) -> bool:
    domain = feature.int_domain
    if feature.WhichOneof("domain_info") == "bool_domain" or domain.is_categorical:
        return True
    has_range = domain.HasField("min") and domain.HasField("max")
    return bool(is_label and has_range and domain.max - domain.min < MAX_INTEGER_CLASSES)

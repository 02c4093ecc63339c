"""What becomes of each column, decided from the schema and the params alone, before any data is read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import LABEL_KEY, RecipeError
from recipes.raw import FeatureNames, columns_of, domain_of
from recipes.tabular.params import Buckets, Hash, Log, Piecewise, TransformParams, Vocabulary

NUMERIC_KEY = "numeric"
MISSING_KEY = "missing"
MAX_DOMAIN_SIZE = 256


@dataclass(frozen=True)
class Number:
    """A column that ends in the matrix `numeric`.

    Attributes:
        log: Whether sign(x) * log(1 + |x|) takes the place of x.
        num_buckets: Quantile buckets of the piecewise-linear encoding; None for the z-score alone.
        indicator: Whether `missing` has a column for it.
    """

    column: str
    log: bool
    num_buckets: int | None
    indicator: bool


@dataclass(frozen=True)
class Category:
    """A column that ends as an int64 id in a feature of its own; id 0 is a missing value.

    Attributes:
        name: The transformed feature, safe as the name of a layer and of a file.
        how: A list of values (a domain: ids 1…n, then one for all others), or the params that say how ids come about.
    """

    column: str
    name: str
    how: tuple[str, ...] | range | Vocabulary | Hash | Buckets

    def num_ids(self, transform_output: Any) -> int:
        """How many ids there may be; `transform_output` is the tft.TFTransformOutput, which knows the vocabulary's size."""
        match self.how:
            case Vocabulary():
                return 1 + int(transform_output.vocabulary_size_by_name(self.name)) + self.how.num_oov_buckets
            case Hash() | Buckets():
                return 1 + self.how.num_buckets
            case domain:
                return 2 + len(domain)


@dataclass(frozen=True)
class Cross:
    """Categories whose ids are hashed together into one more feature."""

    name: str
    categories: tuple[Category, ...]
    num_buckets: int


@dataclass(frozen=True)
class Plan:
    """All features of a pipeline, in the order of the schema."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    crosses: tuple[Cross, ...]

    def num_ids(self, transform_output: Any) -> dict[str, int]:
        """Transformed feature → how many ids it may have, for all categories and crosses."""
        sizes = {category.name: category.num_ids(transform_output) for category in self.categories}
        return sizes | {cross.name: cross.num_buckets for cross in self.crosses}


def make_plan(schema: schema_pb2.Schema, label: str, params: TransformParams) -> Plan:
    """Decides for every column of the schema but the label.

    Raises: RecipeError, listing every mistake in `params` that shows only against the schema.
    """
    columns = columns_of(schema)
    problems = _unknown_columns(columns, label, params)
    names = FeatureNames(NUMERIC_KEY, MISSING_KEY, LABEL_KEY)
    numbers, categories = [], []
    for column, feature in columns.items():
        if column == label or column in params.ignore or feature.type == schema_pb2.TYPE_UNKNOWN:
            continue
        how = params.features.get(column) or _default(schema, feature, params)
        problem = _type_problem(feature, how)
        if problem:
            problems.append(problem)
        elif isinstance(how, Vocabulary | Hash | Buckets | tuple | range):
            categories.append(Category(column, names.claim(column), how))
        else:
            numbers.append(
                Number(
                    column,
                    log=isinstance(how, Log),
                    num_buckets=how.num_buckets if isinstance(how, Piecewise) else None,
                    indicator=params.missing_indicators and feature.presence.min_fraction < 1.0,
                )
            )
    by_column = {category.column: category for category in categories}
    crosses = []
    for cross in params.crosses:
        problems += [
            f"transform.crosses: '{column}' is no category here, so it cannot be crossed. Give it the kind buckets, "
            "vocabulary or hash in transform.features."
            for column in cross
            if column not in by_column and column in columns and column != label
        ]
        if all(column in by_column for column in cross):
            members = tuple(by_column[column] for column in cross)
            crosses.append(Cross(names.claim("_x_".join(cross)), members, params.cross_buckets))
    if not numbers and not categories and not problems:
        problems.append(f"transform.ignore: no column is left to learn from but the label '{label}'. Ignore fewer columns.")
    if problems:
        raise RecipeError("\n".join(problems))
    return Plan(tuple(numbers), tuple(categories), tuple(crosses))


def _default(schema: schema_pb2.Schema, feature: schema_pb2.Feature, params: TransformParams) -> Any:
    is_category = feature.type == schema_pb2.BYTES or (
        feature.type == schema_pb2.INT
        and (feature.int_domain.is_categorical or feature.WhichOneof("domain_info") == "bool_domain")
    )
    if not is_category:
        return params.numeric
    domain = domain_of(schema, feature)
    return domain if domain and len(domain) <= MAX_DOMAIN_SIZE else params.categorical


def _type_problem(feature: schema_pb2.Feature, how: Any) -> str | None:
    allowed = {
        schema_pb2.BYTES: {"vocabulary", "hash"},
        schema_pb2.INT: {"zscore", "log", "piecewise", "buckets", "vocabulary", "hash"},
        schema_pb2.FLOAT: {"zscore", "log", "piecewise", "buckets"},
    }.get(feature.type, set())
    kind = getattr(how, "kind", None)
    if not allowed:
        type_name = schema_pb2.FeatureType.Name(feature.type)
        return f"transform: column '{feature.name}' has the type {type_name}. Expected FLOAT, INT or BYTES. Ignore the column."
    if kind is None or kind in allowed:
        return None
    return (
        f"transform.features.{feature.name}: kind {kind} does not fit a column of type "
        f"{schema_pb2.FeatureType.Name(feature.type)}. Expected one of {', '.join(sorted(allowed))}."
    )


def _unknown_columns(columns: Mapping[str, Any], label: str, params: TransformParams) -> list[str]:
    named = [("transform.features", column) for column in params.features]
    named += [("transform.ignore", column) for column in params.ignore]
    named += [("transform.crosses", column) for cross in params.crosses for column in cross]
    problems = []
    for key, column in named:
        if column == label:
            problems.append(f"{key}: '{column}' is the label, which is no feature. Leave it out.")
        elif column not in columns:
            close = difflib.get_close_matches(column, columns, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            problems.append(f"{key}: the schema has no column '{column}'.{hint} Known: {', '.join(_without(columns, label))}.")
    problems += [
        f"transform.features.{column}: the column is also in transform.ignore. Name it in one of the two."
        for column in params.features
        if column in params.ignore
    ]
    return problems


def _without(columns: Iterable[str], label: str) -> list[str]:
    return [column for column in columns if column != label]

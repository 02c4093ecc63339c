"""The table of anomalies: feature, what, how much, how to fix; and the examples that offend."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.examples_table import read_table

_FIXES = {
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": "mend the values, or add them to the feature's string_domain in the schema",
    "SCHEMA_NEW_COLUMN": "add the feature to the schema, or name the column in data.drop",
    "SCHEMA_MISSING_COLUMN": "bring the column back, or delete the feature from the schema",
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": "fill the gaps, or lower the feature's presence.min_fraction in the schema",
    "FEATURE_TYPE_LOW_NUMBER_PRESENT": "fill the gaps, or lower the feature's presence.min_count in the schema",
    "FEATURE_TYPE_NOT_PRESENT": "bring the values back, or set the feature's lifecycle_stage: DEPRECATED in the schema",
}
_DEFAULT_FIX = "mend the data, or widen the feature's domain in the schema"


@dataclass(frozen=True)
class Anomaly:
    """One anomaly of one feature in one split."""

    feature: str
    split: str
    what: str
    how_much: str
    fix: str
    offending: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON types, for anomalies.json."""
        return asdict(self)


def collect(
    anomalies: anomalies_pb2.Anomalies, schema: schema_pb2.Schema, split: str, examples: Path, num_shown: int
) -> list[Anomaly]:
    """The anomalies of one split with up to `num_shown` offending examples each, sorted by feature."""
    rows = []
    if anomalies.anomaly_info:
        table = read_table(examples, split)
        features = {feature.name: feature for feature in schema.feature}
        domains = {domain.name: set(domain.value) for domain in schema.string_domain}
        for name, info in sorted(anomalies.anomaly_info.items()):
            reasons = [anomalies_pb2.AnomalyInfo.Type.Name(reason.type) for reason in info.reason]
            rows.append(
                Anomaly(
                    feature=name,
                    split=split,
                    what=info.short_description,
                    how_much=info.description,
                    fix="; ".join(dict.fromkeys(_FIXES.get(reason, _DEFAULT_FIX) for reason in reasons)),
                    offending=offending_examples(table, name, features.get(name), domains, num_shown),
                )
            )
    if anomalies.HasField("dataset_anomaly_info"):
        info = anomalies.dataset_anomaly_info
        rows.append(
            Anomaly("(data set)", split, info.short_description, info.description, "see the schema's dataset_constraints")
        )
    return rows


def offending_examples(
    table: pa.Table, name: str, feature: schema_pb2.Feature | None, domains: dict[str, set[str]], num_shown: int
) -> list[dict[str, Any]]:
    """Up to `num_shown` examples whose value of the feature `name` breaks the schema, as {record, value, example}."""
    if name not in table.column_names or num_shown == 0:
        return []
    column = table.column(name).combine_chunks()
    value = pc.list_element(pc.if_else(pc.equal(pc.list_value_length(column), 0), None, column), 0)
    if pa.types.is_large_binary(value.type) or pa.types.is_binary(value.type):
        value = pc.cast(value, pa.large_string(), safe=False)
    broken = pc.is_valid(value) if feature is None else _breaks(value, feature, domains)
    indices = pc.indices_nonzero(pc.fill_null(broken, False)).to_pylist()[:num_shown]
    return [
        {
            "record": index,
            "value": value[index].as_py(),
            "example": {key: _first(table.column(key)[index].as_py()) for key in table.column_names},
        }
        for index in indices
    ]


def _breaks(value: pa.Array, feature: schema_pb2.Feature, domains: dict[str, set[str]]) -> pa.Array:
    kind = feature.WhichOneof("domain_info")
    broken = pc.is_null(value) if feature.presence.min_fraction == 1.0 else pa.repeat(pa.scalar(False), len(value))
    if kind in {"domain", "string_domain"}:
        known = domains.get(feature.domain, set()) if kind == "domain" else set(feature.string_domain.value)
        unknown = pc.invert(pc.is_in(value, value_set=pa.array(sorted(known), value.type)))
        broken = pc.or_(broken, pc.and_(pc.is_valid(value), unknown))
    elif kind in {"int_domain", "float_domain"} and not pa.types.is_large_string(value.type):
        domain = getattr(feature, kind)
        if domain.HasField("min"):
            broken = pc.or_kleene(broken, pc.less(value, domain.min))
        if domain.HasField("max"):
            broken = pc.or_kleene(broken, pc.greater(value, domain.max))
    return broken


def _first(values: list[Any] | None) -> Any:
    value = values[0] if values else None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def as_text(anomalies: list[dict[str, Any]]) -> str:
    """The table for the terminal, one anomaly a paragraph, the offending examples below it."""
    paragraphs = []
    for anomaly in anomalies:
        lines = [
            f"{anomaly['feature']} ({anomaly['split']}): {anomaly['what']}",
            f"    how much: {anomaly['how_much']}",
            f"    fix:      {anomaly['fix']}",
        ]
        for shown in anomaly["offending"]:
            rest = ", ".join(f"{key}={value!r}" for key, value in shown["example"].items() if value is not None)
            lines.append(f"    record {shown['record']}: {anomaly['feature']}={shown['value']!r}  ({rest})")
        paragraphs.append("\n".join(lines))
    return "\n".join(paragraphs)

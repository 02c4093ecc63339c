"""The table of anomalies: feature, what, how much, how to fix; and the examples that offend."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.errors import AnomalyError
from components.validate.batches import first_values, read_batches

ANOMALIES_FILE, DIFF_FILE = "anomalies.json", "SchemaDiff.pb"

_FIXES = {
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": "mend the values, or add them to the feature's string_domain in the schema",
    "SCHEMA_NEW_COLUMN": "add the feature to the schema, or name the column in data.drop",
    "SCHEMA_MISSING_COLUMN": "bring the column back, or delete the feature from the schema",
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": "fill the gaps, or lower the feature's presence.min_fraction in the schema",
    "FEATURE_TYPE_LOW_NUMBER_PRESENT": "fill the gaps, or lower the feature's presence.min_count in the schema",
    "DOMAIN_INVALID_FOR_TYPE": "give the feature the domain of what it holds: image_domain {}, natural_language_domain {}, …",
    "INVALID_FEATURE_SHAPE": "give it the shape in the schema that data.windows cuts (input_width, label_width), or cut it so",
    "FEATURE_TYPE_NOT_PRESENT": "bring the values back, or set the feature's lifecycle_stage: DEPRECATED in the schema",
}
MAX_SHOWN_CHARS = 200
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


def report(folder: Path, schema: schema_pb2.Schema, examples: Path, on_anomaly: str, num_shown: int) -> None:
    """Writes `anomalies.json`, a list of `Anomaly`.

    Args:
        folder: Of the artifact: `Split-NAME/SchemaDiff.pb` of each split is there, the file goes beside them.
        schema: Against which the splits were held.
        examples: Folder of the Examples artifact.
        on_anomaly: "fail" or "warn".
        num_shown: Offending examples an anomaly, at most.

    Raises: AnomalyError if there are anomalies and they are to stop the pipeline.
    """
    rows = []
    for file in sorted(folder.glob(f"Split-*/{DIFF_FILE}")):
        anomalies = anomalies_pb2.Anomalies.FromString(file.read_bytes())
        rows += collect(anomalies, schema, file.parent.name.removeprefix("Split-"), examples, num_shown)
    shown = [row.as_dict() for row in rows]
    text = json.dumps(shown, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / ANOMALIES_FILE).write_text(text + "\n", encoding="utf-8")
    if shown and on_anomaly == "fail":
        raise AnomalyError(
            f"the data breaks its schema in {len(shown)} place{'s' if len(shown) > 1 else ''}:\n{as_text(shown)}\n"
            "Mend the data or the schema as each line says, or set validate.on_anomaly: warn to go on all the same."
        )


def collect(
    anomalies: anomalies_pb2.Anomalies, schema: schema_pb2.Schema, split: str, examples: Path, num_shown: int
) -> list[Anomaly]:
    """The anomalies of one split with up to `num_shown` offending examples each, sorted by feature."""
    offending = _offending(sorted(anomalies.anomaly_info), schema, split, examples, num_shown)
    rows = []
    for name, info in sorted(anomalies.anomaly_info.items()):
        reasons = [anomalies_pb2.AnomalyInfo.Type.Name(reason.type) for reason in info.reason]
        rows.append(
            Anomaly(
                feature=name,
                split=split,
                what=info.short_description,
                how_much=info.description,
                fix="; ".join(dict.fromkeys(_FIXES.get(reason, _DEFAULT_FIX) for reason in reasons)),
                offending=offending[name],
            )
        )
    if anomalies.HasField("dataset_anomaly_info"):
        info = anomalies.dataset_anomaly_info
        rows.append(
            Anomaly("(data set)", split, info.short_description, info.description, "see the schema's dataset_constraints")
        )
    return rows


def _offending(
    names: list[str], schema: schema_pb2.Schema, split: str, examples: Path, num_shown: int
) -> dict[str, list[dict[str, Any]]]:
    """Feature → its offending examples; reads no further than needed, a batch at a time."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    features = {feature.name: feature for feature in schema.feature}
    domains = {domain.name: set(domain.value) for domain in schema.string_domain}
    images = frozenset(name for name, feature in features.items() if feature.WhichOneof("domain_info") == "image_domain")
    if not names or num_shown == 0:
        return found
    for first, batch in read_batches(examples, split):
        for name, shown in found.items():
            num_missing = num_shown - len(shown)
            shown.extend(offending_examples(batch, name, features.get(name), domains, num_missing, first, images))
        if all(len(shown) == num_shown for shown in found.values()):
            break
    return found


def offending_examples(
    table: pa.Table | pa.RecordBatch,
    name: str,
    feature: schema_pb2.Feature | None,
    domains: dict[str, set[str]],
    num_shown: int,
    first_record: int = 0,
    images: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Up to `num_shown` examples whose value of the feature `name` breaks the schema, as {record, value, example}.

    Args:
        table: Columns as `examples_table.decode` gives them.
        name: The feature.
        feature: What the schema says of it; None if it does not know it, so that every value breaks the schema.
        domains: The schema's domains of strings.
        num_shown: How many at most.
        first_record: Number of the table's first record.
        images: Features of which only the size is shown.
    """
    if name not in table.column_names or num_shown == 0:
        return []
    value = first_values(table, name)
    is_text = name not in images and (pa.types.is_large_binary(value.type) or pa.types.is_binary(value.type))
    value = pc.cast(value, pa.large_string(), safe=False) if is_text else value
    broken = pc.is_valid(value) if feature is None else _breaks(value, feature, domains)
    indices = pc.indices_nonzero(pc.fill_null(broken, False)).to_pylist()[:num_shown]
    return [
        {
            "record": first_record + index,
            "value": _first(table.column(name)[index].as_py(), name in images),
            "example": {key: _first(table.column(key)[index].as_py(), key in images) for key in table.column_names},
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


def _first(values: list[Any] | None, is_image: bool) -> Any:
    value = values[0] if values else None
    if isinstance(value, float):
        return float(f"{value:.7g}")  # a tf.Example's floats have no more digits
    if not isinstance(value, bytes):
        return value
    try:
        text = "" if is_image else value.decode("utf-8")
    except UnicodeDecodeError:  # an image that the schema does not know
        is_image = True
    if is_image:
        return f"{len(value):,} bytes"
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


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

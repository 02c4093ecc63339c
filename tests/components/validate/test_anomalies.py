"""The table of anomalies names feature, what, how much, how to fix, and shows the offenders."""

from __future__ import annotations

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.validate.anomalies import as_text, offending_examples

SCHEMA = text_format.Parse(
    """
    feature { name: "species" type: BYTES domain: "species" presence { min_fraction: 1.0 } }
    feature { name: "island" type: BYTES string_domain { value: "Biscoe" value: "Dream" } }
    feature { name: "mass" type: INT int_domain { min: 2000 max: 7000 } }
    feature { name: "bill" type: FLOAT float_domain { min: 30 } }
    string_domain { name: "species" value: "Adelie" value: "Gentoo" }
    """,
    schema_pb2.Schema(),
)
FEATURES = {feature.name: feature for feature in SCHEMA.feature}
DOMAINS = {domain.name: set(domain.value) for domain in SCHEMA.string_domain}
TABLE = pa.table(
    {
        "species": pa.array([[b"Adelie"], [b"Emperor"], None, [b"Gentoo"]], pa.list_(pa.binary())),
        "island": pa.array([[b"Biscoe"], None, [b"Dream"], [b"Mars"]], pa.list_(pa.binary())),
        "mass": pa.array([[3000], [1], [8000], None], pa.list_(pa.int64())),
        "bill": pa.array([[39.0], [29.0], None, [40.0]], pa.list_(pa.float32())),
        "new": pa.array([None, [1], None, None], pa.list_(pa.int64())),
    }
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("species", [(1, "Emperor"), (2, None)]),
        ("island", [(3, "Mars")]),
        ("mass", [(1, 1), (2, 8000)]),
        ("bill", [(1, 29.0)]),
        ("new", [(1, 1)]),
        ("absent", []),
    ],
)
def test_offenders_are_found_column_by_column(name: str, expected: list[tuple[int, object]]) -> None:
    found = offending_examples(TABLE, name, FEATURES.get(name), DOMAINS, 5)
    assert [(each["record"], each["value"]) for each in found] == expected


def test_an_offender_comes_with_its_whole_record() -> None:
    (found,) = offending_examples(TABLE, "island", FEATURES["island"], DOMAINS, 5)
    assert found["example"] == {"species": "Gentoo", "island": "Mars", "mass": None, "bill": 40.0, "new": None}


def test_no_more_are_shown_than_asked_for() -> None:
    assert len(offending_examples(TABLE, "mass", FEATURES["mass"], DOMAINS, 1)) == 1
    assert offending_examples(TABLE, "mass", FEATURES["mass"], DOMAINS, 0) == []


def test_of_images_only_the_size_is_shown_and_long_texts_are_cut() -> None:
    columns = {
        "image": pa.array([[b"BMP, which may be text"], [b"x" * 1234]], pa.list_(pa.binary())),
        "unknown": pa.array([[b"\x89PNG"], [b"\xff\xd8"]], pa.list_(pa.binary())),
        "text": pa.array([[b"y" * 300], [b"z"]], pa.list_(pa.binary())),
        "contrast": pa.array([[0.1], [0.2]], pa.list_(pa.float32())),
    }
    found = offending_examples(pa.record_batch(columns), "unknown", None, {}, 5, first_record=100, images={"image"})
    assert found == [
        {
            "record": 100,
            "value": "4 bytes",
            "example": {"image": "22 bytes", "unknown": "4 bytes", "text": "y" * 199 + "…", "contrast": 0.1},
        },
        {
            "record": 101,
            "value": "2 bytes",
            "example": {"image": "1,234 bytes", "unknown": "2 bytes", "text": "z", "contrast": 0.2},
        },
    ]
    (missing,) = offending_examples(
        pa.table({"image": pa.array([None, [b"\xff"]], pa.list_(pa.binary()))}),
        "image",
        text_format.Parse('name: "image" type: BYTES image_domain {} presence { min_fraction: 1 }', schema_pb2.Feature()),
        {},
        5,
        images={"image"},
    )
    assert missing == {"record": 0, "value": None, "example": {"image": None}}


def test_the_table_reads_well() -> None:
    anomaly = {
        "feature": "island",
        "split": "train",
        "what": "Unexpected string values",
        "how_much": "Examples contain values missing from the schema: Mars (~25%).",
        "fix": "mend the values, or add them to the feature's string_domain in the schema",
        "offending": [{"record": 3, "value": "Mars", "example": {"island": "Mars", "mass": None, "bill": 40.0}}],
    }
    assert as_text([anomaly]) == (
        "island (train): Unexpected string values\n"
        "    how much: Examples contain values missing from the schema: Mars (~25%).\n"
        "    fix:      mend the values, or add them to the feature's string_domain in the schema\n"
        "    record 3: island='Mars'  (island='Mars', bill=40.0)"
    )

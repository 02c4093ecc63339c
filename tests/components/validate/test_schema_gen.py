"""What inference leaves open about the label, images and texts is completed."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2


def statistics(low: float, high: float, name: str = "tipped") -> statistics_pb2.DatasetFeatureStatisticsList:
    numbers = f"common_stats {{ num_non_missing: 9 }} min: {low} max: {high}"
    text = f'datasets {{ features {{ path {{ step: "{name}" }} num_stats {{ {numbers} }} }} }}'
    return text_format.Parse(text, statistics_pb2.DatasetFeatureStatisticsList())


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([(0, 1), (0, 0)], "int_domain { min: 0 max: 1 }"),
        ([(1, 3), (2, 4)], "int_domain { min: 1 max: 4 }"),
        ([(0, 100)], ""),
    ],
)
def test_an_integer_label_of_few_values_gets_its_classes(ranges: list[tuple[float, float]], expected: str) -> None:
    from components.validate.inferred import complete_label

    schema = text_format.Parse('feature { name: "tipped" type: INT } feature { name: "fare" type: INT }', schema_pb2.Schema())
    complete_label(schema, "tipped", [statistics(*each) for each in ranges])
    wanted = f'feature {{ name: "tipped" type: INT {expected} }} feature {{ name: "fare" type: INT }}'
    assert schema == text_format.Parse(wanted, schema_pb2.Schema())


@pytest.mark.parametrize(
    ("feature", "least_seen", "expected"),
    [
        ("image_width", 28, "int_domain { min: 1 }"),
        ("image_channels", 1, "int_domain { min: 1 max: 4 }"),
        ("image_copies", 0, "int_domain { min: 0 }"),
        ("image_brightness", 0.2, "float_domain { min: 0 max: 1 }"),
        ("image_contrast", 0.2, "float_domain { min: 0.01 max: 1 }"),
        ("image_contrast", 0.001, "float_domain { min: 0 max: 1 }"),
        ("text_num_words", 3, "int_domain { min: 1 }"),
        ("text_num_words", 0, "int_domain { min: 0 }"),
        ("fare", 3, ""),
    ],
)
def test_what_is_measured_gets_its_range_unless_the_data_have_less(feature: str, least_seen: float, expected: str) -> None:
    from components.validate.inferred import complete_contents
    from components.validate.measured import Columns

    kind = "FLOAT" if "float" in expected else "INT"
    text = f'feature {{ name: "{feature}" type: {kind} %s }} feature {{ name: "image" type: BYTES %s }}'
    schema = text_format.Parse(text % ("", ""), schema_pb2.Schema())
    columns = Columns("label", images=("image",), texts=("text",))
    complete_contents(schema, columns, [statistics(least_seen, 99, feature), statistics(50, 99, feature)])
    assert schema == text_format.Parse(text % (expected, "image_domain { }"), schema_pb2.Schema())


def test_the_rows_of_windows_get_their_shape() -> None:
    from components.validate.inferred import complete_shapes
    from components.validate.measured import Columns

    counts = "value_count { min: 24 max: 24 } presence { min_count: 1 }"
    text = f'feature {{ name: "fare" type: FLOAT }} feature {{ name: "warmth" type: FLOAT {counts} }}'
    schema = text_format.Parse(text, schema_pb2.Schema())
    complete_shapes(schema, Columns.from_json(Columns("label", shapes={"warmth": [12, 2], "unknown": [1]}).to_json()))
    expected = "shape { dim { size: 12 } dim { size: 2 } } presence { min_fraction: 1 min_count: 1 }"
    assert schema == text_format.Parse(text.replace(counts, expected), schema_pb2.Schema())

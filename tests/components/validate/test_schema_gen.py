"""What inference leaves open about the label is completed."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

pytestmark = pytest.mark.slow  # imports TFX


def statistics(low: float, high: float) -> statistics_pb2.DatasetFeatureStatisticsList:
    text = f'datasets {{ features {{ path {{ step: "tipped" }} num_stats {{ min: {low} max: {high} }} }} }}'
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
    from components.validate.schema_gen import complete_label

    schema = text_format.Parse('feature { name: "tipped" type: INT } feature { name: "fare" type: INT }', schema_pb2.Schema())
    complete_label(schema, "tipped", [statistics(*each) for each in ranges])
    wanted = f'feature {{ name: "tipped" type: INT {expected} }} feature {{ name: "fare" type: INT }}'
    assert schema == text_format.Parse(wanted, schema_pb2.Schema())

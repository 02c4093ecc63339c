"""Holds statistics by columns against TFDV's own of the same examples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatistics


def check_same_statistics(ours: DatasetFeatureStatistics, stock: DatasetFeatureStatistics) -> None:
    """Raises: AssertionError unless they are the same, but for the error of sketches and the last digits."""
    found_by_name, expected_by_name = _by_feature(ours), _by_feature(stock)
    assert (ours.num_examples, list(found_by_name)) == (stock.num_examples, sorted(expected_by_name))
    for name, found in found_by_name.items():
        expected = expected_by_name[name]
        assert found.keys() == expected.keys(), name
        for path, value in found.items():
            if isinstance(value, float):
                # Of a train split's 10,500 records the sketch of quantiles keeps not all: its error is 1 %.
                is_sketched = "istogram" in path or path.endswith(".median")
                rel, least = (0.02, 0.01 * ours.num_examples) if is_sketched else (1e-9, 0.0)
                assert math.isclose(value, expected[path], rel_tol=rel, abs_tol=least), (name, path)
            else:
                assert value == expected[path], (name, path)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}[{index}]")
    else:
        yield path, value


def _by_feature(statistics: DatasetFeatureStatistics) -> Mapping[str, dict[str, Any]]:
    return {each.path.step[0]: dict(_leaves(json_format.MessageToDict(each))) for each in statistics.features}

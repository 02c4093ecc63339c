"""Records as ingest would write them, and profiles of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from components.drift.build import Plan, profile_records
from components.drift.kinds import FeatureKind
from components.drift.profile import Profile

_TYPES = {bytes: pa.binary(), str: pa.binary(), int: pa.int64(), float: pa.float32()}


def serialize(columns: Mapping[str, Sequence[Any]]) -> list[bytes]:
    """Columns of bytes, str, int, float and None as serialized tf.Examples."""
    from components.tf_example import encode

    arrays = {}
    for name, values in columns.items():
        kinds = {type(value) for value in values if value is not None}
        encoded = [value.encode() if isinstance(value, str) else value for value in values]
        arrays[name] = pa.array(encoded, _TYPES[kinds.pop()] if kinds else pa.int64())
    return encode(arrays, len(next(iter(columns.values())))).to_pylist()


def make_profile(columns: Mapping[str, Sequence[Any]], **plan: Any) -> Profile:
    """The profile of columns; text columns are those whose name begins with `text`, as far as `kinds` says nothing else."""
    kinds = {name: FeatureKind("text", "words") for name in columns if name.startswith("text")}
    return profile_records([serialize(columns)], "train", Plan(**{"kinds": kinds, **plan}))


@pytest.fixture(scope="session", name="serialize")
def _serialize() -> Callable[..., list[bytes]]:
    return serialize


@pytest.fixture(scope="session", name="make_profile")
def _make_profile() -> Callable[..., Profile]:
    return make_profile

"""Profiles: what they hold, that they are bounded, and the same bytes for the same data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.drift.build import MAX_LISTED, MAX_SAMPLE, Plan, plan_like, profile_records
from components.drift.kinds import FeatureKind, kinds_of
from components.drift.profile import Counts, Numbers, Profile, read_profile
from components.errors import TensorlineError
from components.validate.measured import Columns

Make = Callable[..., Profile]


def numbers(profile: Profile, name: str) -> tuple[list[float], list[int]]:
    content = profile.features[name].content
    assert isinstance(content, Numbers)
    return content.values.tolist(), content.counts.tolist()


def counts(profile: Profile, name: str) -> dict[str, int]:
    content = profile.features[name].content
    assert isinstance(content, Counts)
    return dict(content.listed)


def test_what_a_profile_holds(make_profile: Make, tmp_path: Path) -> None:
    profile = make_profile(
        {
            "fare": [12.45, 12.45, None, float("nan"), float("inf")],
            "hour": [3, 2, 3, None, 3],
            "area": [8, 8, None, 32, 8],
            "company": ["Blåbil", None, None, "Blåbil", 'Taxi "7"'],
            "text": ["Good, good!", "good film", None, "", "FILM"],
            "tract": [None] * 5,
        },
        kinds={"area": FeatureKind("categorical", "values"), "text": FeatureKind("text", "words")},
        label="hour",
    )
    profile.write(tmp_path)
    assert (tmp_path / "profile.json").read_text(encoding="utf-8") == (
        '{"format": 1, "split": "train", "num_records": 5, "overlap": 1.0, "sample_size": 5.0, "label": "hour", '
        '"features": [\n'
        '{"name":"area","kind":"categorical","measure":"values","num_missing":1,"counts":{"8":3,"32":1},"most_unlisted":0},\n'
        '{"name":"company","kind":"categorical","measure":"values","num_missing":2,"counts":{"Blåbil":2,"Taxi \\"7\\"":1},'
        '"most_unlisted":0},\n'
        '{"name":"fare","kind":"numeric","measure":"numbers","num_missing":2,"values":[12.45,1.7976931348623157e+308],'
        '"counts":[2,1]},\n'
        '{"name":"hour","kind":"numeric","measure":"numbers","num_missing":1,"values":[2,3],"counts":[1,3]},\n'
        '{"name":"text","kind":"text","measure":"words","num_missing":1,"counts":{"film":2,"good":2},"most_unlisted":0}\n]}\n'
    )
    again = read_profile(tmp_path)
    assert (again.split, again.num_records, again.label, sorted(again.features)) == (
        "train",
        5,
        "hour",
        sorted(profile.features),
    )
    assert numbers(again, "fare") == numbers(profile, "fare")
    assert counts(again, "company") == counts(profile, "company")


def test_the_same_records_give_the_same_bytes_in_any_order_and_batches(
    serialize: Callable[..., list[bytes]], tmp_path: Path
) -> None:
    generator = np.random.default_rng(1)
    records = serialize(
        {"fare": generator.random(20_000).tolist(), "name": [f"{value}" for value in generator.integers(0, 99, 20_000)]}
    )
    orders = [records, records[::-1]]
    for index, (order, size) in enumerate(zip(orders, (8192, 999), strict=True)):
        folder = tmp_path / str(index)
        folder.mkdir()
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        profile_records(batches, "train", Plan({})).write(folder)
    assert (tmp_path / "0" / "profile.json").read_bytes() == (tmp_path / "1" / "profile.json").read_bytes()


def test_the_sample_is_bounded_and_fair_and_shared(serialize: Callable[..., list[bytes]]) -> None:
    values = np.random.default_rng(2).random(30_000).astype(np.float32)
    records = serialize({"x": values.tolist()})
    old = profile_records([records[:25_000]], "train", Plan({}))
    new = profile_records([records[5_000:]], "train", Plan({}))
    sampled, times = numbers(old, "x")
    assert sum(times) == pytest.approx(MAX_SAMPLE, abs=10)  # among so many floats a few are equal
    assert old.sample_size == pytest.approx(MAX_SAMPLE, abs=10)
    assert np.mean(sampled) == pytest.approx(values.mean(), abs=0.02)
    shared = set(sampled) & set(numbers(new, "x")[0])
    assert len(shared) > 0.75 * MAX_SAMPLE  # 20,000 of 25,000 records are the same


def test_records_that_repeat_count_as_often(serialize: Callable[..., list[bytes]]) -> None:
    few = profile_records([serialize({"x": [1, 1, 1, 2] * 5_000})] * 2, "train", Plan({}))
    assert (numbers(few, "x"), few.sample_size) == (([1.0, 2.0], [30_000, 10_000]), 40_000)
    distinct = [*range(100, 10_100)]
    repeated = profile_records([serialize({"x": [7] * 4_000 + distinct})] * 2, "train", Plan({}))
    assert repeated.sample_size <= MAX_SAMPLE  # not all of them are there, so each counts for what it tells
    assert set(numbers(repeated, "x")[1]) <= {2, 8_000}


def test_wide_data_have_smaller_samples(serialize: Callable[..., list[bytes]]) -> None:
    kinds = {f"x{index}": FeatureKind("numeric", "numbers") for index in range(1_000)}
    profile = profile_records([serialize({"x0": [*range(3_000)]})], "train", Plan(kinds))
    assert len(numbers(profile, "x0")[0]) == 1_000


def test_values_are_bounded(make_profile: Make) -> None:
    profile = make_profile({"id": [f"{index}" for index in range(MAX_LISTED + 500)] + ["0"]})
    content = profile.features["id"].content
    assert isinstance(content, Counts)
    assert (len(content.listed), content.most_unlisted, next(iter(content.listed.items()))) == (MAX_LISTED, 1, ("0", 2))


def test_lists_count_by_their_first_value() -> None:
    import pyarrow as pa

    from components.tf_example import encode

    windows = encode({"temp": pa.array([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]], pa.list_(pa.float32()))}, 3).to_pylist()
    profile = profile_records([windows], "train", Plan({}, "temp", 2.0))
    assert (numbers(profile, "temp"), profile.overlap) == (([1.0, 2.0, 3.0], [1, 1, 1]), 2.0)


def test_kinds_come_from_the_schema_and_the_columns() -> None:
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = text_format.Parse(
        """
        feature { name: "area" type: INT int_domain { is_categorical: true } }
        feature { name: "hour" type: INT int_domain { min: 0 max: 23 } }
        feature { name: "tipped" type: INT int_domain { min: 0 max: 1 } }
        feature { name: "paid" type: BYTES }
        feature { name: "fare" type: FLOAT }
        feature { name: "image" type: BYTES image_domain { } }
        feature { name: "review" type: BYTES natural_language_domain { } }
        """,
        schema_pb2.Schema(),
    )
    found = kinds_of(schema, Columns("tipped"))
    told = {name: (kind.kind, kind.measure) if kind else None for name, kind in found.items()}
    assert told == {
        "area": ("categorical", "values"),
        "hour": ("numeric", "numbers"),
        "tipped": ("categorical", "values"),
        "paid": ("categorical", "values"),
        "fare": ("numeric", "numbers"),
        "image": ("image", "size_bytes"),
        **{
            f"image_{name}": ("image", "numbers")
            for name in ("width", "height", "channels", "aspect", "brightness", "contrast")
        },
        "image_format": ("image", "values"),
        "image_copies": None,
        "review": ("text", "words"),
        "review_num_chars": ("text", "numbers"),
        "review_num_words": ("text", "numbers"),
        "review_script": ("text", "values"),
    }


def test_an_image_counts_by_its_size_and_never_by_its_copies(make_profile: Make) -> None:
    kinds = {"image": FeatureKind("image", "size_bytes"), "image_copies": None}
    profile = make_profile({"image": [b"1234", b"12"], "image_copies": [0, 1]}, kinds=kinds)
    assert numbers(profile, "image") == ([2.0, 4.0], [1, 1])
    assert sorted(profile.features) == ["image"]
    assert plan_like(profile).kinds == kinds


def test_a_feature_that_changes_its_type(serialize: Callable[..., list[bytes]]) -> None:
    message = (
        "feature 'fare' holds strings from some record on, and numbers before. Expected one type; see what wrote these "
        "records."
    )
    with pytest.raises(TensorlineError, match=f"^{re.escape(message)}$"):
        profile_records([serialize({"fare": [1.5]}), serialize({"fare": ["1.5"]})], "serving", Plan({}))


def test_a_profile_that_cannot_be_read(make_profile: Make, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    make_profile({"x": [1]}).write(tmp_path)
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(TensorlineError) as raised:
        read_profile(tmp_path)
    assert str(raised.value) == (
        f"{path}: a profile of format 2. Expected format 1, as this version of Tensorline writes it; rerun the stage validate."
    )
    path.write_text(json.dumps({"format": 1}))
    with pytest.raises(TensorlineError) as raised:
        read_profile(tmp_path)
    assert str(raised.value) == f"{path}: KeyError: 'features'. Expected a profile as the stage validate writes it; rerun it."

"""Statistics by columns: TFDV's numbers; and sums of spans that are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.drift.build import Plan
from components.errors import TensorlineError
from components.ingest.plain import exec_properties
from components.ingest.plain import run as ingest
from components.params.models import DataParams
from components.validate.counting import Counting, needs_tfdv
from components.validate.scan import Scan
from components.validate.value_counts import MAX_EXACT, ValueCounts
from tests.conftest import ROOT
from tests.same_statistics import check_same_statistics

SPLITS = ("train", "eval", "test")
SCHEMA = """
feature { name: "trip_start_hour" type: INT int_domain { is_categorical: true } }
feature { name: "payment_type" type: BYTES image_domain {} }
"""


def ingested(folder: Path, path: str) -> Path:
    """Examples of taxi trips."""
    data = DataParams(path=path, label="trip_miles", on_bad_record="quarantine", num_shards=2, max_reject_fraction=1.0)
    for key in ("examples", "report"):
        (folder / key).mkdir(parents=True)
    ingest(exec_properties(data, None), folder / "examples", folder / "report", None)
    return folder / "examples"


def scan(schema: str = "", kept: Path | None = None) -> Scan:
    counting = Counting.of(text_format.Parse(schema, schema_pb2.Schema()))
    return Scan(counting, Plan({}, "trip_miles", is_open=True), ("train", "eval"), kept)


def told(scanned: Scan, examples: Path, folder: Path) -> dict[str, bytes]:
    """All that a scan tells of the splits, as bytes."""
    found = {}
    for split in SPLITS:
        sums = scanned.split(examples, split)
        found[split] = sums.statistics.proto().SerializeToString(deterministic=True)
        if sums.profile is not None:
            folder.mkdir(exist_ok=True)
            sums.profile.profile(split).write(folder)
            found[f"profile of {split}"] = (folder / "profile.json").read_bytes()
    return found


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 15,002 trips."""
    return ingested(tmp_path_factory.mktemp("trips"), str(ROOT / "data/taxi/trips.csv"))


@pytest.mark.slow
def test_the_numbers_are_those_of_the_stock_executor(trips: Path, tmp_path: Path) -> None:
    import tensorflow_data_validation as tfdv
    from tfx.components.statistics_gen.executor import Executor
    from tfx.types import standard_artifacts

    from components.bridge.beam import context_args
    from components.params.models import BeamParams

    examples, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
    examples.uri, statistics.uri = str(trips), str(tmp_path)
    examples.split_names = '["train", "eval", "test"]'
    options = tfdv.StatsOptions(schema=text_format.Parse(SCHEMA, schema_pb2.Schema()))
    context = Executor.Context(**context_args(BeamParams()), tmp_dir=str(tmp_path / "tmp"), unique_id="1")
    properties = {"stats_options_json": options.to_json(), "exclude_splits": "[]"}
    Executor(context).Do({"examples": [examples]}, {"statistics": [statistics]}, properties)

    kinds = set()
    for split in SPLITS:
        stock = tfdv.load_stats_binary(str(tmp_path / f"Split-{split}" / "FeatureStats.pb")).datasets[0]
        ours = scan(SCHEMA).split(trips, split).statistics.proto()
        kinds |= {feature.WhichOneof("stats") for feature in ours.features}
        check_same_statistics(ours, stock)
    assert kinds == {"num_stats", "string_stats", "bytes_stats"}


@pytest.fixture(scope="module")
def by_span(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Examples of three spans of 500 trips, and of four."""
    folder = tmp_path_factory.mktemp("spans")
    header, *rows = (ROOT / "data/taxi/trips.csv").read_text().splitlines(keepends=True)
    made = []
    for num_spans in (3, 4):
        (folder / "raw").mkdir(exist_ok=True)
        for span in range(num_spans):
            (folder / "raw" / f"{span + 1}.csv").write_text(header + "".join(rows[500 * span : 500 * (span + 1)]))
        made.append(ingested(folder / f"of-{num_spans}", f"{folder}/raw/{{span}}.csv"))
    return made[0], made[1]


def test_only_a_new_span_is_read_and_the_result_is_the_same_to_the_byte(by_span: tuple[Path, Path], tmp_path: Path) -> None:
    three, four = by_span
    kept, plain = tmp_path / "kept", tmp_path / "plain"
    first = scan(kept=kept)
    assert told(first, three, plain) == told(scan(), three, plain)
    assert sorted(first.computed) == sorted((split, span) for split in SPLITS for span in "123")
    second = scan(kept=kept)
    assert told(second, four, plain) == told(scan(), four, plain)
    assert second.computed == [(split, "4") for split in SPLITS]
    # Of the window that moved on, the span that it left is forgotten.
    for split in SPLITS:
        for path in (four / f"Split-{split}").glob("*-span-1-*"):
            path.rename(tmp_path / path.name)
    third = scan(kept=kept)
    assert told(third, four, plain) == told(scan(), four, plain)
    assert third.computed == []
    third.remove_unused()
    assert sorted(path.name.rpartition("-")[0] for path in kept.iterdir()) == sorted(
        f"{split}-{span}" for split in SPLITS for span in "234"
    )


def test_what_is_damaged_or_was_counted_otherwise_is_not_taken(by_span: tuple[Path, Path], tmp_path: Path) -> None:
    examples, kept = by_span[0], tmp_path / "kept"
    before = told(scan(kept=kept), examples, tmp_path / "plain")
    (path,) = kept.glob("eval-2-*")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    again = scan(kept=kept)
    assert told(again, examples, tmp_path / "plain") == before
    assert again.computed == [("eval", "2")]
    otherwise = scan(SCHEMA, kept)
    otherwise.split(examples, "test")
    assert otherwise.computed == [("test", span) for span in "123"]


def test_many_values_are_sketched_within_a_percent() -> None:
    counts, num = ValueCounts(), 3 * MAX_EXACT
    for first in range(0, num, MAX_EXACT):
        values = [f"id-{index}".encode() for index in range(first, first + MAX_EXACT)]
        counts.add(pa.array([*values, b"often"], pa.large_binary()), pa.array([1] * MAX_EXACT + [20_000], pa.int64()))
    restored = ValueCounts.of(counts.state())
    assert restored.num_distinct() == counts.num_distinct() == pytest.approx(num, rel=0.02)
    ((value, count),) = restored.most_frequent(1)
    assert value == "often"
    assert count == pytest.approx(60_000, abs=(num + 60_000) / 1_000)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("feature { name: 'fare' type: FLOAT }", False),
        ("feature { name: 'fare' type: FLOAT float_domain { is_categorical: true } }", True),
        ("feature { name: 'trip' type: STRUCT }", True),
        ("weighted_feature { name: 'w' }", True),
        ("sparse_feature { name: 's' }", True),
    ],
)
def test_which_schemas_are_left_to_tfdv(schema: str, expected: bool) -> None:
    assert needs_tfdv(text_format.Parse(schema, schema_pb2.Schema())) == expected
    assert not needs_tfdv(None)


def test_a_feature_of_two_types_is_told(write_examples: Any, tmp_path: Path) -> None:
    examples = tmp_path / "Split-train"
    examples.mkdir()
    for span, fare in (("1", 1.5), ("2", "1.5")):
        made = write_examples(tmp_path / span, {"train": [{"fare": fare}]}) / "Split-train"
        (path,) = (path for path in made.iterdir() if path.stat().st_size)
        path.rename(examples / f"data-span-{span}-00000-of-00001.tfrecord")
    single = Scan(Counting(), Plan({}))
    with pytest.raises(TensorlineError) as raised:
        single.split(tmp_path, "train")
    assert str(raised.value) == (
        "feature 'fare' holds STRING from some record on, and FLOAT before. Expected one type; see what wrote these records."
    )

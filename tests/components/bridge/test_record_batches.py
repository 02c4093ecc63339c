"""Batches of columns: the same as tfx_bsl's own source gives, the same every time, none lost, bounded."""

from __future__ import annotations

import itertools
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from components.bridge.beam import context_args
from components.bridge.columnar_tfxio import ColumnarExamples
from components.bridge.record_batches import ReadRecordBatches, files_of, num_records_read
from components.examples_table import read_serialized, read_table
from components.params.models import BeamParams
from components.tf_example import encode
from components.tfrecord_writer import ShardWriter, frame

SCHEMA = text_format.Parse(
    """
    feature { name: "name" type: BYTES presence { min_fraction: 1 } shape {} }
    feature { name: "mass" type: FLOAT }
    """,
    schema_pb2.Schema(),
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    writer = ShardWriter(folder / "Split-train", 3)
    mass = pa.array([None if index % 7 == 0 else index / 4 for index in range(100)], pa.float32())
    name = pa.array([b"%03d" % index for index in range(100)], pa.binary())
    writer.write(frame(encode({"mass": mass, "name": name, "unread": name}, 100)))
    return folder


_KEPT: list[pa.RecordBatch] = []


def _keep(batch: pa.RecordBatch) -> None:
    _KEPT.append(batch)  # a closure would be copied to the worker, with its list


def run(source) -> tuple[list[pa.RecordBatch], int]:
    pipeline = context_args(BeamParams())["make_beam_pipeline_fn"]()
    _ = pipeline | source | beam.Map(_keep)
    result = pipeline.run()
    result.wait_until_finish()
    collected = [*_KEPT]
    _KEPT.clear()
    return collected, num_records_read(result)


def names(batches: list[pa.RecordBatch]) -> list[list[bytes]]:
    return [[value for (value,) in batch["name"].to_pylist()] for batch in batches]


def test_batches_are_those_of_each_file_in_order(examples):
    source = ReadRecordBatches(files_of(str(examples / "Split-train" / "*")), max_rows=20)
    batches, num_records = run(source)
    expected = [[b"%03d" % index for index in range(shard, 100, 3)] for shard in range(3)]
    assert names(batches) == [part for each in expected for part in (each[:20], each[20:])]
    assert num_records == 100
    assert pa.Table.from_batches(batches) == read_table(examples, "train")
    assert run(ReadRecordBatches(files_of(str(examples / "Split-train" / "*")), max_rows=20))[0] == batches


def test_a_batch_ends_at_so_many_bytes(examples):
    sizes_bytes = [len(record) for batch in read_serialized(examples, "train") for record in batch]
    batches, _ = run(ReadRecordBatches(files_of(str(examples / "Split-train" / "*")), max_bytes=5 * max(sizes_bytes)))
    counts = [batch.num_rows for batch in batches]
    assert sum(counts) == 100
    starts = np.cumsum([0, *counts])
    assert max(sum(sizes_bytes[first:last]) for first, last in itertools.pairwise(starts)) <= 5 * max(sizes_bytes)
    assert max(counts) == 5


def test_the_tfxio_reads_what_the_stock_one_reads(examples):
    pattern = str(examples / "Split-train" / "*")
    ours, stock = ColumnarExamples(pattern, SCHEMA), TFExampleRecord(pattern, schema=SCHEMA)
    assert ours.ArrowSchema() == stock.ArrowSchema()
    assert ours.TensorRepresentations() == stock.TensorRepresentations()
    rows = pa.Table.from_batches(run(ours.BeamSource())[0])
    assert rows.num_rows == 100
    assert sorted(rows.to_pylist(), key=str) == sorted(pa.Table.from_batches(run(stock.BeamSource())[0]).to_pylist(), key=str)
    projected = ours.Project(["mass"])
    assert pa.Table.from_batches(run(projected.BeamSource())[0]) == rows.select(["mass"])
    assert [batch.num_rows for batch in run(projected.BeamSource(30))[0]] == [30, 4, 30, 3, 30, 3]


def test_no_files_give_no_batches(tmp_path):
    assert run(ReadRecordBatches(files_of(str(tmp_path / "*")))) == ([], 0)

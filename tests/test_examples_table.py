"""Records come in batches of bounded number and size, in order, and damage is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tensorflow as tf

from components import examples_table
from components.errors import TensorlineError
from components.examples_table import read_serialized


def write(path: Path, records: list[bytes], compression: str = "") -> None:
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)


@pytest.mark.parametrize(("suffix", "compression"), [("", ""), (".gz", "GZIP")])
def test_small_records_come_in_full_batches_across_the_files(suffix, compression, tmp_path):
    records = [b"%d" % index for index in range(10)]
    write(tmp_path / "Split-test" / f"data-1{suffix}", records[:4], compression)
    write(tmp_path / "Split-test" / f"data-2{suffix}", [], compression)
    write(tmp_path / "Split-test" / f"data-3{suffix}", records[4:], compression)
    assert list(read_serialized(tmp_path, "test", 3)) == [records[:3], records[3:6], records[6:9], records[9:]]
    assert list(read_serialized(tmp_path, "test")) == [records]


def test_a_batch_of_large_records_is_no_larger_than_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(examples_table, "MAX_BATCH_BYTES", 10)
    write(tmp_path / "Split-test" / "data", [b"a" * size for size in (4, 6, 1, 12, 3, 3, 3, 3)])
    batches = [[len(record) for record in batch] for batch in read_serialized(tmp_path, "test")]
    assert batches == [[4, 6], [1], [12], [3, 3, 3], [3]]


def test_no_records(tmp_path):
    write(tmp_path / "Split-test" / "data", [])
    assert list(read_serialized(tmp_path, "test")) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda content: content[:-1], "record 1 is damaged, its checksum differs: rebuild the file."),
        (lambda content: content[:25], "the frame of record 1 is damaged: rebuild the file."),
        (
            lambda content: content.replace(b"second", b"sacond"),
            "record 1 is damaged, its checksum differs: rebuild the file.",
        ),
        (lambda content: b"\x01" + content[1:], "the frame of record 0 is damaged: rebuild the file."),
    ],
)
def test_damaged_file(damage, problem, tmp_path):
    path = tmp_path / "Split-test" / "data"
    write(path, [b"first", b"second"])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TensorlineError, match=f"^{re.escape(f'{path}: {problem}')}$"):
        list(read_serialized(tmp_path, "test"))

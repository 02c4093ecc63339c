"""Records are counted by their framing."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from components.errors import TensorlineError
from components.tfrecord import count_records, count_split


def frame(payload: bytes) -> bytes:
    return struct.pack("<Q", len(payload)) + b"crc1" + payload + b"crc2"


@pytest.mark.parametrize("payloads", [[], [b""], [b"a", b"bc" * 1000, b""]])
def test_counts_plain_and_gzip_files(tmp_path: Path, payloads: list[bytes]) -> None:
    content = b"".join(map(frame, payloads))
    (tmp_path / "plain.tfrecord").write_bytes(content)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(content, mtime=0))
    assert count_records(tmp_path / "plain.tfrecord") == len(payloads)
    assert count_records(tmp_path / "packed.gz") == len(payloads)


@pytest.mark.parametrize("cut", [1, 5, 13])
def test_a_file_that_ends_within_a_record_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.tfrecord"
    path.write_bytes((frame(b"whole") + frame(b"x"))[:-cut])
    with pytest.raises(TensorlineError, match=r"ends within a record, at byte \d+\. The file is damaged: rebuild it\."):
        count_records(path)


def test_a_split_is_the_sum_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "Split-test").mkdir()
    for index in range(3):
        (tmp_path / "Split-test" / f"data-{index}").write_bytes(frame(b"x") * index)
    assert count_split(tmp_path, "test") == 3

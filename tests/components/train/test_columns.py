"""A split in memory: the same records, in the same order, as TensorFlow's own reader of several files gives them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # imports TensorFlow


def write(folder: Path, counts: list[int]) -> list[str]:
    """Files of so many examples, numbered through all of them."""
    import tensorflow as tf

    files, number = [], 0
    for index, count in enumerate(counts):
        files.append(str(folder / f"data-{index:05}"))
        with tf.io.TFRecordWriter(files[-1]) as writer:
            for _ in range(count):
                feature = {
                    "x": tf.train.Feature(float_list=tf.train.FloatList(value=[number, -number])),
                    "tokens": tf.train.Feature(int64_list=tf.train.Int64List(value=range(number % 4))),
                    "name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(number).encode()])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
                number += 1
    return files


@pytest.fixture(scope="module")
def spec() -> dict:
    import tensorflow as tf

    return {
        "x": tf.io.FixedLenFeature([2], tf.float32),
        "tokens": tf.io.VarLenFeature(tf.int64),
        "name": tf.io.FixedLenFeature([], tf.string),
    }


def test_records_come_in_the_order_of_tensorflows_reader(tmp_path: Path) -> None:
    import tensorflow as tf

    from components.train.columns import READ_AT_ONCE, record_order

    draw = np.random.default_rng(5)
    for trial in range(12):
        counts = [int(draw.choice([0, 1, 2, draw.integers(40)])) for _ in range(draw.integers(1, 25))]
        folder = tmp_path / str(trial)
        folder.mkdir()
        for index, count in enumerate(counts):
            with tf.io.TFRecordWriter(str(folder / f"{index:02}")) as writer:
                for number in range(count):
                    writer.write(f"{sum(counts[:index]) + number}".encode())
        files = sorted(map(str, folder.iterdir()))
        at_once = min(len(files), READ_AT_ONCE)
        records = tf.data.TFRecordDataset(files, num_parallel_reads=at_once).as_numpy_iterator()
        assert record_order(counts, at_once).tolist() == [int(record) for record in records], counts


def test_every_value_is_that_of_tensorflows_parser(tmp_path: Path, spec: dict) -> None:
    import tensorflow as tf

    from components.train.columns import read_columns

    files = write(tmp_path, [30, 0, 7, 12, 5, 5, 5, 5, 21, 3, 1])
    columns = read_columns(files, spec)
    assert columns is not None
    assert columns.num_rows == 94
    taken = columns.take(tf.range(94, dtype=tf.int64), spec)
    records = list(tf.data.TFRecordDataset(files, num_parallel_reads=8))
    parsed = tf.io.parse_example(tf.stack(records), spec)
    assert taken.keys() == parsed.keys()
    for name in ("x", "name"):
        assert taken[name].dtype == parsed[name].dtype
        np.testing.assert_array_equal(taken[name], parsed[name])
    assert taken["tokens"].to_list() == tf.RaggedTensor.from_sparse(parsed["tokens"]).to_list()


def test_what_is_no_columns_or_too_large_is_not_kept(tmp_path: Path, spec: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    from components.train import columns

    files = write(tmp_path, [3])
    ragged = {"x": tf.io.RaggedFeature(tf.float32)}
    assert columns.read_columns(files, ragged) is None
    (tmp_path / "empty").mkdir()
    assert columns.read_columns(write(tmp_path / "empty", [0, 0]), spec) is None
    monkeypatch.setattr(columns, "IN_MEMORY_LIMIT_BYTES", 10)
    assert columns.read_columns(files, spec) is None


def test_a_damaged_file_is_told_by_its_name(tmp_path: Path, spec: dict) -> None:
    from components.errors import TensorlineError
    from components.train.columns import read_columns

    files = [Path(file) for file in write(tmp_path, [4, 4])]
    content = bytearray(files[1].read_bytes())
    content[-10] ^= 1
    files[1].write_bytes(content)
    with pytest.raises(TensorlineError) as caught:
        read_columns([str(file) for file in files], spec)
    assert str(caught.value) == f"{files[1]}: record 3 is damaged, its checksum differs: rebuild the file."

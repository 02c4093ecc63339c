"""The bytes are protobuf's own deterministic serialization; the files are what TensorFlow reads."""

import math

import numpy as np
import pyarrow as pa
import pytest

from components.ingest.framed_examples import framed_examples
from components.tf_example import encode
from components.tfrecord import count_records
from components.tfrecord_writer import ShardWriter, content_of, deal, frame

INTEGERS = [0, 1, -1, 127, 128, 16383, 16384, 2**31, -(2**31), 2**63 - 1, -(2**63), None]
FLOATS = [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 3.4e38, 1e-45, None, 2.0, 3.0, 4.0]
TEXTS = ["", "a", "é", "x" * 127, "x" * 128, "y" * 20_000, None, "a", "b", "c", "d", "e"]
COLUMNS = {
    "n": pa.array(INTEGERS, pa.int64()),
    "größe": pa.array(FLOATS, pa.float32()),
    "Text": pa.array([text and text.encode() if text else text if text is None else b"" for text in TEXTS], pa.binary()),
    "a" * 130: pa.array([None, *range(11)], pa.int64()),
    "none": pa.array([None] * 12, pa.float32()),
}


def expected(tf):
    examples = []
    for row in range(12):
        feature = {}
        for name, values in COLUMNS.items():
            value = values[row].as_py()
            if value is None:
                continue
            kind = {pa.int64(): "int64_list", pa.float32(): "float_list", pa.binary(): "bytes_list"}[values.type]
            feature[name] = tf.train.Feature(**{kind: {"value": [value]}})
        examples.append(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True))
    return examples


def test_bytes_are_protobufs():
    import tensorflow as tf

    assert encode(COLUMNS, 12).to_pylist() == expected(tf)


def test_slices_and_no_columns():
    whole = encode(COLUMNS, 12).to_pylist()
    assert encode({name: values[3:7] for name, values in COLUMNS.items()}, 4).to_pylist() == whole[3:7]
    assert encode({name: values[:0] for name, values in COLUMNS.items()}, 0).to_pylist() == []
    assert encode({}, 3).to_pylist() == [b"", b"", b""]


@pytest.mark.parametrize("seed", range(5))
def test_random_columns(seed):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 64, 300)
    integers = pa.array(rng.integers(-(2**63), 2**63 - 1, 300) >> bits, mask=rng.random(300) < 0.2)
    texts = pa.array([rng.bytes(rng.integers(0, 300)) for _ in range(300)], pa.binary(), mask=rng.random(300) < 0.2)
    for row, record in enumerate(encode({"i": integers, "t": texts}, 300).to_pylist()):
        feature = tf.train.Example.FromString(record).features.feature
        assert list(feature["i"].int64_list.value) == ([] if integers[row].as_py() is None else [integers[row].as_py()])
        assert list(feature["t"].bytes_list.value) == ([] if texts[row].as_py() is None else [texts[row].as_py()])


def test_shards_are_tfrecords(tmp_path):
    import tensorflow as tf

    records = [f"record {number}".encode() * (number % 7) for number in range(10)]
    writer = ShardWriter(tmp_path / "Split-train", 4)
    for part in (records[:3], [], records[3:4], records[4:]):
        writer.write(frame(pa.array(part, pa.binary())))
    assert writer.num_records == 10
    files = sorted(tmp_path.glob("Split-train/*"))
    assert [file.name for file in files] == [f"data-0000{index}-of-00004.tfrecord" for index in range(4)]
    assert [list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator()) for file in files] == [
        records[0::4],
        records[1::4],
        records[2::4],
        records[3::4],
    ]
    assert [count_records(file) for file in files] == [3, 3, 2, 2]


def test_framed_at_once():
    for columns, num_records in ((COLUMNS, 12), ({name: values[3:7] for name, values in COLUMNS.items()}, 4), ({}, 3)):
        content, positions = framed_examples(columns, num_records)
        wanted, ends = content_of(frame(encode(columns, num_records)))
        assert bytes(content[positions[0] : positions[-1]]) == bytes(wanted[ends[0] : ends[-1]])
        assert np.diff(positions).tolist() == np.diff(ends).tolist()
    assert np.diff(framed_examples({name: values[:0] for name, values in COLUMNS.items()}, 0)[1]).tolist() == []


def test_dealt_by_the_one_who_frames(tmp_path):
    framed = frame(pa.array([f"record {number}".encode() for number in range(10)], pa.binary()))
    writer, dealer = (ShardWriter(tmp_path / name, 4) for name in ("whole", "dealt"))
    for start, end in ((0, 3), (3, 3), (3, 10)):
        writer.write(framed[start:end])
        parts = [framed.take(pa.array(rows)) for rows in deal(np.arange(start, end), 4)]
        dealer.write_dealt([memoryview(b"".join(part.to_pylist())) for part in parts], end - start)
    whole, dealt = ([file.read_bytes() for file in sorted((tmp_path / name).iterdir())] for name in ("whole", "dealt"))
    assert whole == dealt
    assert dealer.num_records == 10


def test_more_shards_than_records(tmp_path):
    writer = ShardWriter(tmp_path, 3)
    writer.write(frame(pa.array([b"a"])))
    assert [file.stat().st_size for file in sorted(tmp_path.iterdir())] == [17, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_lists_of_any_length(seed):
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 4, 100)
    numbers = [None if rng.random() < 0.1 else rng.integers(-(2**62), 2**62, n).tolist() for n in lengths]
    floats = [rng.normal(size=3).astype(np.float32).tolist() for _ in lengths]
    texts = [[rng.bytes(rng.integers(0, 200)) for _ in range(n)] for n in lengths]
    columns = {
        "numbers": pa.array(numbers, pa.list_(pa.int64())),
        "floats": pa.array(floats, pa.list_(pa.float32())),
        "texts": pa.array(texts, pa.list_(pa.binary())),
    }
    wanted = []
    for n, f, t in zip(numbers, floats, texts, strict=True):
        feature = {
            "floats": tf.train.Feature(float_list=tf.train.FloatList(value=f)),
            "texts": tf.train.Feature(bytes_list=tf.train.BytesList(value=t)),
        }
        if n is not None:
            feature["numbers"] = tf.train.Feature(int64_list=tf.train.Int64List(value=n))
        wanted.append(tf.train.Example(features=tf.train.Features(feature=feature)))
    got = encode(columns, 100).to_pylist()
    assert [tf.train.Example.FromString(record) for record in got] == wanted
    # An empty list of numbers is written as an empty packed field, which protobuf leaves out; all else is the same bytes.
    same = [index for index, n in enumerate(numbers) if n is None or n]
    assert [got[index] for index in same] == [wanted[index].SerializeToString(deterministic=True) for index in same]
    assert encode({name: values[10:20] for name, values in columns.items()}, 10).to_pylist() == got[10:20]
    item = {"numbers": pa.int64(), "floats": pa.float32(), "texts": pa.large_binary()}
    large = {name: values.cast(pa.large_list(item[name])) for name, values in columns.items()}
    assert encode(large, 100).to_pylist() == got

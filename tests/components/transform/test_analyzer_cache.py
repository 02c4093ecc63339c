"""Of data in spans only what is new is analysed, and the graph is the one that an analysis of all gives."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.bridge.beam import new_pipeline
from components.params.models import BeamParams
from components.tf_example import encode
from components.tfrecord_writer import ShardWriter, frame
from components.transform import analysis
from components.transform.analyzer_cache import by_span

SCHEMA = text_format.Parse(
    """
    feature { name: "fare" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
    feature { name: "company" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
    """,
    schema_pb2.Schema(),
)


def preprocessing_fn(inputs):
    """An analyzer of each kind: sums, sketches, counts."""
    fares = inputs["fare"]
    return {
        "scaled": tft.scale_to_z_score(fares),
        "bucket": tft.bucketize(fares, 5),
        "company": tft.compute_and_apply_vocabulary(inputs["company"], vocab_filename="company"),
    }


def write_span(split: Path, name: str, seed: int) -> None:
    """300 records in two files."""
    random = np.random.default_rng(seed)
    fares = pa.array(random.lognormal(seed, 1, 300), pa.float32())
    companies = pa.array([b"cab %d" % number for number in random.zipf(2, 300) % 7 + seed], pa.binary())
    ShardWriter(split, 2, f"data-span-{name}").write(frame(encode({"fare": fares, "company": companies}, 300)))


def analyse(split: Path, folder: Path, kept: Path | None, function=preprocessing_fn) -> bytes:
    """What the graph makes of all records: every number, to the last bit; and the vocabulary."""
    folder.mkdir()
    files = sorted(split.iterdir())
    analysis.analyse(files, SCHEMA, function, folder, lambda: new_pipeline(BeamParams()), kept)
    output = tft.TFTransformOutput(str(folder))
    (records,) = tf.data.TFRecordDataset([str(file) for file in files]).batch(10_000)
    made = output.transform_raw_features(tf.io.parse_example(records, output.raw_feature_spec()))
    vocabulary = Path(output.vocabulary_file_by_name("company")).read_bytes()
    return b"".join(made[name].numpy().tobytes() for name in sorted(made)) + vocabulary


@pytest.fixture
def num_read(monkeypatch) -> list[int]:
    """How many records each analysis read."""
    counts: list[int] = []

    def count(result):
        counts.append(stock(result))
        return counts[-1]

    stock = analysis.num_records_read
    monkeypatch.setattr(analysis, "num_records_read", count)
    return counts


@pytest.mark.slow
def test_a_new_span_is_all_that_is_read(tmp_path, num_read, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a pickle")

    for module in (tft.analyzers, tft.beam.analyzer_cache):
        monkeypatch.setattr(module, "pickle", type("NoPickle", (), {"loads": refuse, "dumps": refuse}))
    split, kept = tmp_path / "Split-train", tmp_path / "kept"
    write_span(split, "1", 1)
    write_span(split, "2", 2)
    analyse(split, tmp_path / "two", kept)
    write_span(split, "3", 3)
    with_cache = analyse(split, tmp_path / "three", kept)
    assert num_read == [600, 300]
    assert with_cache == analyse(split, tmp_path / "without", None)
    assert num_read == [600, 300, 900]

    # The first span leaves, and what is kept of the second is damaged: that one is read.
    for file in split.glob("data-span-1-*"):
        file.unlink()
    damaged = next(path for path in kept.iterdir() if path.name.startswith("2-")) / "0.tfrecord"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    later = analyse(split, tmp_path / "later", kept)
    assert num_read == [600, 300, 900, 300]
    assert later == analyse(split, tmp_path / "later without", None)
    assert sorted(path.name[:2] for path in kept.iterdir()) == ["2-", "3-"]
    for path in kept.rglob("*"):
        assert path.is_dir() or path.name == "entries.json" or path.suffix == ".tfrecord"
        if path.suffix == ".tfrecord":
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError)):
                    pickle.loads(record)  # noqa: S301  it is none
    assert len(json.loads((damaged.parent / "entries.json").read_text())) == 3


def test_files_by_span():
    names = [f"data-span-{span}-{shard:05d}-of-00002.tfrecord" for span in ("2024-01", "2") for shard in range(2)]
    assert by_span(map(Path, names)) == {
        "2": [Path(name) for name in names[2:]],
        "2024-01": [Path(name) for name in names[:2]],
    }
    assert by_span([Path("data-00000-of-00001.tfrecord")]) == {}


class _Longest(beam.PTransform):
    """Whose accumulators TFT can't keep."""

    def expand(self, batches):
        return (batches | beam.Map(lambda batch: batch[0].max()) | beam.CombineGlobally(max),)


@pytest.mark.slow
def test_an_analyzer_that_keeps_nothing_reads_all_spans(tmp_path, num_read):
    def with_longest(inputs):
        lengths = tf.strings.length(inputs["company"])
        (longest,) = tft.experimental.ptransform_analyzer([lengths], _Longest(), [tf.int32], [[]])
        return {**preprocessing_fn(inputs), "short": tf.cast(lengths < longest, tf.int64)}

    split, kept = tmp_path / "Split-train", tmp_path / "kept"
    write_span(split, "1", 1)
    analyse(split, tmp_path / "one", kept, with_longest)
    write_span(split, "2", 9)
    assert analyse(split, tmp_path / "two", kept, with_longest) == analyse(split, tmp_path / "without", None, with_longest)
    assert num_read == [300, 600, 600]

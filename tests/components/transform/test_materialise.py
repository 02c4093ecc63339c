"""Transformed examples are written file by file; what is lost or damaged is noticed; batches are bounded."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from components.errors import AccountingError, TensorlineError
from components.transform import materialise


@pytest.fixture
def artifacts(penguins, tmp_path) -> Path:
    """Copies of the raw examples and of the graph of penguins."""
    for key in ("examples", "transform_graph"):
        shutil.copytree(penguins / "artifacts" / "penguins" / key, tmp_path / key)
    return tmp_path


def write(artifacts: Path, to: str = "transformed") -> dict[str, int]:
    return materialise.materialise(artifacts / "transform_graph", artifacts / "examples", artifacts / to, ["eval"])


def test_small_batches_give_the_same_files(artifacts, monkeypatch):
    counts = write(artifacts)
    monkeypatch.setattr(materialise, "MAX_ROWS", 3)
    assert write(artifacts, "again") == counts
    for file in (artifacts / "transformed" / "Split-eval").iterdir():
        assert file.read_bytes() == (artifacts / "again" / "Split-eval" / file.name).read_bytes()


def test_a_damaged_file_is_named(artifacts):
    file = min((artifacts / "examples" / "Split-eval").iterdir())
    content = bytearray(file.read_bytes())
    content[20] ^= 1
    file.write_bytes(content)
    with pytest.raises(TensorlineError, match=re.escape(f"{file}: is damaged: rebuild the file. ")):
        write(artifacts)


def test_lost_records_are_noticed(artifacts, monkeypatch):
    stock = materialise.graph_function

    def losing(output):
        apply = stock(output)
        return lambda serialized: {name: values[1:] for name, values in apply(serialized).items()}

    monkeypatch.setattr(materialise, "graph_function", losing)
    file = min((artifacts / "examples" / "Split-eval").iterdir())
    num_in = sum(1 for _ in tf.data.TFRecordDataset(str(file)))
    expected = (
        f"transform: {file}: {num_in} records in, {num_in - 1} out. Expected as many out as in: a preprocessing function "
        "neither drops nor adds examples."
    )
    with pytest.raises(AccountingError, match=f"^{re.escape(expected)}$"):
        write(artifacts)


@pytest.mark.parametrize(
    ("raw_bytes", "shape", "expected"),
    [(100, [1], 8192), (2**20, [1], 32), (2**30, [1], 1), (0, [1], 8192), (100, [64, 64, 3], 2**25 // (64 * 64 * 3 * 4))],
)
def test_a_batch_has_as_many_records_as_fit(raw_bytes, shape, expected):
    spec = {"pixels": tf.io.FixedLenFeature(shape, tf.float32), "more": tf.io.VarLenFeature(tf.int64)}
    assert materialise._rows_at_once(raw_bytes, spec) == expected

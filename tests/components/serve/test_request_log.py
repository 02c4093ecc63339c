"""What the request log holds, and what it may take."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.serve.metrics import Metrics
from components.serve.request_log import RequestLog, mend
from components.serve.served import Served
from components.tfrecord import count_records


def read(folder: Path) -> list[dict[str, Any]]:
    """Feature → values, of every record in the order of the files' names."""
    files = [str(file) for file in sorted(folder.glob("*.tfrecord.gz"))]
    found = []
    for record in tf.data.TFRecordDataset(files, "GZIP", buffer_size=1 << 16):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        found.append(
            {name: list(getattr(feature, str(feature.WhichOneof("kind"))).value) for name, feature in sorted(features.items())}
        )
    return found


def test_the_raw_columns_of_answered_requests(
    served: Served,
    running: Any,
    versions_of: Any,
    birds: SimpleNamespace,
    tmp_path: Path,
    b64: Callable[[bytes], dict[str, str]],
) -> None:
    folder = tmp_path / "serving_log"
    with running(versions_of(served), folder, log_sample=1.0) as server:
        server.predict({"instances": [*birds.rows[:2], {"island": "Dream", "species": "Gentoo"}]})
        server.predict({"instances": [{"island": 1}]})  # refused
        example = tf.train.Example()
        example.features.feature["island"].bytes_list.value.append(b"Biscoe")
        server.predict({"instances": [b64(example.SerializeToString())]})
        server.predict({"signature_name": "transform_labels", "instances": [b64(b"")]})
        assert [path.suffix for path in folder.iterdir()] == [".partial"]
    assert [path.suffixes[-2:] for path in folder.iterdir()] == [[".tfrecord", ".gz"]]
    rows = [
        {name: [value.encode()] if isinstance(value, str) else [pytest.approx(value)] for name, value in row.items()}
        for row in birds.rows[:2]
    ]
    assert read(folder) == [*rows, {"island": [b"Dream"]}, {"island": [b"Biscoe"]}]


@pytest.fixture
def columns(served: Served) -> Callable[[int], dict[str, np.ndarray]]:
    def make(number: int) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for name, column in served.contract.columns.items():
            if column.dtype is object:
                found[name] = np.full((number, 1), b"Dream", object)
            else:
                found[name] = np.arange(number, dtype=np.float32).reshape(-1, 1)
        return found

    return make


def test_a_sample(served: Served, columns: Callable[[int], dict[str, np.ndarray]], tmp_path: Path) -> None:
    metrics = Metrics()
    log = RequestLog(tmp_path, 0.1, 1 << 20, metrics, seed=1)
    for _ in range(10):
        log.add(columns(1000), 1000, served.contract)
    log.close()
    number = len(read(tmp_path))
    assert 900 < number < 1100
    assert metrics.logged._value.get() == number


def test_the_oldest_files_make_room(served: Served, columns: Callable[[int], dict[str, np.ndarray]], tmp_path: Path) -> None:
    log = RequestLog(tmp_path, 1.0, 20_000, Metrics(), file_bytes=1500)
    for _ in range(40):
        log.add(columns(100), 100, served.contract)
    log.close()
    files = sorted(tmp_path.iterdir())
    numbers = [int(file.name.split("-")[3].partition(".")[0]) for file in files]
    assert len(files) > 1
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[0] > 1  # the first ones made room
    assert sum(file.stat().st_size for file in files) <= 20_000
    assert all(count_records(file) % 100 == 0 for file in files)


def test_what_a_killed_server_left_is_mended(
    served: Served, columns: Callable[[int], dict[str, np.ndarray]], tmp_path: Path
) -> None:
    log = RequestLog(tmp_path, 1.0, 1 << 20, Metrics())
    log.add(columns(50), 50, served.contract)
    log.close()
    (whole,) = tmp_path.iterdir()
    records = gzip.decompress(whole.read_bytes())
    expected = read(tmp_path)
    whole.unlink()
    killed = tmp_path / "requests-a.tfrecord.gz.partial"
    killed.write_bytes(gzip.compress(records[:-20])[:-8])  # neither the last record nor the file's end
    (tmp_path / "requests-b.tfrecord.gz.partial").write_bytes(b"")
    RequestLog(tmp_path, 1.0, 1 << 20, Metrics()).close()
    assert [path.name for path in tmp_path.iterdir()] == ["requests-a.tfrecord.gz"]
    assert read(tmp_path) == expected[:-1]


def test_another_servers_file_is_left_alone(
    served: Served, columns: Callable[[int], dict[str, np.ndarray]], tmp_path: Path
) -> None:
    log = RequestLog(tmp_path, 1.0, 1 << 20, Metrics())
    log.add(columns(3), 3, served.contract)
    while not list(tmp_path.glob("*.partial")):
        pass
    mend(tmp_path)
    log.close()
    assert len(read(tmp_path)) == 3


def test_integers_and_lists_are_those_of_examples(tmp_path: Path) -> None:
    from components.params.models import DataParams
    from components.serve.contract import Contract

    kinds: Any = {"hour": "integer", "past": "number"}
    specs = {"hour": tf.TensorSpec([None, 1], tf.float64), "past": tf.TensorSpec([None, 2], tf.float32)}
    contract = Contract(DataParams.model_validate({"path": "x.csv", "label": "y"}), None, kinds, specs)
    log = RequestLog(tmp_path, 1.0, 1 << 20, Metrics())
    arrays = {"hour": np.array([[2.0**53], [np.nan]]), "past": np.array([[1, 2], [3, 4]], np.float32)}
    log.add(arrays, 2, contract)
    log.close()
    assert read(tmp_path) == [{"hour": [2**53], "past": [1.0, 2.0]}, {"past": [3.0, 4.0]}]

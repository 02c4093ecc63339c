"""Transformed examples as batches."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # imports TensorFlow


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("examples")
    files = [str(folder / f"data-{index}.gz") for index in range(2)]
    for index, file in enumerate(files):
        with tf.io.TFRecordWriter(file, "GZIP") as writer:
            for number in range(index * 50, index * 50 + 50):
                feature = {
                    "x": tf.train.Feature(float_list=tf.train.FloatList(value=[number, -number])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 3])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return files


def read(files: list[str], seed: int | None, epochs: int = 1) -> list[list[float]]:
    import tensorflow as tf

    from components.train.datasets import make_dataset

    spec = {"x": tf.io.FixedLenFeature([2], tf.float32), "label": tf.io.FixedLenFeature([1], tf.int64)}
    dataset = make_dataset(files, spec, "label", 32, shuffle_seed=seed)
    return [[float(value) for features, _ in dataset for value in features["x"][:, 0]] for _ in range(epochs)]


def test_batches_hold_features_and_labels(files: list[str]) -> None:
    import tensorflow as tf

    from components.train.columns import read_columns
    from components.train.datasets import count_labels, make_dataset

    spec = {"x": tf.io.FixedLenFeature([2], tf.float32), "label": tf.io.FixedLenFeature([1], tf.int64)}
    dataset = make_dataset(files, spec, "label", 32)
    shapes = [
        ({name: tuple(value.shape) for name, value in features.items()}, tuple(label.shape)) for features, label in dataset
    ]
    assert shapes == [({"x": (32, 2)}, (32, 1))] * 3 + [({"x": (4, 2)}, (4, 1))]
    columns = read_columns(files, spec)
    assert columns is not None
    assert count_labels(files, spec, "label", 3, columns=columns) == count_labels(files, spec, "label", 3) == [34, 33, 33]


def test_nothing_is_lost_and_the_order_is_the_seeds(files: list[str]) -> None:
    everything = [float(number) for number in range(100)]
    first, second = read(files, seed=7, epochs=2)
    assert sorted(first) == sorted(second) == everything
    assert first != second != everything
    assert read(files, seed=7, epochs=2) == [first, second]
    assert read(files, seed=8)[0] != first


def test_folders_come_back_in_the_order_of_their_names(files: list[str], tmp_path: Path) -> None:
    from components.train.datasets import expand

    assert expand([str(Path(files[0]).parent / "*")]) == files


def test_features_of_any_length_are_padded(tmp_path: Path) -> None:
    import tensorflow as tf

    from components.train.datasets import make_dataset

    file = tmp_path / "data.tfrecord"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for tokens in ([5, 6, 7], [], [8]):
            feature = {
                "tokens": tf.train.Feature(int64_list=tf.train.Int64List(value=tokens)),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[len(tokens)])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    spec = {"tokens": tf.io.VarLenFeature(tf.int64), "label": tf.io.FixedLenFeature([1], tf.int64)}
    batches = [
        (features["tokens"].numpy().tolist(), label.numpy().tolist())
        for features, label in make_dataset([str(file)], spec, "label", 2)
    ]
    assert batches == [([[5, 6, 7], [0, 0, 0]], [[3], [0]]), ([[8]], [[1]])]


@pytest.mark.parametrize(("seed", "weights"), [(None, None), (7, {0: 1.0, 1: 2.5, 2: 0.5})])
def test_what_does_not_fit_in_memory_gives_the_same_batches(
    files: list[str], seed: int | None, weights: dict[int, float] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from components.train import columns, datasets

    spec = {"x": tf.io.VarLenFeature(tf.float32), "label": tf.io.FixedLenFeature([1], tf.int64)}
    found = []
    for limit in (columns.IN_MEMORY_LIMIT_BYTES, 0):
        monkeypatch.setattr(columns, "IN_MEMORY_LIMIT_BYTES", limit)
        dataset = datasets.make_dataset(files, spec, "label", 32, shuffle_seed=seed, class_weights=weights)
        found.append(
            [[(features["x"].numpy().tolist(), label.numpy().tolist()) for features, label in dataset] for _epoch in range(2)]
        )
    in_memory, streamed = found
    assert in_memory == streamed
    assert (in_memory[0] == in_memory[1]) == (seed is None)


def test_what_does_not_fit_in_memory_is_shuffled_by_the_seed(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from components.train import columns

    monkeypatch.setattr(columns, "IN_MEMORY_LIMIT_BYTES", 0)
    first, second = read(files, seed=7, epochs=2)
    assert sorted(first) == sorted(second) == [float(number) for number in range(100)]
    assert first != second
    assert read(files, seed=7, epochs=2) == [first, second]

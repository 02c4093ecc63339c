"""`train.oversample`: how often each class is drawn, how long an epoch is, and that the seed decides the rest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.errors import UserError

pytestmark = pytest.mark.slow  # imports TensorFlow


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Numbers from 0 on; their classes: 0, but of each 40th 1."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("examples")
    files = [str(folder / f"data-{index}.gz") for index in range(2)]
    for index, file in enumerate(files):
        with tf.io.TFRecordWriter(file, "GZIP") as writer:
            for number in range(index * 1000, index * 1000 + 1000):
                feature = {
                    "x": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(number % 40 == 0)])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return files


def epochs(files: list[str], weights: Mapping[int, float], seed: int = 7, number: int = 1) -> list[list[int]]:
    import tensorflow as tf

    from components.train.datasets import make_dataset

    spec = {name: tf.io.FixedLenFeature([1], tf.int64) for name in ("x", "label")}
    dataset = make_dataset(files, spec, "label", 64, shuffle_seed=seed, class_weights=weights)
    found = [[int(value) for features, _ in dataset for value in features["x"][:, 0]] for _ in range(number)]
    assert all(-(-len(epoch) // 64) == int(dataset.cardinality()) for epoch in found)
    return found


def test_an_epoch_sees_the_frequent_class_once_and_the_rare_one_as_often(files: list[str]) -> None:
    (epoch,) = epochs(files, {0: 2000 / (2 * 1950), 1: 2000 / (2 * 50)})
    assert len(epoch) == 2 * 1950
    rare = [number for number in epoch if number % 40 == 0]
    assert abs(len(rare) - 1950) < 100  # three standard deviations
    frequent = Counter(number for number in epoch if number % 40)
    # One pass, but for what chance makes of its end.
    assert set(frequent.values()) <= {1, 2}
    assert len(frequent) > 1850
    passes = [rare[start : start + 50] for start in range(0, len(rare) - 50, 50)]
    assert all(len(set(each)) == 50 for each in passes)
    assert passes[0] != passes[1]


def test_a_class_is_drawn_as_often_as_its_factor_says(files: list[str]) -> None:
    (epoch,) = epochs(files, {0: 1.0, 1: 3.0})
    assert len(epoch) == 1950 + 3 * 50
    assert abs(sum(number % 40 == 0 for number in epoch) - 150) < 36
    # The same where all weigh ten times as much, and where a class has no examples.
    assert epochs(files, {0: 10.0, 1: 30.0}) == epochs(files, {0: 1.0, 1: 3.0, 2: 0.0}) == [epoch]
    assert len(epochs(files, {0: 1.0, 1: 1.0, 2: 5.0})[0]) == 2000


def test_the_seed_decides_and_no_epoch_is_like_another(files: list[str]) -> None:
    first, second = epochs(files, {0: 1.0, 1: 10.0}, number=2)
    assert epochs(files, {0: 1.0, 1: 10.0}, number=2) == [first, second]
    assert first != second
    assert len(first) == len(second)
    assert [number % 40 == 0 for number in first] != [number % 40 == 0 for number in second]
    assert epochs(files, {0: 1.0, 1: 10.0}, seed=8) != [first]


def test_training_on_it_is_deterministic_and_differs_from_weights(fn_args: Callable[..., SimpleNamespace]) -> None:
    from components.train.run_fn import run_fn

    curves = {}
    variants = {"drawn": {"oversample": {"Chinstrap": 3.0}}, "again": {"oversample": {"Chinstrap": 3.0}}, "plain": {}}
    for name, change in variants.items():
        arguments = fn_args(train={"epochs": 2, "early_stopping": None, **change})
        run_fn(arguments)
        curves[name] = json.loads((Path(arguments.model_run_dir) / "history.json").read_text())["epochs"]
    assert curves["drawn"] == curves["again"] != curves["plain"]


def test_a_class_that_there_is_not(fn_args: Callable[..., SimpleNamespace]) -> None:
    from components.train.fitting import prepare

    with pytest.raises(UserError) as raised:
        prepare(fn_args(train={"oversample": {"Emperor": 2.0}}))
    assert str(raised.value) == ("train.oversample: no class is named 'Emperor'. The classes are: Adelie, Chinstrap, Gentoo.")


@pytest.mark.parametrize(
    ("train", "counts"),
    [
        ({}, [104, 49, 87]),
        ({"class_weights": {"Chinstrap": 2.0}}, [104, 98, 87]),
        ({"oversample": {"Chinstrap": 2.0}}, [104, 98, 87]),
        ({"oversample": "balanced"}, [80.0] * 3),
        ({"initial_bias": "zero"}, []),
    ],
)
def test_a_classifier_starts_from_what_the_loss_sees(
    fn_args: Callable[..., SimpleNamespace], train: dict, counts: list[float]
) -> None:
    import keras_tuner
    import numpy as np

    from components.train.fitting import prepare

    fitting = prepare(fn_args(train=train))
    assert list(fitting.recipe.class_counts) == pytest.approx(counts)
    bias = fitting.build(keras_tuner.HyperParameters()).get_layer("deep").get_weights()[1]
    answered = np.exp(bias) / np.exp(bias).sum()
    assert answered == pytest.approx(np.array(counts or [1, 1, 1]) / sum(counts or [1, 1, 1]), abs=1e-6)

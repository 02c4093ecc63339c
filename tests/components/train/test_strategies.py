"""The same training under every strategy, with every loop; models pass from one to the other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from components.errors import UserError
from tests.components.train.strategies_process import RUNS
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
TRAIN = {"epochs": 3, "early_stopping": None}
SETTINGS = {
    **TRAIN,
    "strategy": "default",
    "replicas": None,
    "batch_size": 16,
    "loop": "fit",
    "mixed_precision": "none",
    "jit_compile": "auto",
    "accumulate_steps": 1,
    "clip_norm": None,
}


@pytest.fixture(scope="module")
def trained(fn_args_of: Callable[..., SimpleNamespace], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """(folder, results) of strategies_process.py; without dropout, whose masks depend on the shares."""
    folder = tmp_path_factory.mktemp("strategies")
    arguments = fn_args_of(folder, train=TRAIN)
    arguments.hyperparameters["values"]["dropout"] = 0.0
    (folder / "arguments.json").write_text(json.dumps(vars(arguments)))
    script = Path(__file__).with_name("strategies_process.py")
    command = [sys.executable, str(script), str(folder / "arguments.json"), str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads((folder / "results.json").read_text())


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}


def test_the_same_seed_gives_the_same_weights_on_one_device(trained: tuple[Path, Any]) -> None:
    _, results = trained
    assert results["one_device"]["digest"] == results["mirrored_1"]["digest"] == results["default"]["digest"]
    assert results["one_device"]["digest"] != results["one"]["digest"]


@pytest.mark.parametrize("name", ["mirrored_4", "mirrored_2", "mirrored_2_custom", "xla"])
def test_losses_do_not_depend_on_replicas_or_xla(trained: tuple[Path, Any], name: str) -> None:
    # 225 examples in batches of 16: the last one leaves a replica of four with nothing.
    _, results = trained
    assert len(results[name]["epochs"]) == 3
    for epoch, expected in zip(results[name]["epochs"], results["one"]["epochs"], strict=True):
        assert epoch == pytest.approx(expected, rel=1e-4), name
    assert results["one"]["epochs"][-1]["loss"] < 0.5 * results["one"]["epochs"][0]["loss"]


def test_the_custom_loop_gives_the_losses_of_fit(trained: tuple[Path, Any]) -> None:
    _, results = trained
    for epoch, expected in zip(results["custom"]["epochs"], results["default"]["epochs"], strict=True):
        assert epoch == pytest.approx(expected, rel=1e-5)
    for epoch, expected in zip(results["mirrored_2_custom"]["epochs"], results["mirrored_2"]["epochs"], strict=True):
        assert epoch == pytest.approx(expected, rel=1e-5)


def test_a_model_of_one_strategy_answers_and_goes_on_under_another(trained: tuple[Path, Any]) -> None:
    _, results = trained
    np.testing.assert_allclose(results["loaded_under_2"], results["one_device_alone"], atol=1e-6)
    assert results["replicas_of_weights"] == [2]
    # It goes on where it was, and does not begin anew.
    assert max(results["tuned_under_2"]) < 0.25 * results["one_device"]["epochs"][0]["loss"]


def test_a_model_of_four_replicas_is_served_without_a_strategy(trained: tuple[Path, Any], penguins: Path) -> None:
    import tensorflow as tf

    from components.examples_table import read_serialized

    folder, results = trained
    artifacts = penguins / "artifacts" / "penguins"
    served = tf.saved_model.load(str(folder / "mirrored_4" / "model" / "Format-Serving"))
    serialized = tf.constant(next(read_serialized(artifacts / "examples", "eval")))
    probabilities = served.signatures["serving_default"](examples=serialized)["probabilities"].numpy()
    # The transformed eval split may lie in another order.
    expected = np.array(results["mirrored_4_alone"])
    assert probabilities.shape == expected.shape
    np.testing.assert_allclose(np.sort(probabilities, axis=0), np.sort(expected, axis=0), atol=1e-5)


def test_every_run_is_looked_at(trained: tuple[Path, Any]) -> None:
    assert set(RUNS) <= set(trained[1])


def test_a_tpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from components.train.strategy import create_strategy

    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(UserError) as raised:
        create_strategy({**SETTINGS, "strategy": "tpu"})
    assert str(raised.value) == (
        "train.strategy: tpu takes the TPU that the environment variable TPU_NAME names, and it is not set. Expected a name, "
        "a grpc:// address, or 'local' on a TPU VM. Set it, or take another strategy: default, one_device or mirrored."
    )


def test_devices_that_can_not_be_made_any_more_are_told() -> None:
    import tensorflow as tf

    from components.train.strategy import create_strategy

    assert tf.constant(1).numpy() == 1  # TensorFlow runs
    with pytest.raises(UserError) as raised:
        create_strategy({**SETTINGS, "strategy": "mirrored", "replicas": 3})
    assert str(raised.value) == (
        "train.replicas: 3 logical CPUs can't be made any more, because TensorFlow already runs in this process (another "
        "stage ran here before, as with TFX's LocalDagRunner). Run the stage in a process of its own (dvc repro), or set "
        "replicas to 1."
    )


def test_more_replicas_than_examples_a_batch_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    from components.train import strategy

    monkeypatch.setattr(strategy, "_mirrored", lambda gpus, wanted: SimpleNamespace(num_replicas_in_sync=wanted))
    with pytest.raises(UserError) as raised:
        strategy.create_strategy({**SETTINGS, "strategy": "mirrored", "replicas": 4, "batch_size": 3})
    assert str(raised.value) == (
        "train.batch_size: 3 examples can't be shared among 4 replicas. Expected one each or more: raise batch_size, or take "
        "fewer replicas."
    )
    assert strategy.create_strategy(SETTINGS) is tf.distribute.get_strategy()


def test_more_replicas_than_gpus_are_told() -> None:
    from components.train.strategy import _mirrored

    with pytest.raises(UserError) as raised:
        _mirrored(["GPU:0", "GPU:1"], 3)
    assert str(raised.value) == (
        "train.replicas: 3 replicas, and this machine has 2 GPUs. Expected at most as many; null takes all."
    )


@pytest.fixture
def model() -> Iterator[Any]:
    import keras

    inputs = keras.Input([2], name="x")
    model = keras.Model({"x": inputs}, keras.layers.Dense(1, dtype="float32")(inputs))
    model.compile(keras.optimizers.AdamW(0.01), loss="mse")
    yield model
    keras.utils.clear_session()


def test_what_works_with_one_replica_alone_is_refused_with_several(model: Any) -> None:
    from components.train.options import apply_options

    several = SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(UserError) as raised:
        apply_options(model, {**SETTINGS, "jit_compile": True}, several)
    assert str(raised.value) == (
        "train.jit_compile: true with 2 replicas. XLA compiles a step for one device alone. Set jit_compile to auto or false, "
        "or take one replica."
    )
    with pytest.raises(UserError) as raised:
        apply_options(model, {**SETTINGS, "accumulate_steps": 4}, several)
    assert str(raised.value) == (
        "train.accumulate_steps: 4 with 2 replicas. Keras' optimizers accumulate on one replica alone. Set accumulate_steps "
        "to 1 and raise batch_size, or take one replica."
    )


def test_options_hold_when_a_recipe_compiles_again(model: Any) -> None:
    import keras
    import tensorflow as tf

    from components.train.options import apply_options

    apply_options(model, {**SETTINGS, "accumulate_steps": 4, "clip_norm": 0.5}, tf.distribute.get_strategy())
    for _ in range(2):
        assert (model.optimizer.gradient_accumulation_steps, model.optimizer.global_clipnorm) == (4, 0.5)
        model.compile(keras.optimizers.SGD(0.1), loss="mse")
    assert isinstance(model.optimizer, keras.optimizers.SGD)


def epochs(arguments: SimpleNamespace) -> list[dict[str, float]]:
    return json.loads((Path(arguments.model_run_dir) / "history.json").read_text())["epochs"]


def losses(fn_args: Callable[..., SimpleNamespace], **train: Any) -> list[dict[str, float]]:
    from components.train.run_fn import run_fn

    arguments = fn_args(train={**TRAIN, "epochs": 1, **train})
    arguments.hyperparameters["values"]["dropout"] = 0.0
    run_fn(arguments)
    return epochs(arguments)


@pytest.mark.parametrize("loop", ["fit", "custom"])
def test_batches_accumulate_to_larger_ones(loop: str) -> None:
    whole, halves, small = fitted(32, loop), fitted(16, loop, accumulate_steps=2), fitted(16, loop)
    assert halves == pytest.approx(whole, rel=1e-5)
    assert small != pytest.approx(whole, rel=1e-2)


@pytest.mark.parametrize("loop", ["fit", "custom"])
def test_gradients_are_clipped_and_small_ones_left_as_they_are(loop: str) -> None:
    plain = fitted(16, loop)
    assert fitted(16, loop, clip_norm=1e6) == plain
    assert fitted(16, loop, clip_norm=1e-3)[-1] > plain[-1]


def fitted(batch_size: int, loop: str, **train: Any) -> list[float]:
    """The losses of a small model, with an embedding, that is fitted to 64 examples."""
    import keras
    import tensorflow as tf

    from components.train.options import apply_options

    keras.utils.set_random_seed(1)
    inputs = {"x": keras.Input([2], name="x"), "word": keras.Input([3], dtype="int64", name="word")}
    words = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(inputs["word"]))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()([inputs["x"], words])))
    model.compile(keras.optimizers.SGD(0.05), loss="mse")
    apply_options(model, {**SETTINGS, "loop": loop, **train}, tf.distribute.get_strategy())
    random = np.random.default_rng(3)
    x = {"x": random.normal(size=(64, 2)).astype(np.float32), "word": random.integers(5, size=(64, 3))}
    data = tf.data.Dataset.from_tensor_slices((x, x["x"].sum(axis=1, keepdims=True))).batch(batch_size)
    return model.fit(data, epochs=3, verbose=0, shuffle=False).history["loss"]


# A few roundings, to 8 bits and to 11: each is off by as much as 4e-3 and 5e-4.
@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 1e-2), ("float16", 2e-3)])
def test_mixed_precision_is_close_and_answers_in_float32(
    fn_args: Callable[..., SimpleNamespace], precision: str, tolerance: float
) -> None:
    import keras

    from components.train.fitting import prepare

    plain = losses(fn_args)[0]
    mixed = losses(fn_args, mixed_precision=precision, clip_norm=100.0)[0]
    assert mixed["loss"] == pytest.approx(plain["loss"], rel=tolerance)
    assert mixed["loss"] != plain["loss"]
    arguments = fn_args(train={"mixed_precision": precision})
    model = prepare(arguments).build(_hyperparameters(arguments))
    assert model.get_layer("deep").compute_dtype == precision
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def _hyperparameters(arguments: SimpleNamespace) -> Any:
    import keras_tuner

    return keras_tuner.HyperParameters.from_config(arguments.hyperparameters)


def test_class_weights_and_early_stopping_are_the_same_in_both_loops(fn_args: Callable[..., SimpleNamespace]) -> None:
    stopping = {"monitor": "val_loss", "patience": 2, "min_delta": 10.0}
    both = [
        losses(fn_args, loop=loop, epochs=9, early_stopping=stopping, class_weights={"Chinstrap": 5.0})
        for loop in ("fit", "custom")
    ]
    assert len(both[0]) == len(both[1]) == 3
    for epoch, expected in zip(*both, strict=True):
        assert epoch == pytest.approx(expected, rel=1e-5)

"""A training that is killed, again and again, ends as one that never was: weights, optimizer, seeds, callbacks, history."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import TensorlineError

pytestmark = pytest.mark.slow  # imports TensorFlow


class KilledError(Exception):
    """Stands for a process that dies: nothing handles it."""


class Killing:
    """Kills in the second batch after so many epochs that this process trained; where none is left, as the phase ends."""

    def __init__(self, num_epochs: int = 1) -> None:
        self.num_epochs, self.num_ended = num_epochs, 0

    def callbacks(self) -> list[Any]:
        import keras

        outer = self

        class Kill(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
                if outer.num_ended >= outer.num_epochs and batch == 1:
                    raise KilledError

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                outer.num_ended += 1

            def on_train_end(self, logs: Any = None) -> None:
                if outer.num_ended >= outer.num_epochs:
                    raise KilledError

        return [Kill()]


def settings(**changes: Any) -> dict[str, Any]:
    from tests.components.train.test_strategies import SETTINGS

    return {**SETTINGS, **changes}


def small_network(learning_rate: float = 0.05) -> Any:
    import keras

    inputs = keras.Input([3], name="x")
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8, "tanh")(inputs))
    model = keras.Model({"x": inputs}, keras.layers.Dense(1, dtype="float32")(keras.layers.Dropout(0.3)(hidden)))
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model


def datasets() -> tuple[Any, Any]:
    """(shuffled anew in each epoch, in order)."""
    import tensorflow as tf

    x = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices(({"x": x}, x[:, :1] * x[:, 1:2]))
    return data.shuffle(50, seed=5, reshuffle_each_iteration=True).batch(16).prefetch(1), data.batch(50)


def fit_network(folder: Path | None, after: Callable[[], Any], options: dict[str, Any]) -> dict[str, Any]:
    """Trains with early stopping, a rate that falls, and a callback that draws; what is left at the end."""
    import keras
    import tensorflow as tf

    from components.train.options import apply_options, building
    from components.train.resume import make_resumable

    class Draws(keras.callbacks.Callback):
        """Its state is a list of numbers, and NumPy's generator."""

        def on_train_begin(self, logs: Any = None) -> None:
            self.drawn: list[float] = []

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.drawn.append(float(np.random.random()))  # noqa: NPY002  the state of the global one is what is asked for

    keras.utils.set_random_seed(1)
    strategy = tf.distribute.get_strategy()
    with building(options, strategy):
        model = small_network()
    apply_options(model, options, strategy)
    if folder is not None:
        make_resumable(model, folder, after=after)
    train, evaluated = datasets()
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=2, mode="min", restore_best_weights=True)
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, mode="min", min_delta=0.2)
    draws = Draws()
    callbacks = [stopping, plateau, draws]
    history = model.fit(train, validation_data=evaluated, epochs=4, callbacks=callbacks, shuffle=False, verbose=0)
    return {
        "history": history.history,
        "epochs": history.epoch,
        "state": state(model),
        "stopping": (stopping.best, stopping.best_epoch, stopping.wait, stopping.stopped_epoch, stopping.min_delta),
        "plateau": (plateau.best, plateau.wait),
        "draws": draws.drawn,
    }


def state(model: Any) -> list[bytes]:
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [variable.numpy().tobytes() for variable in variables]


def survive(train: Callable[..., dict[str, Any]], folder: Path, num_epochs: int) -> tuple[dict[str, Any], int]:
    """What `train` ends with, and how often it was killed before, each time after `num_epochs`."""
    for num_kills in range(20):
        try:
            return train(folder, Killing(num_epochs).callbacks), num_kills
        except KilledError:
            pass
    raise AssertionError("the training never ends")


@pytest.mark.parametrize(
    "options",
    [
        {"loop": "fit", "accumulate_steps": 3, "clip_norm": 1.0},
        {"loop": "custom", "mixed_precision": "float16"},
    ],
    ids="-".join,
)
def test_killed_after_two_epochs_and_at_the_end(tmp_path: Path, options: dict[str, Any]) -> None:
    undisturbed = fit_network(None, list, settings(**options))
    assert undisturbed["epochs"] == [0, 1, 2, 3]
    ended, num_kills = survive(lambda folder, after: fit_network(folder, after, settings(**options)), tmp_path, 2)
    assert num_kills == 2
    assert ended == undisturbed


def test_the_seeds_of_dropout_matter(tmp_path: Path) -> None:
    """What the test above compares would tell, were a part of the state not brought back."""
    from components.train import resume

    undisturbed = fit_network(None, list, settings())
    with pytest.raises(KilledError):
        fit_network(tmp_path, Killing().callbacks, settings())
    file = tmp_path / "phase-0.zip"
    read = resume._read(file)
    assert [(kind, "best_weights" in values) for kind, values in read.callbacks] == [
        ("EarlyStopping", True),
        ("ReduceLROnPlateau", False),
        ("Draws", False),
        ("History", False),
    ]
    variables = [value * 0 if value.shape == (2,) else value for value in read.variables]  # dropout's seed
    resume._write(file, resume._State(**{**vars(read), "variables": variables}))
    other = fit_network(tmp_path, list, settings())
    assert other["history"]["loss"][0] == undisturbed["history"]["loss"][0]
    assert other["history"]["loss"][1] != undisturbed["history"]["loss"][1]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    import keras

    file = tmp_path_factory.mktemp("backbone") / "backbone.keras"
    images = keras.Input([12, 12, 1], name="image")
    hidden = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(images)
    keras.Model(images, keras.layers.GlobalAveragePooling2D(name="features")(hidden)).save(file)
    return str(file)


@pytest.mark.parametrize("loop", ["fit", "custom"])
def test_a_recipe_of_two_phases(tmp_path: Path, backbone: str, loop: str) -> None:
    import keras
    import keras_tuner
    import tensorflow as tf

    from components.train.options import apply_options
    from components.train.resume import make_resumable
    from tests.recipes.image.conftest import make_images, make_recipe

    images, labels = make_images(rows=40)

    def train(folder: Path | None, after: Callable[[], Any]) -> dict[str, Any]:
        keras.utils.set_random_seed(1)
        recipe = make_recipe(
            network="transfer",
            schedule="cosine",
            augment={"flip": "horizontal"},
            dropout=0.2,
            backbone={"path": backbone, "layer": "features", "unfreeze_from": 0, "fine_tune_epochs": 3},
        )
        hp = keras_tuner.HyperParameters()
        model = recipe.build(hp)
        apply_options(model, settings(loop=loop), tf.distribute.get_strategy())
        if folder is not None:
            make_resumable(model, folder, after=after)
        data = tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).shuffle(40, seed=5).batch(16)
        stopping = keras.callbacks.EarlyStopping("val_loss", patience=3, mode="min", restore_best_weights=True)
        evaluated = tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(40)
        history = recipe.fit(
            hp, model, data, validation_data=evaluated, epochs=2, callbacks=[stopping], shuffle=False, verbose=0
        )
        return {
            "history": history.history,
            "epochs": history.epoch,
            "state": state(model),
            "best": (stopping.best, stopping.best_epoch),
        }

    undisturbed = train(None, list)
    assert undisturbed["epochs"] == [0, 1, 2, 3, 4]
    ended, num_kills = survive(train, tmp_path, 3)  # in the middle of the second phase
    assert num_kills == 1
    assert ended == undisturbed
    assert sorted(file.name for file in tmp_path.iterdir()) == ["phase-0.zip", "phase-1.zip"]


def test_a_damaged_backup_begins_its_phase_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    undisturbed = fit_network(None, list, settings())
    with pytest.raises(KilledError):
        fit_network(tmp_path, Killing().callbacks, settings())
    file = tmp_path / "phase-0.zip"
    content = bytearray(file.read_bytes())
    content[content.index(b"NUMPY") + 130] ^= 1  # of an array's values
    file.write_bytes(content)
    (tmp_path / "phase-1.zip").write_bytes(b"of a phase that went on from it")
    with caplog.at_level(logging.WARNING):
        assert fit_network(tmp_path, list, settings()) == undisturbed
    (message,) = caplog.messages
    assert message.startswith(
        f"{file}: the backup can't be taken up, so this phase of the training begins anew: BadZipFile: Bad CRC-32 for file '"
    )
    assert not (tmp_path / "phase-1.zip").exists()


def test_a_backup_of_other_versions_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    with pytest.raises(KilledError):
        fit_network(tmp_path, Killing().callbacks, settings())
    monkeypatch.setattr(keras, "__version__", "99")
    with caplog.at_level(logging.WARNING):
        assert fit_network(tmp_path, list, settings())["epochs"][0] == 0
    assert "begins anew: made with {'keras': '3." in caplog.messages[0]


def test_a_backup_of_another_model_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KilledError):
        fit_network(tmp_path, Killing().callbacks, settings())
    with pytest.raises(TensorlineError) as raised:
        fit_network(tmp_path, list, settings(accumulate_steps=2))
    assert str(raised.value) == (
        f"{tmp_path / 'phase-0.zip'}: the backup has other variables or callbacks than the model and its training. Expected "
        "those of the same code and parameters: remove the file to begin anew."
    )


def test_a_kill_while_the_backup_is_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.train import resume

    with pytest.raises(KilledError):
        fit_network(tmp_path, Killing().callbacks, settings())
    before = (tmp_path / "phase-0.zip").read_bytes()

    def die(*_: Any, **__: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(resume.np.lib.format, "write_array", die)
        with pytest.raises(KilledError):
            fit_network(tmp_path, list, settings())
    assert (tmp_path / "phase-0.zip").read_bytes() == before
    assert fit_network(tmp_path, list, settings()) == fit_network(None, list, settings())


def test_a_signal_while_the_backup_is_written_still_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.tracking.runs import Terminated
    from components.train import resume

    write, asked = resume._write, []

    def interrupted(file: Path, state: Any) -> None:
        asked.append(state.epoch)
        if asked == [0, 1]:
            raise Terminated
        write(file, state)

    monkeypatch.setattr(resume, "_write", interrupted)
    with pytest.raises(Terminated) as raised:
        fit_network(tmp_path, list, settings())
    assert raised.value.code == 128 + signal.SIGTERM
    assert asked == [0, 1, 1]
    assert resume._read(tmp_path / "phase-0.zip").epoch == 1


def test_who_does_not_write_reads(tmp_path: Path) -> None:
    """Of workers that train together, one writes."""
    import tensorflow as tf

    from components.train.options import apply_options
    from components.train.resume import make_resumable

    for writes, epochs in ((False, 1), (True, 2), (False, 3)):
        model = small_network()
        apply_options(model, settings(), tf.distribute.get_strategy())
        make_resumable(model, tmp_path, writes=writes)
        history = model.fit(datasets()[0], epochs=epochs, shuffle=False, verbose=0)
        assert history.epoch == list(range(epochs))
        assert (tmp_path / "phase-0.zip").exists() == (epochs > 1)


def test_no_pickle_is_written_or_read(tmp_path: Path) -> None:
    import keras

    from components.train import resume

    class Holds(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.plain = {"a": [1, 2.5, float("inf"), None, "x", (True, np.float32(0.1)), np.arange(3)]}
            self.function, self.objects = len, np.array([len], dtype=object)

    attributes = resume._plain_attributes(Holds())
    assert sorted(attributes) == ["plain"]
    file = tmp_path / "state.zip"
    made = resume._State(3, False, [np.ones((2, 2), np.float32)], [("Holds", attributes)], {}, {})
    resume._write(file, made)
    again = resume._read(file)
    assert repr(again) == repr(made)
    assert json.loads(json.dumps(resume._encode(attributes, []))) == {
        "dict": {"plain": {"dict": {"a": [1, 2.5, float("inf"), None, "x", {"tuple": [True, {"scalar": 0}]}, {"array": 1}]}}}
    }

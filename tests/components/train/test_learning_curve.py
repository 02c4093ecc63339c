"""Trainings that went well and trainings that did not, told apart by their curves."""

from __future__ import annotations

import math

import pytest

from components.train.learning_curve import judge, no_skill_loss


def curve(train: list[float], evaluated: list[float]) -> list[dict[str, float]]:
    return [{"loss": loss, "val_loss": val_loss} for loss, val_loss in zip(train, evaluated, strict=True)]


DIVERGED = "Try a lower train.learning_rate, and look for extreme values in the data."
OVERFITS = "Try more data, less capacity, more weight decay, dropout or augmentation, or earlier stopping."
UNDERFITS = (
    "Try more capacity (model), better features (transform), more epochs, less dropout, weight decay and "
    "augmentation, or another learning rate."
)
IN_2 = "in epoch 2, whose weights were kept, loss is"


@pytest.mark.parametrize(
    ("train", "evaluated", "kept", "message"),
    [
        ([0.7, 0.5], [0.5, 0.5], None, f"the model fits: {IN_2} 0.5 on train and 0.5 on eval."),
        ([0.7, math.nan], [0.6, 0.5], None, f"the training diverged: loss is nan in epoch 2. {DIVERGED}"),
        ([0.7, 9.0], [0.6, 8.0], None, f"the training diverged: loss rose from 0.7 to 9. {DIVERGED}"),
        ([0.6, 0.2], [0.6, 0.5], None, f"the model overfits: {IN_2} 0.2 on train and 0.5 on eval. {OVERFITS}"),
        (
            [0.6, 0.4, 0.35],
            [0.6, 0.5, 0.6],
            None,
            "the model overfits: in epoch 3, whose weights were kept, loss is 0.35 on train and 0.6 on eval; in epoch 2 it "
            f"was 0.4 and 0.5. {OVERFITS}",
        ),
        # Early stopping took the weights back to before.
        ([0.6, 0.4, 0.35], [0.6, 0.5, 0.6], 1, f"the model fits: {IN_2} 0.4 on train and 0.5 on eval."),
        (
            [0.6, 0.5],
            [0.6, 0.48],
            None,
            f"the training ended early: {IN_2} 0.5 on train and 0.48 on eval, which still fell by 20.0% an epoch. Try more "
            "train.epochs.",
        ),
        (
            [0.7, 0.65],
            [0.68, 0.7],
            None,
            f"the model underfits: {IN_2} 0.65 on train and 0.7 on eval, and knowing the classes' frequencies alone gets "
            f"0.6931. {UNDERFITS}",
        ),
    ],
)
def test_the_rule(train: list[float], evaluated: list[float], kept: int | None, message: str) -> None:
    assert str(judge(curve(train, evaluated), no_skill_loss([50, 50]), kept)) == message


def test_no_skill() -> None:
    assert no_skill_loss([30, 10]) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert no_skill_loss([7, 0]) == 0.0
    assert no_skill_loss([]) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "verdict"),
    [("learnable", "fits"), ("by heart", "overfits"), ("nothing to see", "underfits"), ("brief", "unfinished")],
)
def test_models_made_so(case: str, verdict: str) -> None:
    import keras
    import numpy as np

    keras.utils.set_random_seed(3)
    random = np.random.default_rng(3)
    features = random.normal(size=(400, 20)).astype("float32")
    labels = (features[:, 0] + 0.5 * random.normal(size=400) > 0).astype("float32")
    num_train, epochs, units, rate = 300, 30, 4, 0.01
    if case == "by heart":
        num_train, units = 30, 256
    elif case == "nothing to see":
        features = np.zeros_like(features)
    elif case == "brief":
        epochs, rate = 4, 0.003
    model = keras.Sequential([keras.Input([20]), keras.layers.Dense(units, "relu"), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
    history = model.fit(
        features[:num_train],
        labels[:num_train],
        validation_data=(features[300:], labels[300:]),
        epochs=epochs,
        batch_size=32,
        verbose=0,
    ).history
    ones = int(labels[:num_train].sum())
    judged = judge(curve(history["loss"], history["val_loss"]), no_skill_loss([num_train - ones, ones]))
    assert judged.verdict == verdict, str(judged)


def test_losses_of_different_things_are_not_compared() -> None:
    epochs = curve([0.6, 0.2], [0.5, 0.5])
    assert judge(epochs, None, same_loss=False).verdict == "fits"
    assert judge(epochs, None).verdict == "overfits"


def test_weighted_losses_are_divided_by_the_examples() -> None:
    assert no_skill_loss([90.0, 10.0 * 9.0], 100) == pytest.approx(1.8 * math.log(2))
    assert no_skill_loss([90.0, 90.0]) == pytest.approx(math.log(2))

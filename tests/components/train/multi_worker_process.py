"""One of two workers, in a process of its own: `python multi_worker_process.py FOLDER`, with TF_CONFIG set.

Goes through all that needs a cluster, and writes FOLDER/INDEX.json. In the end worker 1 kills itself in mid-epoch.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

NUM_EXAMPLES = 45
SETTINGS = {
    "strategy": "multi_worker",
    "worker_timeout_s": 60,
    "batch_size": 16,
    "mixed_precision": "none",
    "jit_compile": "auto",
    "accumulate_steps": 1,
    "clip_norm": 0.5,
}


def examples() -> Any:
    """45 examples in batches of 16, in another order each epoch; the last batch has 13."""
    import numpy as np
    import tensorflow as tf

    x = np.random.default_rng(3).normal(size=(NUM_EXAMPLES, 2)).astype(np.float32)
    y = (x.sum(axis=1, keepdims=True) > 0).astype(np.int64)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, y)).shuffle(NUM_EXAMPLES, seed=5).batch(16)


def build(strategy: Any) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    with strategy.scope():
        inputs = keras.Input([2], name="x")
        model = keras.Model({"x": inputs}, keras.layers.Dense(1, "sigmoid")(keras.layers.Dense(4, "tanh")(inputs)))
        model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy", "auc"])
    return model


def train(strategy: Any, loop: str) -> dict[str, Any]:
    """The curves and weights of a small model, with class weights, and early stopping after the third epoch."""
    import keras

    from components.train.options import apply_options

    model = build(strategy)
    apply_options(model, {**SETTINGS, "loop": loop}, strategy)
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=2, min_delta=10.0, restore_best_weights=True)
    history = model.fit(
        examples(),
        validation_data=examples(),
        epochs=9,
        callbacks=[stopping],
        class_weight={0: 1.0, 1: 3.0},
        shuffle=False,
        verbose=0,
    )
    return {"history": history.history, "weights": [value.tolist() for value in model.get_weights()]}


def main(folder: Path) -> None:
    import keras
    import tensorflow as tf
    from keras.src.backend.tensorflow import trainer

    from components.errors import UserError
    from components.train import keras_mend, loop, peers
    from components.train.options import apply_options
    from components.train.shares import distribute
    from components.train.strategy import create_strategy, is_chief

    strategy = create_strategy(SETTINGS)
    index = strategy.cluster_resolver.task_id
    results: dict[str, Any] = {"is_chief": is_chief(strategy), "num_replicas": strategy.num_replicas_in_sync}
    peers.require_same(strategy, {"parameters": {"a": 1}, "examples": [1, 2]})
    try:
        peers.require_same(strategy, {"parameters": {"a": 1}, "examples": [1, index]})
    except UserError as error:
        results["different"] = str(error)

    trainer.reduce_per_replica = keras_mend.KERAS_OWN
    with strategy.scope():
        results["keras_alone"] = _error_of(lambda: build(strategy).fit(examples(), verbose=0))
        model = build(strategy)
        loop.build(model, strategy, examples())
        model._distribute_strategy = None
        results["keras_with_a_built_model"] = _error_of(lambda: model.fit(distribute(examples(), strategy), verbose=0))
    keras_mend.mend_reduction()

    def numbers() -> Any:
        dataset = tf.data.Dataset.range(NUM_EXAMPLES).shuffle(NUM_EXAMPLES, seed=5)
        return dataset.map(lambda number: (number, number)).batch(16)

    whole, shares = numbers(), distribute(numbers(), strategy)
    results["one_process"] = [[x.numpy().tolist() for x, _ in whole] for _ in range(2)]
    results["seen"] = [[strategy.experimental_local_results(x)[0].numpy().tolist() for x, _ in shares] for _ in range(2)]

    results["fit"], results["custom"] = train(strategy, "fit"), train(strategy, "custom")

    # Saved in one process, it is loaded and trained on here.
    with strategy.scope():
        model = keras.saving.load_model(folder / "one.keras")
    apply_options(model, {**SETTINGS, "loop": "custom"}, strategy)
    results["tuned"] = model.fit(examples(), epochs=2).history["loss"]
    if results["is_chief"]:
        model.save(folder / "two.keras")

    (folder / f"{index}.json").write_text(json.dumps(results))
    step = functools.partial(model.fit, examples())
    step()
    if index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        with peers.noticing_lost_workers():
            step()
    except peers.LostWorkerError as error:
        (folder / "lost.txt").write_text(str(error))


def _error_of(action: Any) -> str | None:
    try:
        action()
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)

"""Trains penguins under several strategies in a process of its own, since logical devices are made once a process.

`python strategies_process.py ARGUMENTS FOLDER`: ARGUMENTS is a JSON file of the attributes of `fn_args`. Writes
FOLDER/NAME/model, as the train stage does, and FOLDER/results.json: name → epochs, digest, predictions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MIRRORED = {"strategy": "mirrored"}
# The one with most replicas goes first: it makes the devices, of which the others take some. Once TensorFlow is deterministic,
# it stays so in a process.
RUNS: dict[str, dict[str, Any]] = {
    "mirrored_4": {**MIRRORED, "replicas": 4, "clip_norm": 0.2, "deterministic": False},
    "xla": {"clip_norm": 0.2, "jit_compile": True, "deterministic": False},
    "mirrored_2": {**MIRRORED, "replicas": 2, "clip_norm": 0.2},
    "mirrored_2_custom": {**MIRRORED, "replicas": 2, "clip_norm": 0.2, "loop": "custom"},
    "one": {"clip_norm": 0.2},
    "mirrored_1": {**MIRRORED, "replicas": 1},
    "one_device": {"strategy": "one_device"},
    "default": {},
    "custom": {"loop": "custom"},
}


def main(arguments: Path, folder: Path) -> None:
    import keras

    from components.train.fitting import prepare
    from components.train.options import apply_options
    from components.train.run_fn import run_fn
    from components.train.strategy import create_strategy

    given = json.loads(arguments.read_text())
    results: dict[str, Any] = {}
    for name, train in RUNS.items():
        keras.utils.clear_session()  # which numbers unnamed objects anew, as a fresh process does
        fn_args = SimpleNamespace(
            **{
                **given,
                "custom_config": {**given["custom_config"], "train": {**given["custom_config"]["train"], **train}},
                "working_dir": str(folder / name / "work"),
                "model_run_dir": str(folder / name / "model_run"),
                "serving_model_dir": str(folder / name / "model" / "Format-Serving"),
            }
        )
        run_fn(fn_args)
        results[name] = {
            "epochs": json.loads((folder / name / "model_run" / "history.json").read_text())["epochs"],
            "digest": json.loads((folder / name / "model" / "model.json").read_text())["digest"],
        }
    fitting = prepare(SimpleNamespace(**given))
    # Saved under one device, loaded and trained on under two.
    strategy = create_strategy({"strategy": "mirrored", "replicas": 2, "batch_size": 16})
    with strategy.scope():
        model = keras.saving.load_model(folder / "one_device" / "model" / "keras" / "model.keras")
        results["loaded_under_2"] = predict(model, fitting.eval)
    apply_options(model, given["custom_config"]["train"], strategy)
    results["tuned_under_2"] = model.fit(fitting.train, epochs=2, verbose=0).history["loss"]
    replicas = {len(strategy.experimental_local_results(variable.value)) for variable in model.trainable_variables}
    results["replicas_of_weights"] = sorted(replicas)
    # Saved under four replicas, loaded where there is no strategy.
    alone = keras.saving.load_model(folder / "mirrored_4" / "model" / "keras" / "model.keras")
    results["mirrored_4_alone"] = predict(alone, fitting.eval)
    results["one_device_alone"] = predict(
        keras.saving.load_model(folder / "one_device" / "model" / "keras" / "model.keras"), fitting.eval
    )
    (folder / "results.json").write_text(json.dumps(results))


def predict(model: Any, data: Any) -> list[list[float]]:
    return [row.numpy().tolist() for features, _ in data for row in model(features, training=False)]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

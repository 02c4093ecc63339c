"""Trains every recipe in several ways in one process: `python -m tests.recipes.every_recipe.train_all ROOT FOLDER`.

ROOT is a repository in which the cases' pipelines ran up to tune. Writes FOLDER/RECIPE/WAY/model as the train stage does,
FOLDER/RECIPE/WAY/expected.npz with what the model in memory answers, and FOLDER/results.json: recipe → way → digest, epochs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.recipes.every_recipe.cases import CASES, Case

NUM_EXAMPLES = 20
WAYS: dict[str, dict[str, Any]] = {
    # The one with most replicas goes first: it makes the devices.
    "mirrored_2": {"strategy": "mirrored", "replicas": 2},
    "one_device": {"strategy": "one_device"},
    "killed": {},
    "default": {},
}
"""Way → what it replaces in the section `train`; `killed` is stopped after its first epoch, and goes on."""


def raw_examples(folder: Path) -> list[bytes]:
    """The first serialized examples of a pipeline's test split."""
    from components.examples_table import read_serialized

    return next(iter(read_serialized(folder / "examples", "test", NUM_EXAMPLES)))


def main(root: Path, folder: Path) -> None:
    os.chdir(root)
    results = {}
    for recipe, case in CASES.items():
        ways = WAYS if case.strategies else {name: way for name, way in WAYS.items() if "replicas" not in way}
        results[recipe] = {name: train(root, case, name, way, folder / recipe / name) for name, way in ways.items()}
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")


def train(root: Path, case: Case, name: str, way: Mapping[str, Any], to: Path) -> dict[str, Any]:
    """Trains once; returns digest and epochs."""
    import keras

    from components import progress
    from components.bridge.job import Job
    from components.train import run_fn as module

    artifacts = root / "artifacts" / case.pipeline
    config = Job.load(case.pipeline, root).recipe_config()
    config["model"] = {**config["model"], **case.model}
    config["train"] = {**config["train"], "epochs": 3, "early_stopping": None, **case.train, **way}
    (hyperparameters,) = (artifacts / "best_hyperparameters").glob("*.txt")
    (schema,) = (artifacts / "schema").iterdir()
    fn_args = SimpleNamespace(
        custom_config=config,
        train_files=[str(artifacts / "transformed_examples" / "Split-train" / "*")],
        eval_files=[str(artifacts / "transformed_examples" / "Split-eval" / "*")],
        transform_graph_path=str(artifacts / "transform_graph"),
        schema_path=str(schema),
        hyperparameters=json.loads(hyperparameters.read_text(encoding="utf-8")),
        working_dir=str(to / "work"),
        model_run_dir=str(to / "model_run"),
        serving_model_dir=str(to / "model" / "Format-Serving"),
    )
    export = module.export

    def remember_and_export(model: Any, recipe: Any, transform_output: Any, *rest: Any) -> Any:
        remember(model, recipe, transform_output, raw_examples(artifacts), to / "expected.npz")
        return export(model, recipe, transform_output, *rest)

    def stop_after_one_epoch(metrics: Mapping[str, float], step: int, num_steps: int) -> None:
        raise SystemExit

    keras.utils.clear_session()  # which numbers unnamed objects anew, as a fresh process does
    module.export = remember_and_export
    try:
        if name == "killed":
            try:
                with progress.listening(stop_after_one_epoch):
                    module.run_fn(fn_args)
            except SystemExit:
                keras.utils.clear_session()
            else:
                raise AssertionError("the training told nothing, so it could not be stopped")
        module.run_fn(fn_args)
    finally:
        module.export = export
    epochs = json.loads((to / "model_run" / "history.json").read_text(encoding="utf-8"))["epochs"]
    return {"digest": json.loads((to / "model" / "model.json").read_text(encoding="utf-8"))["digest"], "epochs": epochs}


def remember(model: Any, recipe: Any, transform_output: Any, examples: list[bytes], to: Path) -> None:
    """Writes features of raw examples (feature:NAME), and what model (model:NUMBER) and recipe (output:NAME) make of them."""
    import numpy as np
    import tensorflow as tf

    from components.train.datasets import densify

    raw_spec = transform_output.raw_feature_spec()
    parsed = tf.io.parse_example(examples, {name: raw_spec[name] for name in recipe.inputs})
    transformed = densify(transform_output.transform_features_layer()(parsed))
    features = {name: transformed[name] for name in recipe.feature_spec}
    made = model(features, training=False)
    outputs = recipe.outputs(made)
    arrays = {f"feature:{name}": value.numpy() for name, value in features.items()}
    arrays |= {f"model:{index}": value.numpy() for index, value in enumerate(tf.nest.flatten(made))}
    arrays |= {f"output:{name}": value.numpy() for name, value in outputs.items()}
    # Strings of a fixed length: arrays of objects would be pickled.
    np.savez(to, **{name: value.astype("S") if value.dtype == object else value for name, value in arrays.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

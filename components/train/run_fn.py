"""The function that TFX's Trainer calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import keras_tuner

from components.errors import UserError
from components.train import cluster
from components.train.export import export
from components.train.fitting import Beat, PublishProgress, prepare
from components.train.launcher import launch
from components.train.learning_curve import judge, no_skill_loss
from components.train.peers import noticing_lost_workers, require_same
from components.train.resume import find_backups, make_resumable
from components.train.strategy import is_chief

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

HISTORY_FILE = "history.json"
SUMMARY_FILE = "model.txt"
DESCRIPTION_FOLDER = "description"
TOLD_FILE = "told.txt"
"""In it, what the recipe has to tell on the terminal."""


def run_fn(fn_args: FnArgs) -> None:
    """Builds the recipe's model with the best hyperparameters, fits it, and exports it.

    Writes the SavedModel to `fn_args.serving_model_dir`, the rest of the model beside it, and history.json (epochs with
    their metrics), model.txt (the layers) and description/ (what the recipe has to show of the model) to
    `fn_args.model_run_dir`. With train.workers this is done by processes that it starts. Of several workers only the chief
    writes, and publishes its progress. A training that was killed goes on from the backups in `fn_args.working_dir`.

    Raises: UserError if train.early_stopping.monitor is no metric of the model, if workers have other backups, or as
        `prepare`, `Fitting.build` and `launch`.
    """
    num_workers = fn_args.custom_config["train"]["workers"]
    if num_workers is not None and cluster.from_environment() is None:
        launch(fn_args, num_workers)
        return
    fitting = prepare(fn_args)
    chief = is_chief(fitting.strategy)
    found = find_backups(Path(fn_args.working_dir))
    require_same(fitting.strategy, {"backups of a killed training (artifacts/NAME/.state)": found})
    recipe, settings = fitting.recipe, fitting.config["train"]
    hp = keras_tuner.HyperParameters.from_config(fn_args.hyperparameters)
    model = fitting.build(hp)
    early_stopping = fitting.early_stopping()

    def after_the_backup() -> list[keras.callbacks.Callback]:
        return [*([PublishProgress()] if chief else []), *([Beat()] if cluster.from_environment() is not None else [])]

    make_resumable(model, Path(fn_args.working_dir), after=after_the_backup, writes=chief)
    with noticing_lost_workers():
        history = recipe.fit(
            hp,
            model,
            fitting.train,
            validation_data=fitting.eval,
            epochs=settings["epochs"],
            callbacks=early_stopping,
            class_weight=fitting.class_weight,
            shuffle=False,  # the data set shuffles itself
            verbose=0,
        )
    if unknown := [callback.monitor for callback in early_stopping if callback.monitor not in history.history]:
        raise UserError(
            f"train.early_stopping.monitor: the model has no metric '{unknown[0]}'. "
            f"It has: {', '.join(sorted(history.history))}."
        )
    if not chief:
        Path(fn_args.serving_model_dir).mkdir(parents=True, exist_ok=True)  # TFX's Trainer wants to see one
        return
    folder = Path(fn_args.model_run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    epochs = [{name: float(values[index]) for name, values in history.history.items()} for index in range(len(history.epoch))]
    (folder / HISTORY_FILE).write_text(json.dumps({"epochs": epochs}, indent=1) + "\n", encoding="utf-8")
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=110)
    (folder / SUMMARY_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    description = folder / DESCRIPTION_FOLDER
    description.mkdir()
    recipe.describe(model, description, fitting.eval)
    if not any(description.iterdir()):
        description.rmdir()  # the recipe has nothing to show
    kept = early_stopping[0].best_epoch if early_stopping else None
    # Keras divides by the examples, whatever their weights.
    num_examples = None if fitting.class_weight is None else sum(fitting.label_counts)
    no_skill = no_skill_loss(fitting.class_counts, num_examples)
    judgement = judge(epochs, no_skill, kept, same_loss=fitting.class_factors is None)
    serving_dir = Path(fn_args.serving_model_dir)
    export(model, recipe, fitting.transform_output, fitting.config["recipe"], judgement, serving_dir, fitting.eval)

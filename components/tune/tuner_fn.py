"""The function that TFX's Tuner calls: a KerasTuner search over the recipe's own search space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfx.components.tuner.component import TunerFnResult

from components import progress
from components.train.fitting import prepare
from components.tune.oracles import make_oracle
from components.tune.search import Search
from components.tune.space import search_space

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """A search as the section `tune` says; trials are judged on the eval split, never on test.

    Its state is kept in `fn_args.working_dir`: a search that is found there is gone on with.

    Raises: UserError if tune.space does not suit the recipe.
    """
    train = fn_args.custom_config["train"]
    if train["strategy"] == "multi_worker":
        # Trials are short, and batch_size is that of all workers together, so one process finds the same.
        progress.tell("train.strategy is multi_worker: trials train in this process alone, on one device")
        fn_args.custom_config = {**fn_args.custom_config, "train": {**train, "strategy": "one_device", "workers": None}}
    fitting = prepare(fn_args)
    settings, seed = fitting.config["tune"], fitting.config["seed"]
    oracle = make_oracle(settings, fitting.monitor(), seed, search_space(fitting.recipe, settings["space"]))
    search = Search(
        oracle,
        fitting.hypermodel(),
        Path(fn_args.working_dir),
        seed=seed,
        make_train=fitting.make_train,
        make_callbacks=fitting.early_stopping,
        max_minutes=settings["max_minutes"],
    )
    return TunerFnResult(
        tuner=search,
        fit_kwargs={
            "validation_data": fitting.eval,
            "epochs": settings["epochs"],
            "class_weight": fitting.class_weight,
            "shuffle": False,  # the data set shuffles itself
            "verbose": 0,
        },
    )

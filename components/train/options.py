"""What the section `train` changes in a model that a recipe has built, so that recipes need not know of it.

The changes are made to the one model, not to its class: to its optimizer before that has any variables, and to `compile`,
`train_step` and `fit` of this object. So they also hold where a recipe's own `fit` compiles again, and nothing of them is
written into the `.keras` file but the optimizer's options.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from components.errors import UserError
from components.train import loop
from components.train.shares import distribute


@contextmanager
def building(settings: Mapping[str, Any], strategy: tf.distribute.Strategy) -> Iterator[None]:
    """The block in which a recipe builds its model: within the strategy's scope, in the precision of train.mixed_precision.

    Mixed precision (Micikevicius et al. 2018): layers compute in float16 or bfloat16, weights stay float32; with float16 Keras
    scales the loss, so that small gradients are not lost.
    """
    before = keras.config.dtype_policy()
    if settings["mixed_precision"] != "none":
        keras.config.set_dtype_policy(f"mixed_{settings['mixed_precision']}")
    try:
        with strategy.scope():
            yield
    finally:
        keras.config.set_dtype_policy(before)


def apply_options(model: keras.Model, settings: Mapping[str, Any], strategy: tf.distribute.Strategy) -> None:
    """Has `model` trained as the section `train` says.

    Args:
        model: Compiled, and never trained.
        settings: The section `train`: `accumulate_steps`, `clip_norm`, `jit_compile`, `loop`.
        strategy: In whose scope the model was built.

    Raises: UserError for what can't be done with several replicas, or with this model.
    """
    num_replicas = strategy.num_replicas_in_sync
    if fits_itself(model):
        _check_nothing_is_asked(settings, num_replicas)
        return
    if num_replicas > 1:
        _check(model, settings, num_replicas)
    # Keras' optimizers clip before the gradients of the replicas are summed, and take a row of an embedding that a batch has
    # twice for two; but only they know what they have accumulated, and only they are there for a model's own step.
    by_optimizer = loop.has_own_step(model) or settings["accumulate_steps"] > 1
    clip_norm = None if by_optimizer else settings["clip_norm"]
    _set(model.optimizer, settings, clip=by_optimizer)
    jit_compile = False if num_replicas > 1 else settings["jit_compile"]  # auto would try it
    if jit_compile != "auto":
        model.jit_compile = jit_compile
        if model.jit_compile != jit_compile:
            raise UserError(
                "train.jit_compile: true, and the model has layers that XLA can't compile, or TensorFlow was made "
                "deterministic in this process. Set jit_compile to auto or false."
            )
    compile_model = model.compile

    @functools.wraps(compile_model)
    def compile_again(optimizer: Any, *args: Any, **kwargs: Any) -> None:
        _set(optimizer, settings, clip=by_optimizer)
        with strategy.scope():
            compile_model(optimizer, *args, **{"jit_compile": jit_compile, **kwargs})

    model.compile = compile_again
    if settings["loop"] == "custom":
        model.fit = functools.partial(loop.fit, model, strategy, clip_norm)
        return
    if not loop.has_own_step(model) and (num_replicas > 1 or clip_norm is not None):
        loop.use_whole_batches(model, clip_norm)
    model.fit = functools.partial(_fit, model, strategy, model.fit)


def fits_itself(model: keras.Model) -> bool:
    """Whether the recipe fits the model without Keras, as a forest: it is not compiled, and has no optimizer."""
    return not model.compiled


def _check_nothing_is_asked(settings: Mapping[str, Any], num_replicas: int) -> None:
    if num_replicas > 1:
        raise UserError(
            f"train.strategy: {settings['strategy']} with {num_replicas} replicas. The recipe's model has no gradients, and "
            "does not learn on several devices. Set strategy to default."
        )
    nothing = {"loop": "fit", "mixed_precision": "none", "accumulate_steps": 1, "clip_norm": None}
    asked = [key for key, value in nothing.items() if settings[key] != value]
    asked += ["jit_compile"] if settings["jit_compile"] is True else []
    if asked:
        raise UserError(
            f"train.{asked[0]}: {str(settings[asked[0]]).lower()}. The recipe's model learns without an optimizer, and the "
            f"key means nothing to it. Remove {asked[0]}."
        )


def _fit(
    model: keras.Model,
    strategy: tf.distribute.Strategy,
    fit: Any,
    x: tf.data.Dataset,
    *,
    validation_data: tf.data.Dataset | None = None,
    class_weight: dict[int, float] | None = None,
    **kwargs: Any,
) -> Any:
    """Keras' `fit` within the strategy's scope, where the model need not know that it is distributed.

    If it knows, `fit` and `evaluate` take the mean of the replicas' first shares to learn their shapes, which fails where
    these are not even (keras.src.backend.tensorflow.trainer: _maybe_symbolic_build), and reads a batch of a shuffled dataset.
    Told the number of batches, it goes through the dataset once an epoch; else it begins, and drops, one pass more, and so
    skips an order of a shuffled dataset. Of a dataset that is shared among workers it can't weight the classes.
    """
    num_batches = int(x.cardinality())
    loop.build(model, strategy, x)
    model._distribute_strategy = None  # noqa: SLF001
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        x = distribute(x if class_weight is None else loop.add_class_weights(class_weight, x), strategy)
        class_weight = None
        validation_data = None if validation_data is None else distribute(validation_data, strategy)
    steps = {"steps_per_epoch": num_batches if num_batches > 0 else None}
    with strategy.scope():
        return fit(x, **{**steps, "validation_data": validation_data, "class_weight": class_weight, **kwargs})


def _set(optimizer: keras.optimizers.Optimizer, settings: Mapping[str, Any], *, clip: bool) -> None:
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of the one that scales the loss
    if inner.built:  # a recipe compiles again with the optimizer that it has
        return
    if settings["accumulate_steps"] > 1:
        inner.gradient_accumulation_steps = settings["accumulate_steps"]
    if clip:
        inner.global_clipnorm = settings["clip_norm"]


def _check(model: keras.Model, settings: Mapping[str, Any], num_replicas: int) -> None:
    alone = "train with one worker" if settings["strategy"] == "multi_worker" else "take one replica"
    if settings["accumulate_steps"] > 1:
        raise UserError(
            f"train.accumulate_steps: {settings['accumulate_steps']} with {num_replicas} replicas. Keras' optimizers "
            f"accumulate on one replica alone. Set accumulate_steps to 1 and raise batch_size, or {alone}."
        )
    if settings["jit_compile"] is True:
        raise UserError(
            f"train.jit_compile: true with {num_replicas} replicas. XLA compiles a step for one device alone. Set jit_compile "
            f"to auto or false, or {alone}."
        )
    if loop.has_own_step(model) and (settings["clip_norm"] is not None or settings["mixed_precision"] == "float16"):
        key = "clip_norm" if settings["clip_norm"] is not None else "mixed_precision"
        raise UserError(
            f"train.{key}: {settings[key]} with {num_replicas} replicas. The recipe's model has a training step of its own, "
            f"which would do it for each replica rather than for the batch. Remove {key}, or {alone}."
        )

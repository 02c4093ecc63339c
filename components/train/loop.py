"""A training loop of one's own, in place of Keras' `fit`: `train.loop: custom`. Every step can be read, and changed, here.

This is the example for the tutorials on custom training: "Custom training: walkthrough" (customization/
custom_training_walkthrough: GradientTape, Metric objects, epochs) and "Custom training loops" (distribute/custom_training: the
loss over the global batch, `strategy.run`, checkpoints). Read it function by function:

* `fit` runs the epochs and tells the callbacks;
* `train_on_share` is what one replica does in one step: predict, loss, gradients, update, metrics;
* `evaluate_on_share` is the same for eval, without gradients.

It gives the losses of Keras' `fit` (tests/components/train/test_strategies.py says how closely, under which strategies). One
thing it does that `fit` does not: where a batch doesn't divide evenly among the replicas, as the last of an epoch seldom does,
each example still counts the same. Keras averages within each share, and then over the shares, so that an example of a small
share counts more, and clips the gradient of each share rather than that of the batch. `use_whole_batches` therefore
lends `train_on_share` to Keras' `fit` as well when there are several replicas.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.train.shares import distribute


def fit(
    model: keras.Model,
    strategy: tf.distribute.Strategy,
    clip_norm: float | None,
    x: tf.data.Dataset,
    *,
    validation_data: tf.data.Dataset | None = None,
    epochs: int = 1,
    initial_epoch: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    class_weight: dict[int, float] | None = None,
    checkpoints: Path | None = None,
    **_: Any,
) -> keras.callbacks.History:
    """Trains `model` as `keras.Model.fit` does.

    Args:
        model: Compiled, and built within the scope of `strategy`.
        strategy: Its replicas share each batch.
        clip_norm: As `train_on_share`.
        x: Batches of (features, label). A batch is the global one, whatever the number of replicas.
        validation_data: The same, for metrics with the prefix `val_` at the end of each epoch.
        epochs: The number of the last epoch, as Keras counts them.
        initial_epoch: The first epoch, counted from 0.
        callbacks: As for Keras; they hear of batches and epochs, and may set `model.stop_training`.
        class_weight: Class id → weight in the loss.
        checkpoints: Folder for a checkpoint of weights and optimizer after each epoch. If it holds one, training goes on
            after its epoch. (The stage train keeps more than that, whatever the loop: see `components.train.resume`.)
        _: Keras' shuffle and verbose, which datasets and callbacks see to here.

    Returns: Epochs and their metrics.
    """
    if class_weight is not None:
        x = add_class_weights(class_weight, x)
    train = distribute(x, strategy)
    evaluation = None if validation_data is None else distribute(validation_data, strategy)
    train_step = functools.partial(train_on_share, model, clip_norm)
    test_step = functools.partial(evaluate_on_share, model)
    if has_own_step(model):
        train_step, test_step = model.train_step, model.test_step

    # A graph is traced once, and again only where a batch has another shape (the last one, or longer texts). All replicas run
    # within it, and TensorFlow sees to the order of what they write.
    @tf.function(reduce_retracing=True, jit_compile=model.jit_compile)
    def train_on_batch(batch: Any) -> None:
        strategy.run(train_step, args=(batch,))

    @tf.function(reduce_retracing=True, jit_compile=model.jit_compile)
    def evaluate_on_batch(batch: Any) -> None:
        strategy.run(test_step, args=(batch,))

    build(model, strategy, x)
    done = tf.Variable(initial_epoch, trainable=False, dtype=tf.int64, name="epochs_done")
    manager = None
    if checkpoints is not None:
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, epochs_done=done)
        manager = tf.train.CheckpointManager(checkpoint, str(checkpoints), max_to_keep=1)
        manager.restore_or_initialize()

    told = keras.callbacks.CallbackList(list(callbacks), add_history=True, model=model, epochs=epochs, verbose=0)
    model.stop_training = False
    told.on_train_begin()
    first_epoch = max(int(done.numpy()), model._initial_epoch or 0)  # noqa: SLF001  BackupAndRestore sets it
    logs: dict[str, float] = {}
    for epoch in range(first_epoch, epochs):
        told.on_epoch_begin(epoch)
        _reset_metrics(model)
        for step, batch in enumerate(train):
            told.on_train_batch_begin(step)
            train_on_batch(batch)
            told.on_train_batch_end(step)
            if model.stop_training:
                break
        logs = _results(model)
        if evaluation is not None:
            told.on_test_begin()
            _reset_metrics(model)
            for batch in evaluation:
                evaluate_on_batch(batch)
            results = _results(model)
            told.on_test_end(results)
            logs |= {f"val_{name}": value for name, value in results.items()}
        if manager is not None:
            done.assign(epoch + 1)
            manager.save()
        told.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if first_epoch < epochs:
        iter(train)  # as `fit` does, so that a recipe's second phase goes through a shuffled dataset in the same orders
    told.on_train_end(logs)
    return model.history


def build(model: keras.Model, strategy: tf.distribute.Strategy, x: tf.data.Dataset) -> None:
    """Makes the variables of optimizer and metrics: they must be there before a graph uses them, and mirrored as weights are.

    Takes only the shapes of `x`. Keras' own `fit` takes a batch, after which a shuffled dataset goes on in another order.
    """
    spec = keras.tree.map_structure(lambda each: keras.KerasTensor(tuple(each.shape), each.dtype.name), x.element_spec)
    with strategy.scope():
        model._symbolic_build(data_batch=spec)  # noqa: SLF001  there is no public way


def train_on_share(model: keras.Model, clip_norm: float | None, batch: Any) -> dict[str, tf.Tensor]:
    """One replica's part in a training step; runs within `strategy.run`.

    Args:
        model: Compiled.
        clip_norm: The gradient of the batch is scaled down to this norm if it is larger; None leaves it as it is.
        batch: The replica's share of a batch, (features, label) or (features, label, weights). It may be empty.

    Returns: The metrics so far, of all replicas.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    replica = tf.distribute.get_replica_context()
    num_replicas = replica.num_replicas_in_sync
    share = _num_examples(x)
    num_examples = replica.all_reduce(tf.distribute.ReduceOp.SUM, share)
    # Keras takes the mean over the share, and divides it by the number of replicas. So weighted, the sum over all replicas is
    # the mean over the global batch; with even shares the weight is 1.
    balance = tf.cast(num_replicas * share, tf.float32) / tf.cast(num_examples, tf.float32)
    weights = tf.fill([share], balance)
    if sample_weight is not None:
        weights *= tf.cast(sample_weight, tf.float32)
    if isinstance(y, tf.Tensor) and y.shape.rank > 2:
        # Labels [batch, steps, …] have a loss for each step, over which Keras does not spread the weight of an example.
        weights = tf.reshape(weights, [-1, *[1] * (y.shape.rank - 2)])
    with tf.GradientTape() as tape:
        y_pred = _first(model(_at_least_one(x), training=True), share)
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights, training=True)
        scaled = model.optimizer.scale_loss(loss)  # against underflow, in mixed precision with float16
    variables = model.trainable_variables
    gradients = tape.gradient(scaled, variables)
    # Keras looks for overflow, which mixed precision with float16 has, in the first replica's gradients alone.
    if clip_norm is not None or (num_replicas > 1 and scaled is not loss):
        limit = math.inf if clip_norm is None else clip_norm * model.optimizer.scale_loss(1.0)
        factor = _factor(gradients, replica, limit)
        gradients = [None if gradient is None else _times(gradient, factor) for gradient in gradients]
    model.optimizer.apply_gradients(zip(gradients, variables, strict=True))  # sums over the replicas
    _update_loss(model, loss * num_replicas, tf.cast(num_examples, tf.float32) / num_replicas)
    metrics: dict[str, tf.Tensor] = model.compute_metrics(x, y, y_pred, sample_weight)
    return metrics


def evaluate_on_share(model: keras.Model, batch: Any) -> None:
    """One replica's part in an evaluation step: loss and metrics of its share, as `train_on_share` has it."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    num_replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    y_pred = model(x, training=False)
    loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
    _update_loss(model, loss * num_replicas, tf.cast(_num_examples(x), tf.float32))
    model.compute_metrics(x, y, y_pred, sample_weight)


def add_class_weights(class_weight: dict[int, float], dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of (features, label [batch, 1]) get the weight of each example, float32 [batch], as a third part."""
    table = tf.constant([class_weight[index] for index in range(len(class_weight))], tf.float32)

    def add(x: Any, y: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        return x, y, tf.gather(table, tf.reshape(y, [-1]))

    return dataset.map(add, num_parallel_calls=tf.data.AUTOTUNE)


def has_own_step(model: keras.Model) -> bool:
    """Whether the model's class brings its own `train_step`, as a VAE does; it then sees to loss and gradients itself.

    Its `test_step` is then taken as well: it knows that loss, or is Keras' own.
    """
    return type(model).train_step is not keras.Model.train_step


def use_whole_batches(model: keras.Model, clip_norm: float | None) -> None:
    """Has Keras' `fit` take `train_on_share` as its training step."""
    model.train_step = functools.partial(train_on_share, model, clip_norm)


def _factor(gradients: Sequence[Any], replica: Any, limit: Any) -> tf.Tensor:
    """What brings the global norm of the gradients, summed over all replicas, down to `limit`; NaN if one is infinite."""
    # Those of an embedding come row by row, and rows repeat: only as dense ones do they have their true norm.
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]
    norm = tf.linalg.global_norm(replica.all_reduce(tf.distribute.ReduceOp.SUM, dense))
    return tf.where(tf.math.is_finite(norm), tf.minimum(1.0, limit / tf.maximum(norm, 1e-12)), math.nan)


def _times(gradient: Any, factor: tf.Tensor) -> Any:
    """`gradient` × `factor`; rows of an embedding stay rows, which Keras' optimizers treat in their own way."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * factor


def _at_least_one(x: Any) -> Any:
    """`x` [examples, …], or one example of zeros in place of none, of which a batch normalisation would make NaN."""

    def fill(values: tf.Tensor) -> tf.Tensor:
        missing = tf.cast(tf.equal(tf.shape(values)[0], 0), tf.int32)
        return tf.concat([values, tf.zeros(tf.concat([[missing], tf.shape(values)[1:]], 0), values.dtype)], 0)

    return keras.tree.map_structure(fill, x)


def _first(values: Any, number: tf.Tensor) -> Any:
    return keras.tree.map_structure(lambda value: value[:number], values)


def _num_examples(x: Any) -> tf.Tensor:
    return tf.shape(keras.tree.flatten(x)[0])[0]


def _update_loss(model: keras.Model, loss: tf.Tensor, num_examples: tf.Tensor) -> None:
    next(metric for metric in model.metrics if metric.name == "loss").update_state(loss, sample_weight=num_examples)


def _reset_metrics(model: keras.Model) -> None:
    for metric in model.metrics:
        metric.reset_state()


def _results(model: keras.Model) -> dict[str, float]:
    return {name: float(value) for name, value in model.get_metrics_result().items()}

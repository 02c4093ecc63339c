"""Where a model trains: the `tf.distribute.Strategy` that train.strategy names.

After https://www.tensorflow.org/guide/distributed_training. The replicas of a strategy hold the same weights; each takes its
share of a batch, and their gradients are summed before the weights change (synchronous data parallelism).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.errors import TensorlineError, UserError
from components.train import cluster

HEARTBEAT_TIMEOUT_S = 10
"""A worker of which nobody heard for so long is gone; the others then fail."""


def create_strategy(settings: Mapping[str, Any]) -> tf.distribute.Strategy:
    """The strategy, to be made before TensorFlow does anything else in the process.

    Args:
        settings: The section `train`: `strategy`, `replicas`, `worker_timeout_s`, `batch_size`.

    Returns: `default`: TensorFlow's own, one device that each operation may choose. `one_device`: the first GPU, else the CPU.
        `mirrored`: all GPUs, or the first `replicas` of them; on a machine without any, as many logical CPUs, or one.
        `multi_worker`: all GPUs, or the CPU, of each worker that TF_CONFIG names. `tpu`: the TPU that the environment variable
        TPU_NAME names.

    Raises: UserError if there are no such devices, too few examples a batch for them, or TF_CONFIG is wrong; TensorlineError
        if a worker is missing.
    """
    kind, batch_size = settings["strategy"], settings["batch_size"]
    if kind == "default":
        return tf.distribute.get_strategy()
    if kind == "tpu":
        strategy = _tpu()
    elif kind == "multi_worker":
        strategy = _multi_worker(settings["worker_timeout_s"])
    else:
        gpus = [f"GPU:{index}" for index in range(len(tf.config.list_physical_devices("GPU")))]
        if kind == "one_device":
            return tf.distribute.OneDeviceStrategy(gpus[0] if gpus else "CPU:0")
        strategy = _mirrored(gpus, settings["replicas"])
    if batch_size < strategy.num_replicas_in_sync:
        raise UserError(
            f"train.batch_size: {batch_size} examples can't be shared among {strategy.num_replicas_in_sync} replicas. "
            "Expected one each or more: raise batch_size, or take fewer replicas."
        )
    return strategy


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process logs, saves and exports: all but workers that follow another."""
    resolver = strategy.cluster_resolver
    return not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver.task_id in {0, None}


def _multi_worker(timeout_s: int) -> tf.distribute.Strategy:
    """The replicas of all workers; each of them calls this, and it returns when all are there."""
    from tensorflow.python.eager import context  # which alone takes timeouts
    from tensorflow.python.eager.context import coordination_config_pb2

    from components.train.keras_mend import mend_reduction

    here = cluster.from_environment()
    if here is None:
        raise UserError(
            f"train.strategy: multi_worker takes its workers from the environment variable {cluster.VARIABLE}, and it is not "
            "set. Set train.workers to have as many started on this machine, or have a launcher set the variable."
        )
    others = [index for index in range(len(here.addresses)) if index != here.index]
    if not here.is_chief:
        here.wait_for([0], timeout_s)  # it leads the others; TensorFlow would not wait for a host without a name yet
    os.environ[cluster.VARIABLE] = here.as_tf_config()
    handle = signal.getsignal(signal.SIGTERM)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=1000 * timeout_s,
        heartbeat_timeout_in_ms=1000 * HEARTBEAT_TIMEOUT_S,
        shutdown_barrier_timeout_in_ms=1000,
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(here.addresses))],
    )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise TensorlineError(
            f"Worker {here.index} can't begin at {here.addresses[here.index]}: {str(error).splitlines()[0]}. Is the port "
            "taken, or the chief gone? The log tells more."
        ) from error
    if handle is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handle)  # TensorFlow has just taken the signal, and would ignore it
    here.wait_for(others, timeout_s)  # TensorFlow would wait for ever, deaf to signals
    # Every worker has an element for each replica at each step, so they need not ask each other whether one has none.
    strategy.extended.experimental_enable_get_next_as_optional = False
    mend_reduction()
    return strategy


def _mirrored(gpus: list[str], wanted: int | None) -> tf.distribute.Strategy:
    if not gpus:
        # Sums of gradients without the collectives of GPUs, which hold one group of devices a process.
        return tf.distribute.MirroredStrategy(_cpus(wanted or 1), tf.distribute.ReductionToOneDevice())
    if wanted is not None and wanted > len(gpus):
        raise UserError(
            f"train.replicas: {wanted} replicas, and this machine has {len(gpus)} GPUs. Expected at most as "
            "many; null takes all."
        )
    return tf.distribute.MirroredStrategy(gpus[:wanted])


def _cpus(number: int) -> list[str]:
    """Makes `number` logical devices of the CPU: they share its cores, so nothing gets faster, but all works as on GPUs."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    try:
        if len(tf.config.get_logical_device_configuration(cpu) or [cpu]) < number:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)
    except RuntimeError as error:
        raise UserError(
            f"train.replicas: {number} logical CPUs can't be made any more, because TensorFlow already runs in this process "
            "(another stage ran here before, as with TFX's LocalDagRunner). Run the stage in a process of its own "
            "(dvc repro), or set replicas to 1."
        ) from error
    return [f"CPU:{index}" for index in range(number)]


def _tpu() -> tf.distribute.Strategy:
    name = os.environ.get("TPU_NAME")
    if not name:
        raise UserError(
            "train.strategy: tpu takes the TPU that the environment variable TPU_NAME names, and it is not set. Expected a "
            "name, a grpc:// address, or 'local' on a TPU VM. Set it, or take another strategy: default, one_device "
            "or mirrored."
        )
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise UserError(
            f"train.strategy: the TPU '{name}' (TPU_NAME) can't be reached: {str(error).splitlines()[0]}. Check the name and "
            "that the TPU runs, or take another strategy: default, one_device or mirrored."
        ) from error
    return tf.distribute.TPUStrategy(resolver)

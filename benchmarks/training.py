"""What tracking, checkpoints and callbacks cost a training, and how long its steps wait for data.

Both sides train the same model on the same tf.data in this process: the baseline is Keras' `fit` with no callback at all but
one that looks at the clock, ours is the stage `train`. Compared are the times from the end of the first epoch, in which graphs
are traced, to the end of the last.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).parents[1]
REPEATS = 3
PIPELINES = {"taxi": (67, 4), "fashion": (1, 6)}
"""Pipeline → how many times its rows are trained on, and epochs."""


def run(
    repeats: int = REPEATS, pipelines: Mapping[str, tuple[int, int]] = MappingProxyType(PIPELINES)
) -> Iterator[dict[str, Any]]:
    """Yields, for each pipeline, the cost of everything around the loop, and the share of the loop spent waiting for data."""
    from components.tfrecord import count_split

    with tempfile.TemporaryDirectory() as temporary:
        for name, (copies, epochs) in pipelines.items():
            root = _prepared(Path(temporary) / name, name, copies, epochs)
            bare, bare_cpu, ours, ours_cpu = [], [], [], []
            for _ in range(repeats):
                for measure, wall, cpu in ((_bare, bare, bare_cpu), (_stage, ours, ours_cpu)):
                    times = measure(root, name)
                    wall.append(times[-1][0] - times[0][0])
                    cpu.append(times[-1][1] - times[0][1])
            num_rows = (epochs - 1) * count_split(root / "artifacts" / name / "transformed_examples", "train")
            yield {
                "what": f"train {name} ×{copies}, tracked and saved / bare Keras fit",
                "rows_per_s": num_rows / statistics.median(ours),
                "rows_per_cpu_s": num_rows / statistics.median(ours_cpu),
                "ours_s": statistics.median(ours),
                "baseline_s": statistics.median(bare),
                "ratio": statistics.median(ours) / statistics.median(bare),
                # Of a machine that does other work too, the time of its processors tells more.
                "cpu_ratio": statistics.median(ours_cpu) / statistics.median(bare_cpu),
                "repeats": repeats,
            }
            # In a process of its own: the clock can't be read in a graph where TensorFlow is deterministic.
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                waited, taken, whole = process.submit(_waiting, root, name).result()
                for what, seconds in (("waiting for data", waited - taken), ("taking a batch that is there", taken)):
                    yield {
                        "what": f"train {name} ×{copies}, steps {what} / epoch",
                        "ours_s": seconds,
                        "baseline_s": whole,
                        "ratio": seconds / whole,
                        "repeats": 1,
                    }


def _prepared(root: Path, name: str, copies: int, epochs: int) -> Path:
    """A copy of the repository in which everything before `train` ran, with the training split `copies` times over."""
    from tests.conftest import copy_repository

    copy_repository(root)
    params = root / "pipelines" / name / "params.yaml"
    lines = params.read_text(encoding="utf-8").splitlines()
    # All epochs of the same length: nothing stops early.
    kept = [line for line in lines if not line.strip().startswith(("epochs:", "early_stopping:"))]
    at = kept.index("train:") + 1
    params.write_text("\n".join([*kept[:at], f"  epochs: {epochs}", "  early_stopping: null", *kept[at:]]), encoding="utf-8")
    with _working_in(root):
        from components.bridge.stage import run_stage

        for stage in ("ingest", "validate", "transform", "tune"):
            run_stage(stage, name, root)
    for file in sorted((root / "artifacts" / name / "transformed_examples" / "Split-train").iterdir()):
        content = file.read_bytes()  # TFRecord files may be written one after another
        with file.open("wb") as out:
            for _ in range(copies):
                out.write(content)
    return root


def _fitting(root: Path, name: str, *, deterministic: bool = True) -> Any:
    """What the stage trains with, made in the same way."""
    from types import SimpleNamespace

    from components.bridge.job import Job
    from components.train.fitting import prepare

    folder = root / "artifacts" / name
    config = Job.load(name, root).recipe_config()
    config["train"]["deterministic"] = deterministic
    (schema,) = (folder / "schema").iterdir()
    return prepare(
        SimpleNamespace(  # type: ignore[arg-type]  as much of FnArgs as is read
            custom_config=config,
            hyperparameters=_hyperparameters(root, name),
            transform_graph_path=str(folder / "transform_graph"),
            schema_path=str(schema),
            train_files=[str(folder / "transformed_examples" / "Split-train" / "*")],
            eval_files=[str(folder / "transformed_examples" / "Split-eval" / "*")],
        )
    )


def _model(root: Path, name: str, fitting: Any) -> tuple[Any, Any]:
    """The model with the hyperparameters of the stage, compiled by the recipe alone."""
    import keras_tuner

    hp = keras_tuner.HyperParameters.from_config(_hyperparameters(root, name))
    return hp, fitting.recipe.build(hp)


def _hyperparameters(root: Path, name: str) -> dict[str, Any]:
    (file,) = (root / "artifacts" / name / "best_hyperparameters").glob("*.txt")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _now() -> tuple[float, float]:
    """(seconds by the clock, seconds of processors)."""
    return time.perf_counter(), time.process_time()


def _bare(root: Path, name: str) -> list[tuple[float, float]]:
    """When each epoch ended, as `_now` tells it, with nothing around Keras' `fit`."""
    import keras

    with _working_in(root):
        fitting = _fitting(root, name)
        hp, model = _model(root, name, fitting)
        times: list[tuple[float, float]] = []
        clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: times.append(_now()))
        epochs = fitting.config["train"]["epochs"]
        # The recipe's own callbacks (a schedule of the learning rate) belong to the model, and are the same on both sides.
        fitting.recipe.fit(
            hp, model, fitting.train, validation_data=fitting.eval, epochs=epochs, callbacks=[clock],
            class_weight=fitting.class_weight, shuffle=False, verbose=0,
        )  # fmt: skip
    return times


def _stage(root: Path, name: str) -> list[tuple[float, float]]:
    """The same of the stage `train`."""
    from components import progress
    from components.bridge.stage import run_stage

    times: list[tuple[float, float]] = []
    with _working_in(root), progress.listening(lambda metrics, step, num_steps: times.append(_now())):
        run_stage("train", name, root)
    return times


def _waiting(root: Path, name: str) -> tuple[float, float, float]:
    """(seconds until steps had their batch, the same where it is always there, seconds of the epoch).

    Of the second epoch, data and graphs being there. As in Keras' `fit`, a step takes its batch within the graph; the clock is
    read there as well. Taking a batch costs something, whatever lies behind it: TensorFlow leaves it to another thread. So the
    same is done with a data set that only hands out its first batch again and again; the difference is what the data cost.
    """
    import tensorflow as tf

    with _working_in(root):
        fitting = _fitting(root, name, deterministic=False)
        _, model = _model(root, name, fitting)
        data = fitting.train
        num_steps = int(data.cardinality())
        ready = tf.data.Dataset.from_tensors(next(iter(data))).repeat(num_steps)

        @tf.function(reduce_retracing=True)
        def step(batches: Any) -> Any:
            before = tf.timestamp()
            with tf.control_dependencies([before]):
                batch = next(batches)
            with tf.control_dependencies(tf.nest.flatten(batch)):
                waited = tf.timestamp() - before
            model.train_step(batch)
            return waited

        def epoch(of: Any) -> tuple[float, float]:
            started = time.perf_counter()
            batches = iter(of)
            return sum(float(step(batches)) for _ in range(num_steps)), time.perf_counter() - started

        for _ in range(2):
            taken, _ = epoch(ready)
            waited, whole = epoch(data)
    return waited, taken, whole


@contextlib.contextmanager
def _working_in(root: Path) -> Iterator[None]:
    """In the copy, and silently: the table is what is shown."""
    before = Path.cwd()
    os.chdir(root)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.chdir(before)

"""Two workers train as one process does; one that is killed is made up for."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from components import progress
from components.errors import TensorlineError, UserError
from components.train import launcher
from components.train.cluster import VARIABLE, Cluster
from components.train.launcher import free_addresses
from tests.components.train import multi_worker_process
from tests.conftest import ROOT

SCRIPT = Path(multi_worker_process.__file__)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """(folder, results) of one process; its model lies there as one.keras."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("workers")
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    multi_worker_process.build(strategy).save(folder / "one.keras")
    return folder, {loop: multi_worker_process.train(strategy, loop) for loop in ("fit", "custom")}


@pytest.fixture(scope="module")
def two(one: tuple[Path, dict[str, Any]]) -> list[dict[str, Any]]:
    """Results of the two workers of multi_worker_process.py."""
    folder, _ = one
    addresses = free_addresses(2)
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder)],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "CUDA_VISIBLE_DEVICES": "",
                VARIABLE: Cluster(addresses, index).as_tf_config(),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, -9], outputs[0][-3000:] + outputs[1][-3000:]
    return [json.loads((folder / f"{index}.json").read_text()) for index in range(2)]


@pytest.mark.slow
def test_workers_know_their_places(two: list[dict[str, Any]]) -> None:
    assert [(worker["is_chief"], worker["num_replicas"]) for worker in two] == [(True, 2), (False, 2)]


@pytest.mark.slow
def test_keras_still_needs_the_mend(two: list[dict[str, Any]]) -> None:
    # If one of these is None, keras#20585 is mended: remove components/train/keras_mend.py.
    for worker in two:
        assert worker["keras_alone"] is not None
        assert worker["keras_with_a_built_model"] is not None


@pytest.mark.slow
def test_each_example_is_seen_once_an_epoch_in_the_batch_of_one_process(two: list[dict[str, Any]]) -> None:
    for epoch in range(2):
        steps = [first + second for first, second in zip(two[0]["seen"][epoch], two[1]["seen"][epoch], strict=True)]
        assert steps == two[0]["one_process"][epoch]
        assert sorted(number for step in steps for number in step) == list(range(multi_worker_process.NUM_EXAMPLES))
    assert [len(share) for share in two[0]["seen"][0]] == [8, 8, 6]
    assert two[0]["seen"][0] != two[0]["seen"][1]


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["fit", "custom"])
def test_curves_and_weights_are_those_of_one_process(
    one: tuple[Path, dict[str, Any]], two: list[dict[str, Any]], loop: str
) -> None:
    expected = one[1][loop]
    assert len(expected["history"]["val_loss"]) == 3  # early stopping
    assert two[0][loop] == two[1][loop]
    assert set(two[0][loop]["history"]) == set(expected["history"])
    for name, values in expected["history"].items():
        assert two[0][loop]["history"][name] == pytest.approx(values, rel=1e-5), name
    for weights, those_of_one in zip(two[0][loop]["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(weights, those_of_one, atol=1e-6)


@pytest.mark.slow
def test_a_model_passes_from_one_process_to_several_and_back(
    one: tuple[Path, dict[str, Any]], two: list[dict[str, Any]]
) -> None:
    import keras

    assert two[0]["tuned"][1] < two[0]["tuned"][0]
    model = keras.saving.load_model(one[0] / "two.keras")
    loss = model.fit(multi_worker_process.examples(), verbose=0).history["loss"][0]
    assert loss < two[0]["tuned"][1]


@pytest.mark.slow
def test_workers_with_other_inputs_are_told(two: list[dict[str, Any]]) -> None:
    for worker in two:
        assert worker["different"] == (
            "train.strategy: worker 1 was given other examples than the chief, worker 0. Expected the same on all: run them "
            "on the same commit, with the same artifacts and parameters."
        )


@pytest.mark.slow
def test_a_worker_that_is_gone_is_told(one: tuple[Path, dict[str, Any]], two: list[dict[str, Any]]) -> None:
    text = (one[0] / "lost.txt").read_text()
    assert text.startswith(
        "Another worker is gone, or can't be reached any more, so that this one can't train on. Look at the others' logs, "
        "and start all workers again. TensorFlow says: "
    )


LOST = {
    signal.SIGKILL: (None, r"Worker 1 was killed by SIGKILL; its log: \S*train-worker-1\.log\."),
    # The launcher no longer hears of it, nor does TensorFlow, which sees that after some 10 s: either may come first.
    signal.SIGSTOP: (
        20,
        r"(No worker has ended a step for 20 s \(train\.progress_timeout_s\)\. )?Worker 1 is stopped, or hangs: not a word of "
        r"it for \d+ s; its log: \S*train-worker-1\.log\.",
    ),
}


@pytest.fixture(scope="module")
def undisturbed(fn_args_of: Callable[..., SimpleNamespace], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training in one process."""
    from components.train.run_fn import run_fn

    folder = tmp_path_factory.mktemp("one")
    arguments = fn_args_of(folder, train={**DISTURBED, "strategy": "one_device"})
    arguments.hyperparameters["values"]["dropout"] = 0.0
    run_fn(arguments)
    return folder


DISTURBED = {"epochs": 4, "early_stopping": None, "worker_timeout_s": 60}


@pytest.mark.slow
@pytest.mark.parametrize("signal_sent", LOST)
def test_a_worker_that_is_killed_or_stopped_costs_time_and_nothing_else(
    fn_args_of: Callable[..., SimpleNamespace],
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    signal_sent: signal.Signals,
) -> None:
    from components.train.run_fn import run_fn

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    timeout_s, expected_story = LOST[signal_sent]
    told: list[str] = []
    published: list[int] = []

    def disturb_the_second(metrics: Any, step: int, num_steps: int) -> None:
        published.append(step)
        if step == 2:
            (worker,) = [each for each in psutil.Process().children() if _place(each) == 1]
            threading.Timer(0.1, worker.send_signal, [signal_sent]).start()  # in the third epoch

    settings = {**DISTURBED, "strategy": "multi_worker", "workers": 2, "progress_timeout_s": timeout_s}
    arguments = fn_args_of(tmp_path, train=settings)
    arguments.hyperparameters["values"]["dropout"] = 0.0
    with progress.listening(disturb_the_second), progress.hearing(told.append):
        run_fn(arguments)
    assert published == [1, 2, 3, 4]
    (text,) = told
    again = r" All workers are stopped and started again \(1 of at most 3 times\)\."
    assert re.fullmatch(expected_story + again, text), text
    found, expected = (json.loads((each / "model_run" / "history.json").read_text()) for each in (tmp_path, undisturbed))
    for epoch, epoch_of_one in zip(found["epochs"], expected["epochs"], strict=True):
        assert epoch == pytest.approx(epoch_of_one, rel=1e-4)
    assert [each for each in psutil.Process().children() if _place(each) is not None] == []
    _answer_alike([tmp_path, undisturbed])


WORKER = """
import json, time
for count in [{counts}]:
    print(json.dumps({{"num_beats": count}}), flush=True)
while {goes_on}:
    time.sleep(0.2)
    print(json.dumps({{"num_beats": count}}), flush=True)
"""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[..., list[launcher._Worker]]]:
    """Starts processes that tell of these beats, and then of no more."""
    started: list[launcher._Worker] = []

    def start(*counts: str, goes_on: bool = True) -> list[launcher._Worker]:
        for index, each in enumerate(counts):
            code = WORKER.format(counts=each, goes_on=goes_on)
            process = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            started.append(launcher._Worker(index, tmp_path / f"train-worker-{index}.log", process))
            threading.Thread(target=started[-1]._read, daemon=True).start()
        return started

    yield start
    for worker in started:
        worker.process.kill()
        worker.process.wait()


@pytest.mark.parametrize(
    ("counts", "story"),
    [
        (("0, 1, 12", "0, 1, 11"), "Worker 1 is behind the others, which wait for it; its log: {folder}/train-worker-1.log."),
        (("3", "4"), "Worker 0 (the chief) is behind the others, which wait for it; its log: {folder}/train-worker-0.log."),
        (
            ("7", "7"),
            "None is behind the others; their logs: {folder}/train-worker-0.log, {folder}/train-worker-1.log.",
        ),
    ],
)
def test_workers_that_live_and_get_on_no_more_are_lost(
    watched: Callable[..., list[launcher._Worker]], tmp_path: Path, counts: tuple[str, ...], story: str
) -> None:
    lost = launcher._watch(watched(*counts), launcher._Published(), 1.5, 60.0)
    assert lost == launcher._Lost(
        f"No worker has ended a step for 1.5 s (train.progress_timeout_s). {story.format(folder=tmp_path)}",
        "Look into the log for what it waits for. If its steps do take so long, raise train.progress_timeout_s; null waits "
        "for ever.",
    )


def test_a_chief_that_exports_alone_is_left_to_it(watched: Callable[..., list[launcher._Worker]]) -> None:
    workers = watched("5")
    threading.Timer(3.0, workers[0].process.kill).start()
    lost = launcher._watch(workers, launcher._Published(), 0.5, 0.0)
    assert lost is not None
    assert lost.story.startswith("Worker 0 (the chief) was killed by SIGKILL; its log: ")


def test_the_first_step_may_take_longer_and_null_waits_for_ever(watched: Callable[..., list[launcher._Worker]]) -> None:
    workers = watched("5", "0")  # the second has not begun
    begin = time.monotonic()
    assert launcher._watch(workers, launcher._Published(), 0.5, 2.0) is not None
    assert time.monotonic() - begin > 2.5
    threading.Timer(1.0, lambda: [worker.process.kill() for worker in workers]).start()
    lost = launcher._watch(workers, launcher._Published(), None, 0.0)
    assert lost is not None
    assert lost.story.startswith("Worker 0 (the chief) was killed by SIGKILL; its log: ")


def _place(process: psutil.Process) -> int | None:
    """Which worker a process is; None if it is none."""
    if "components.train.worker" not in process.cmdline():
        return None
    index: int = json.loads(process.environ()[VARIABLE])["task"]["index"]
    return index


def _answer_alike(folders: list[Path]) -> None:
    """The exported models of two trainings, where there is no cluster."""
    import keras
    import tensorflow as tf

    row = {"island": "Biscoe", "sex": "male", "bill_length_mm": 46.1, "bill_depth_mm": 15.1, "flipper_length_mm": 215.0}
    columns = {"body_mass_g": 5100.0, **row}
    answers, weights = [], []
    for folder in folders:
        model = folder / "model"
        served = tf.saved_model.load(str(model / "Format-Serving")).signatures["serve_raw"]
        wanted = {key: spec.dtype for key, spec in served.structured_input_signature[1].items()}
        given = {key: tf.constant([[columns[key]]], dtype) for key, dtype in wanted.items()}
        answers.append(served(**given)["probabilities"].numpy())
        weights.append(keras.saving.load_model(model / "keras" / "model.keras").get_weights())
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.slow
def test_a_mistake_ends_the_workers_with_its_message(
    fn_args_of: Callable[..., SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.train.run_fn import run_fn

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    train = {"strategy": "multi_worker", "workers": 1, "accumulate_steps": 1, "batch_size": 16, "early_stopping": None}
    arguments = fn_args_of(tmp_path, train={**train, "class_weights": {"Chinstrop": 2.0}})
    with pytest.raises(UserError) as raised:
        run_fn(arguments)
    assert str(raised.value).startswith("train.class_weights: ")


def test_without_workers_the_strategy_says_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from components.train.strategy import create_strategy

    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UserError) as raised:
        create_strategy({"strategy": "multi_worker", "worker_timeout_s": 1, "batch_size": 16})
    assert str(raised.value) == (
        "train.strategy: multi_worker takes its workers from the environment variable TF_CONFIG, and it is not set. Set "
        "train.workers to have as many started on this machine, or have a launcher set the variable."
    )


def test_a_chief_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from components.train.strategy import create_strategy

    addresses = free_addresses(2)
    monkeypatch.setenv(VARIABLE, Cluster(addresses, 1).as_tf_config())
    with pytest.raises(TensorlineError) as raised:
        create_strategy({"strategy": "multi_worker", "worker_timeout_s": 1, "batch_size": 16})
    assert str(raised.value) == (
        f"Worker 0 at {addresses[0]} can't be reached from worker 1 within 1 s (train.worker_timeout_s): Connection refused. "
        "Start all 2 workers, with the same addresses, and let them reach each other's ports."
    )


def test_shares_differ_by_one_example_at_most() -> None:
    import tensorflow as tf

    from components.train.shares import share

    for num_examples in (0, 1, 3, 4, 17):
        shares = [share((tf.range(num_examples),), 4, tf.constant(index, tf.int64))[0].numpy() for index in range(4)]
        assert np.concatenate(shares).tolist() == list(range(num_examples))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.slow
def test_a_worker_that_follows_writes_a_log_and_nothing_else(penguins: Path, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    shutil.copytree(penguins, root)
    file = root / "pipelines" / "penguins" / "params.yaml"
    file.write_text(file.read_text().replace("train:\n", "train:\n  strategy: multi_worker\n  worker_timeout_s: 1\n"))
    addresses = free_addresses(2)
    before = _files(root)
    done = subprocess.run(
        [sys.executable, "-m", "components.train", "penguins"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT), VARIABLE: Cluster(addresses, 1).as_tf_config()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "penguins · train     started; the libraries' log: artifacts/penguins/logs/train-worker-1.log\n"
    assert done.stderr == (
        f"\npenguins · train: Worker 0 at {addresses[0]} can't be reached from worker 1 within 1 s (train.worker_timeout_s): "
        "Connection refused. Start all 2 workers, with the same addresses, and let them reach each other's ports.\n"
    )
    assert done.returncode == 1
    after = _files(root)
    assert set(after) - set(before) == {root / "artifacts" / "penguins" / "logs" / "train-worker-1.log"}
    assert {path: after[path] for path in before} == before


def _files(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}

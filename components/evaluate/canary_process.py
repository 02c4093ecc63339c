"""The fresh process in which the model answers: `python -m components.evaluate.canary_process FOLDER`.

It imports TensorFlow, and no more, as a server would; loads the models whose folders the first line of its input names (a JSON
list); waits for a second line; reads FOLDER/requests.json, and writes FOLDER/answers.npz (of the first model, signature/output
→ array) and FOLDER/latency.json (milliseconds, one a model); what goes wrong, into FOLDER/problem.txt. It ends when its input
does, so that it never outlives who started it.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.environment import prepare

REQUESTS_FILE, ANSWERS_FILE, LATENCY_FILE, PROBLEM_FILE = "requests.json", "answers.npz", "latency.json", "problem.txt"
SERVE_EXAMPLES, SERVE_RAW, SCORE_EXAMPLES = "serving_default", "serve_raw", "score_examples"

_WARM_UP = 3
_MIN_REQUESTS, _MAX_REQUESTS = 10, 200
_MAX_SECONDS = 3.0
"""A model: of a slow one the latency is the median of fewer requests."""

Columns = dict[str, NDArray]


def main(folder: Path) -> int:
    """Answers; returns the exit code."""
    try:
        prepare()
        gc.disable()  # hardly anything of what it makes until it ends can be freed
        from components.saved_model import import_tensorflow, load

        import_tensorflow()
        models = sys.stdin.readline()
        if not models:
            return 0  # there is nothing to evaluate
        loaded = [load(Path(each)) for each in json.loads(models)]
        if not sys.stdin.readline():
            return 0  # nobody wants to know any more
        requests = json.loads((folder / REQUESTS_FILE).read_text(encoding="utf-8"))
        answers = _answer(loaded[0], requests)
        np.savez(folder / ANSWERS_FILE, **answers)  # type: ignore[arg-type]
        latency = _latencies([each.signatures[SERVE_RAW] for each in loaded], requests["rows"])
        (folder / LATENCY_FILE).write_text(json.dumps(latency), encoding="utf-8")
    except Exception as error:  # noqa: BLE001  whatever it is, the gate says so
        lines = [line for line in str(error).splitlines() if line and not line[0].isspace()]
        (folder / PROBLEM_FILE).write_text(f"{type(error).__name__}: {lines[0] if lines else ''}", encoding="utf-8")
        return 1
    return 0


def _answer(model: Any, requests: Mapping[str, Any]) -> dict[str, NDArray]:
    """`signature/output` → array, [requests, …]; strings as unicode."""
    import tensorflow as tf

    serialized = tf.constant([base64.b64decode(each) for each in requests["serialized"]])
    rows = [_columns(model.signatures[SERVE_RAW], row) for row in requests["rows"]]
    together = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    found = {
        SERVE_EXAMPLES: model.signatures[SERVE_EXAMPLES](examples=serialized),
        SERVE_RAW: _ask(model.signatures[SERVE_RAW], together),
    }
    if SCORE_EXAMPLES in model.signatures:
        found[SCORE_EXAMPLES] = model.signatures[SCORE_EXAMPLES](examples=serialized)
    return {f"{key}/{name}": _plain(each.numpy()) for key, outputs in found.items() for name, each in outputs.items()}


def _columns(signature: Any, row: Mapping[str, Any]) -> Columns:
    """The request's row as `serve_raw` takes it: column → [1, …], NaN or "" where missing."""
    columns = {}
    for name, spec in signature.structured_input_signature[1].items():
        dtype, value = spec.dtype.as_numpy_dtype, row.get(name)
        if dtype is object:
            found: Any = b"" if value is None else base64.b64decode(value["b64"])
        else:
            found = np.nan if value is None else value
        columns[name] = np.array(found, dtype).reshape(1, *spec.shape[1:])
    return columns


def _ask(signature: Any, columns: Columns) -> dict[str, Any]:
    import tensorflow as tf

    specs = signature.structured_input_signature[1]
    answer: dict[str, Any] = signature(**{name: tf.constant(column, specs[name].dtype) for name, column in columns.items()})
    return answer


def _plain(values: NDArray) -> NDArray:
    if values.dtype != object:
        return values
    return np.array([each.decode("utf-8", "replace") for each in values.ravel()], str).reshape(values.shape)


def _latencies(signatures: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Milliseconds from NumPy to NumPy of a request of one row, the median, for each model; they take turns."""
    asked = [[_columns(signature, row) for row in rows] for signature in signatures]
    taken: list[list[float]] = [[] for _ in signatures]
    for signature, columns in zip(signatures, asked, strict=True):
        for turn in range(_WARM_UP):
            _take(signature, columns[turn % len(rows)])
    end = time.monotonic() + _MAX_SECONDS * len(signatures)
    for turn in range(_MAX_REQUESTS):
        for signature, columns, times in zip(signatures, asked, taken, strict=True):
            times.append(_take(signature, columns[turn % len(rows)]))
        if turn + 1 >= _MIN_REQUESTS and time.monotonic() > end:
            break
    return [statistics.median(times) * 1000 for times in taken]


def _take(signature: Any, columns: Columns) -> float:
    started = time.perf_counter()
    for output in _ask(signature, columns).values():
        output.numpy()
    return time.perf_counter() - started


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(code)  # nothing is left to do, and TensorFlow takes a while to say goodbye

"""The canary: the exported model answers some test examples in a fresh process, and must say what was evaluated.

Whoever serves the model starts anew, with the files alone, and sends raw columns as often as serialized ones; the evaluation
did neither. The process imports TensorFlow while this one does other things: it can be started before anything is known of the
models.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.evaluate.canary_process import (
    ANSWERS_FILE,
    LATENCY_FILE,
    PROBLEM_FILE,
    REQUESTS_FILE,
    SCORE_EXAMPLES,
    SERVE_EXAMPLES,
    SERVE_RAW,
)
from components.evaluate.checks import Check, Item
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import TEST_SPLIT, as_outputs, count_records
from components.examples_table import read_serialized
from components.params.models import CanaryParams

if TYPE_CHECKING:
    from tensorflow.core.example import feature_pb2
    from tensorflow_metadata.proto.v0 import schema_pb2

TIMEOUT_S = 900.0
"""A model that answers no sooner is broken."""
_MAX_LOOKED_AT = 1000
_CODE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Requests:
    """Test examples, in both forms in which a model is asked.

    Attributes:
        records: Their positions in the test split, int64 [requests].
        serialized: tf.Examples.
        rows: Raw column → number, list of numbers, or base64 of bytes as `{"b64": …}`; a column without a value is missing.
    """

    records: NDArray[np.int64]
    serialized: list[bytes]
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Answers:
    """What came of the requests.

    Attributes:
        outputs: `signature/output` → array, [requests, …].
        latency_ms: Median of requests of one row, one a model that was asked.
        problem: Why there is no answer; None if there is.
    """

    outputs: dict[str, NDArray]
    latency_ms: list[float]
    problem: str | None = None


class Canary:
    """A fresh process that imports and loads while this one does other things; a context manager, which ends it."""

    def __enter__(self) -> Canary:
        self._scratch = tempfile.TemporaryDirectory(prefix="tensorline-canary-")
        path = os.pathsep.join(filter(None, [str(_CODE), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "components.evaluate.canary_process", self._scratch.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._scratch.cleanup()

    def load(self, *models: Path) -> None:
        """Has it load models, once a process.

        Args:
            models: Folders of Model artifacts; the first answers, of all the latency is measured.
        """
        assert self._process.stdin is not None  # noqa: S101  for the type checker
        with contextlib.suppress(BrokenPipeError):  # it ended by itself, and `ask` tells why
            self._process.stdin.write(json.dumps([str(each.resolve()) for each in models]) + "\n")
            self._process.stdin.flush()

    def ask(self, requests: Requests) -> Answers:
        """The answers to at least one request; once a process, after `load`."""
        folder = Path(self._scratch.name)
        content = {"serialized": [_base64(each) for each in requests.serialized], "rows": requests.rows}
        (folder / REQUESTS_FILE).write_text(json.dumps(content), encoding="utf-8")
        try:
            self._process.communicate("go\n", timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return Answers({}, [], f"it did not answer within {TIMEOUT_S:g} s")
        problem = folder / PROBLEM_FILE
        if problem.exists():
            return Answers({}, [], problem.read_text(encoding="utf-8"))
        if self._process.returncode != 0:
            return Answers({}, [], f"the process ended with exit code {self._process.returncode}")
        with np.load(folder / ANSWERS_FILE, allow_pickle=False) as answers:
            outputs = {name: answers[name] for name in answers.files}
        return Answers(outputs, json.loads((folder / LATENCY_FILE).read_text(encoding="utf-8")))


def pick_requests(examples: Path, inputs: Collection[str], schema: schema_pb2.Schema, params: CanaryParams) -> Requests:
    """Test examples from all of the split, and for each input one that lacks it, if there is one among a thousand.

    Examples that raw columns can't express are left out: an empty string and NaN mean "missing" there, and a cell of a column
    without a fixed shape holds one value.

    Args:
        examples: Folder of the Examples artifact.
        inputs: Raw columns that the model takes.
        schema: Of the raw features.
        params: How many.
    """
    from tensorflow.core.example import example_pb2

    total = count_records(examples, TEST_SPLIT)
    looked_at = np.unique(np.linspace(0, total - 1, min(total, _MAX_LOOKED_AT)).round().astype(np.int64))
    several = {each.name for each in schema.feature if any(dim.size > 1 for dim in each.shape.dim)}
    found: list[tuple[int, bytes, dict[str, Any]]] = []
    lacked: set[str] = set()
    num_spread, seen = 0, 0
    for position, serialized in _records_at(examples, looked_at):
        seen += 1
        row = _row(example_pb2.Example.FromString(serialized).features.feature, inputs, several)
        if row is None:
            continue
        lacks = {name for name in inputs if name not in row} - lacked
        is_due = num_spread < params.num_requests * seen / len(looked_at)
        if is_due or (lacks and len(found) < 2 * params.num_requests):
            num_spread += is_due
            lacked |= lacks
            found.append((position, serialized, row))
    return Requests(np.array([each[0] for each in found], np.int64), [each[1] for each in found], [each[2] for each in found])


def check_canary(
    requests: Requests, answers: Answers, evaluated: NDArray, model: ModelInfo, params: CanaryParams
) -> tuple[Check, float | None]:
    """Whether the answers are those that were evaluated, and raw columns give what serialized examples give.

    Args:
        requests: What was asked, at least one.
        answers: What was answered.
        evaluated: Of these examples, as `Predictions.outputs`; of a ranking their scores: [requests, …].
        model: What its model.json says.
        params: The tolerance.

    Returns: The check, and the largest difference (see `CanaryParams.tolerance`); None if there is none, or no number for it.
    """
    if answers.problem is not None:
        reason = f"in a fresh process the exported model gives no answer: {answers.problem}"
        return Check("canary", passed=False, reason=reason, items=[Item("answers", passed=False, note=answers.problem)]), None
    outputs: dict[str, dict[str, NDArray]] = {}
    for key, values in sorted(answers.outputs.items()):  # TensorFlow has them in another order in each process
        signature, _, name = key.partition("/")
        outputs.setdefault(signature, {})[name] = values
    judged = [SCORE_EXAMPLES] if model.kind == "scored" else [SERVE_EXAMPLES, SERVE_RAW]
    compared = {f"{each}, as evaluated": (as_outputs(outputs[each], model, model), evaluated) for each in judged}
    for name, values in outputs[SERVE_EXAMPLES].items():
        compared[f"{name} by {SERVE_RAW}, as by {SERVE_EXAMPLES}"] = (outputs[SERVE_RAW][name], values)
    items, worst = [], 0.0
    for what, (found, expected) in compared.items():
        away = differences(found, expected)
        worst = max(worst, float(away.max()))
        bad = away > params.tolerance
        # A difference within the tolerance is not told: its last bits are those of the machine.
        note = ""
        if bad.any():
            first = int(bad.argmax())
            note = (
                f"{bad.sum()} of {len(bad)} requests, first record {requests.records[first]} of the test split: "
                f"{_told(found[first])}, expected {_told(expected[first])}"
            )
        value = float(away.max()) if note and np.isfinite(away).all() else None  # JSON has no infinity
        items.append(Item(what, value, max=params.tolerance, passed=not note, note=note))
    failed = [f"{each.what}: {each.note}" for each in items if not each.passed]
    asked = f"{len(requests.records)} requests in a fresh process"
    if failed:
        reason = f"{asked} are answered otherwise than within {params.tolerance:g} (evaluate.canary.tolerance): {failed[0]}"
    else:
        reason = f"{asked} are answered as evaluated, within {params.tolerance:g}"
    return Check("canary", not failed, reason, items=items), worst if np.isfinite(worst) else None


def nothing_to_ask() -> Check:
    """Where `pick_requests` found no example that raw columns can express."""
    reason = "none of the test examples that were looked at can be asked for as raw columns"
    return Check("canary", passed=True, reason=reason, judged=False)


def differences(found: NDArray, expected: NDArray) -> NDArray[np.float64]:
    """The largest |found − expected| / (1 + |expected|) of each request; strings that differ are infinitely far."""
    rows = len(expected)
    if found.shape != expected.shape:
        return np.full(rows, np.inf)
    if expected.dtype.kind == "U":
        away = np.where(found == expected, 0.0, np.inf)
    else:
        ours, theirs = found.astype(np.float64), expected.astype(np.float64)
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        with np.errstate(invalid="ignore"):
            away = np.where(same, 0.0, np.nan_to_num(np.abs(ours - theirs) / (1 + np.abs(theirs)), nan=np.inf, posinf=np.inf))
    return np.asarray(away.reshape(rows, -1).max(axis=1, initial=0.0), np.float64)


def _records_at(examples: Path, positions: NDArray[np.int64]) -> Any:
    """(position, serialized tf.Example) of the test split, in order."""
    wanted, start = set(positions.tolist()), 0
    for batch in read_serialized(examples, TEST_SPLIT):
        yield from ((start + index, each) for index, each in enumerate(batch) if start + index in wanted)
        start += len(batch)


def _row(
    features: Mapping[str, feature_pb2.Feature], inputs: Collection[str], several: Collection[str]
) -> dict[str, Any] | None:
    """The raw columns of an example; None if they can't express it."""
    row: dict[str, Any] = {}
    for name in inputs:
        field = features[name].WhichOneof("kind") if name in features else None
        values: Sequence[Any] = getattr(features[name], field).value if field else ()
        if name in several:
            row[name] = list(values)
        elif len(values) > 1:
            return None
        elif len(values) == 1:
            value = values[0]
            if value in (b"", "") or value != value:  # noqa: PLR0124  NaN alone differs from itself
                return None
            row[name] = {"b64": _base64(value)} if isinstance(value, bytes) else value
    return row


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _told(value: NDArray) -> str:
    text = np.array2string(np.asarray(value), precision=6, threshold=8, separator=", ")
    return " ".join(text.split())

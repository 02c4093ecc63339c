"""The exported model in a fresh process: what it is asked, and what its answers are held against."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import tensorflow_data_validation as tfdv

from components.evaluate.canary import (
    Answers,
    Canary,
    Requests,
    check_canary,
    differences,
    nothing_to_ask,
    pick_requests,
)
from components.evaluate.checks import Item
from components.evaluate.incumbent import shown_size_mb, size_bytes
from components.evaluate.model_info import read_model_info
from components.evaluate.outcome import gate_lines
from components.evaluate.report_component import ModelReport
from components.params.models import CanaryParams, EvaluateParams
from components.tfrecord import count_split
from tests.components.warm.conftest import ROOT, is_alive, wait_until

PARAMS = CanaryParams(num_requests=4)


@pytest.fixture(scope="module")
def asked(penguins: Path) -> SimpleNamespace:
    """The penguins' model asked in a fresh process, as champion too."""
    folder = penguins / "artifacts" / "penguins"
    model = read_model_info(folder / "model")
    (schema_file,) = (folder / "schema").iterdir()
    requests = pick_requests(folder / "examples", list(model.inputs), tfdv.load_schema_text(str(schema_file)), PARAMS)
    with Canary() as canary:
        canary.load(folder / "model", folder / "model")
        answers = canary.ask(requests)
    written = pd.read_parquet(folder / "report" / "predictions.parquet")
    evaluated = np.stack(written["probabilities"])[requests.records]
    return SimpleNamespace(folder=folder, model=model, requests=requests, answers=answers, evaluated=evaluated)


@pytest.mark.slow
def test_requests_are_spread_and_some_lack_a_value(asked: SimpleNamespace) -> None:
    records, total = asked.requests.records, count_split(asked.folder / "examples", "test")
    assert records[0] < total / 4 < total / 2 < records[-1]
    table = pd.DataFrame(asked.requests.rows)
    # Some penguins have no sex, and are rare.
    assert table["sex"].isna().any()
    assert set(table) == set(asked.model.inputs)
    assert len(records) == len(asked.requests.serialized) in {4, 5, 6, 7, 8}


@pytest.mark.slow
def test_a_fresh_process_answers_as_evaluated(asked: SimpleNamespace) -> None:
    assert asked.answers.problem is None
    assert set(asked.answers.outputs) == {
        f"{signature}/{name}" for signature in ("serving_default", "serve_raw") for name in ("probabilities", "label")
    }
    assert len(asked.answers.latency_ms) == 2
    assert all(0.01 < each < 10_000 for each in asked.answers.latency_ms)
    check, worst = check_canary(asked.requests, asked.answers, asked.evaluated, asked.model, PARAMS)
    assert (check.passed, check.judged) == (True, True)
    assert (
        check.reason == f"{len(asked.requests.records)} requests in a fresh process are answered as evaluated, within 0.0001"
    )
    assert worst < 1e-5
    compared = ["serving_default, as evaluated", "serve_raw, as evaluated"]
    compared += [f"{name} by serve_raw, as by serving_default" for name in ("label", "probabilities")]
    assert sorted(each.what for each in check.items) == sorted(compared)
    # Within the tolerance no number is told: the report's bytes are to be the same on any machine.
    assert {(each.value, each.passed) for each in check.items} == {(None, True)}


@pytest.mark.slow
def test_an_answer_that_was_not_evaluated_fails(asked: SimpleNamespace) -> None:
    evaluated = asked.evaluated.copy()
    evaluated[1] = [0.25, 0.5, 0.25]
    check, worst = check_canary(asked.requests, asked.answers, evaluated, asked.model, PARAMS)
    assert check.passed is False
    found = np.array2string(
        asked.answers.outputs["serving_default/probabilities"][1].astype(float), precision=6, separator=", "
    )
    count = len(asked.requests.records)
    note = f"1 of {count} requests, first record {asked.requests.records[1]} of the test split: "
    assert check.reason == (
        f"{count} requests in a fresh process are answered otherwise than within 0.0001 (evaluate.canary.tolerance): "
        f"serving_default, as evaluated: {note}{found}, expected [0.25, 0.5 , 0.25]"
    )
    assert check.items[0].value == worst > 0.1
    loose = CanaryParams(tolerance=2.0)
    assert check_canary(asked.requests, asked.answers, evaluated, asked.model, loose)[0].passed is True


@pytest.mark.slow
def test_raw_columns_that_are_answered_otherwise_fail(asked: SimpleNamespace) -> None:
    outputs = dict(asked.answers.outputs)
    outputs["serve_raw/label"] = np.array(["Dodo", *outputs["serve_raw/label"][1:]])
    answers = dataclasses.replace(asked.answers, outputs=outputs)
    check, worst = check_canary(asked.requests, answers, asked.evaluated, asked.model, PARAMS)
    (failed,) = (each for each in check.items if not each.passed)
    expected = outputs["serving_default/label"].ravel()[0]
    assert failed == Item(
        "label by serve_raw, as by serving_default",
        max=0.0001,
        passed=False,
        note=f"1 of {len(answers.outputs['serve_raw/label'])} requests, first record {asked.requests.records[0]} of the test "
        f"split: 'Dodo', expected '{expected}'",
    )
    assert worst is None
    json.dumps(dataclasses.asdict(check), allow_nan=False)


@pytest.mark.slow
def test_the_stage_asked_and_noted_what_differs_from_time_to_time(asked: SimpleNamespace) -> None:
    checks = {each["name"]: each for each in json.loads((asked.folder / "report" / "verdict.json").read_text())["checks"]}
    assert list(checks) == ["anomalies", "thresholds", "slices", "champion", "guessing", "canary", "size", "latency"]
    assert checks["canary"]["passed"] is checks["canary"]["judged"] is True
    measured = json.loads((asked.folder / "canary" / "canary.json").read_text())
    assert list(measured) == ["num_requests", "max_difference", "latency_ms", "champion_latency_ms"]
    assert measured["num_requests"] >= 16
    assert measured["max_difference"] < 1e-5
    assert measured["latency_ms"] > 0.01
    assert measured["champion_latency_ms"] is None


@pytest.mark.slow
def test_a_tie_goes_to_the_smaller_model(asked: SimpleNamespace, run_component: Callable[..., Any], tmp_path: Path) -> None:
    folder = asked.folder
    shutil.copytree(folder / "model", tmp_path / "champion")
    description = json.loads((folder / "model" / "model.json").read_text())
    (tmp_path / "champion" / "model.json").write_text(json.dumps({**description, "digest": "c" * 64}))
    (tmp_path / "champion" / "Format-Serving" / "assets" / "ballast").write_bytes(bytes(9_000_000))
    inputs = {key: folder / key for key in ("examples", "model", "schema", "evaluation", "blessing", "anomalies")}
    # The two differ in nothing but their size; in time they are equal but for the machine's other work.
    slices = [["island"], ["sex"]]  # as they were evaluated
    params = EvaluateParams(
        on_tie="promote_if_cheaper", cheaper_by=0.9, max_latency_ms=0.0001, max_size_mb=0.01, slices=slices
    )
    made = run_component(
        ModelReport,
        tmp_path,
        {**inputs, "baseline_model": tmp_path / "champion"},
        params=params,
        seed=7,
        model_name="penguins",
        asks_canary=True,
    )
    verdict = json.loads((made["report"] / "verdict.json").read_text())
    checks = {each["name"]: each for each in verdict["checks"]}
    size = shown_size_mb(size_bytes(folder / "model"))
    assert [name for name, check in checks.items() if not check["passed"]] == ["size", "latency"]
    assert f"it has {size:g} MB and the champion {9 + size:g}, and it answers as fast" in checks["champion"]["reason"]
    assert verdict["reason"] == (
        f"the SavedModel has {size:g} MB, more than the 0.01 MB of evaluate.max_size_mb; a request of one row takes longer "
        "than the 0.0001 ms of evaluate.max_latency_ms (median)"
    )
    measured = json.loads((made["canary"] / "canary.json").read_text())
    assert measured["champion_latency_ms"] > 0.01
    lines = gate_lines(verdict, measured)
    assert lines == [
        f"served: {size:g} MB, {measured['latency_ms']:.3g} ms a row",
        "refuse: 2 of 8 checks failed",
        f"size: {checks['size']['reason']}",
        f"latency: {checks['latency']['reason']}",
    ]
    page = (made["report"] / "gate.html").read_text(encoding="utf-8")
    assert "Failed: size, latency." in page
    assert page.count('<tr class="check">') == 8
    assert not re.search(r"(src|href)=|url\(|@import", page)


@pytest.mark.slow
def test_a_model_that_does_not_load_fails(asked: SimpleNamespace, tmp_path: Path) -> None:
    shutil.copytree(asked.folder / "model", tmp_path / "model")
    for file in (tmp_path / "model" / "Format-Serving" / "variables").iterdir():
        file.unlink()
    with Canary() as canary:
        canary.load(tmp_path / "model")
        answers = canary.ask(asked.requests)
    check, worst = check_canary(asked.requests, answers, asked.evaluated, asked.model, PARAMS)
    assert (check.passed, worst) == (False, None)
    assert check.reason.startswith("in a fresh process the exported model gives no answer: ")
    assert "variables" in answers.problem


def test_its_process_is_gone_when_the_stage_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = []

    def fail() -> None:
        with Canary():
            found.append(psutil.Process().children()[-1])
            assert "components.evaluate.canary_process" in found[0].cmdline()
            raise RuntimeError("the stage failed")

    with pytest.raises(RuntimeError, match="the stage failed"):
        fail()
    assert not found[0].is_running()
    assert list(tmp_path.iterdir()) == []


def test_its_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    code = (
        "import os; from components.evaluate.canary import Canary; canary = Canary().__enter__();"
        "print(canary._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    wait_until(lambda: not is_alive(int(done.stdout)), "the canary outlives the stage")


def test_examples_that_raw_columns_cannot_express_are_left_out(write_examples, write_schema, tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a", "", None, "d"], "size": [1.5, 2.5, 3.5, None]})
    write_examples(tmp_path / "examples", frame)
    write_schema(tmp_path / "schema", frame)
    schema = tfdv.load_schema_text(str(tmp_path / "schema" / "schema.pbtxt"))
    found = pick_requests(tmp_path / "examples", ["name", "size"], schema, PARAMS)
    assert found.records.tolist() == [0, 2, 3]  # the second one's name is empty, which means missing there
    assert found.rows == [{"name": {"b64": "YQ=="}, "size": 1.5}, {"size": 3.5}, {"name": {"b64": "ZA=="}}]
    assert nothing_to_ask().passed is True
    assert nothing_to_ask().judged is False


def test_no_answer_has_its_reason() -> None:
    requests = Requests(np.array([0]), [b""], [{}])
    model = SimpleNamespace(kind="binary")
    check, worst = check_canary(requests, Answers({}, [], "Boom: no"), np.zeros(1), model, PARAMS)  # type: ignore[arg-type]
    assert (check.passed, check.reason, worst) == (
        False,
        "in a fresh process the exported model gives no answer: Boom: no",
        None,
    )


@pytest.mark.parametrize(
    ("found", "expected", "away"),
    [
        ([1.0, 2.0], [1.0, 1.0], [0.0, 0.5]),
        ([[1.0, 5.0], [0.0, 0.0]], [[1.0, 4.0], [0.0, 0.0]], [0.2, 0.0]),
        ([np.nan, 1.0, np.nan], [np.nan, np.nan, 1.0], [0.0, np.inf, np.inf]),
        ([np.inf, np.inf], [np.inf, 1.0], [0.0, np.inf]),
        (["a", "b"], ["a", "c"], [0.0, np.inf]),
        ([[1.0], [2.0]], [1.0, 2.0], [np.inf, np.inf]),
    ],
)
def test_differences(found: list, expected: list, away: list) -> None:
    assert differences(np.array(found), np.array(expected)).tolist() == pytest.approx(away)

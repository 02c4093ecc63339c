"""The benchmarks that run whole pipelines, with made-up costs in place of the commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import growth
from benchmarks.cost import Cost
from benchmarks.stock import comparison, pipeline
from benchmarks.stock.repository import NAME, NUM_ROWS, prepare_rows
from components.bridge.graph import STAGES
from components.params.load import load_shared

Measure = Callable[..., Cost]


def test_the_repository_has_a_pipeline_of_so_many_rows(tmp_path: Path) -> None:
    root, data = prepare_rows(tmp_path, NUM_ROWS + 2)
    lines = (data / "trips.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + NUM_ROWS + 2
    assert lines[-2:] == lines[1:3]
    assert list(load_shared(root).pipelines) == [NAME, "taxi"]
    assert (root / "pipelines" / NAME / "recipe.py").is_file()


def test_growth_is_told_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(command: list[str], cwd: Path, log: Path, environment: dict[str, str]) -> Cost:
        assert (command[1:], environment["TENSORLINE_WARM"]) == (["-m", command[2], NAME], "0")
        num_rows = len((cwd / "data" / NAME / "trips.csv").read_text(encoding="utf-8").splitlines()) - 1
        return Cost(10.0 + num_rows / 10, 2.0 * num_rows, 1000 + num_rows)

    monkeypatch.setattr(growth, "measure", measure)
    results = list(growth.run((200, 100)))
    assert [(each["stage"], each["num_rows"]) for each in results] == [
        (stage, num_rows) for stage in growth.STAGES for num_rows in (100, 200)
    ]
    assert results[0] == {
        "what": "ingest, a row, of 100 rows / of 200", "ours_s": 0.2, "baseline_s": 0.15, "ratio": 0.2 / 0.15,
        "ours_bytes": 1100, "baseline_bytes": 1200, "bytes_ratio": 1100 / 1200, "stage": "ingest", "num_rows": 100,
        "stage_s": 20.0, "stage_cpu_s": 200.0, "repeats": 1,
    }  # fmt: skip


def test_every_stage_has_its_counterpart_in_stock_tfx() -> None:
    assert list(comparison.COUNTERPARTS) == [stage for stage in STAGES if stage != "tune"]
    source = Path(pipeline.__file__).read_text(encoding="utf-8")
    made = set(re.findall(r"tfx\.components\.(\w+)\(", source)) | set(re.findall(r'with_id\("(\w+)"\)', source))
    assert sorted(made) == sorted(name for names in comparison.COUNTERPARTS.values() for name in names)


def test_comparison_with_stock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def measure(
        command: list[str], cwd: Path, log: Path, *rest: Any, phase: re.Pattern[str] | None = None, **more: Any
    ) -> Cost:
        asked.append(command)
        if "benchmarks.stock.pipeline" in command:
            names = [name for names in comparison.COUNTERPARTS.values() for name in names]
            return Cost(100.0, 50.0, 1000, {name: Cost(10.0, 0.0, 500) for name in names})
        return Cost(20.0, 10.0, 400, {stage: Cost(3.0, 0.0, 300) for stage in STAGES})

    monkeypatch.setattr(comparison, "measure", measure)
    results = list(comparison.run((1,), repeats=1))
    assert [each["what"] for each in results] == [
        "15,002 rows, everything / stock TFX",
        "15,002 rows, nothing changed / stock TFX",
        "15,002 rows, train changed / stock TFX",
        "15,002 rows, ingest / CsvExampleGen",
        "15,002 rows, validate / StatisticsGen + SchemaGen + ExampleValidator",
        "15,002 rows, transform / Transform",
        "15,002 rows, train / Trainer",
        "15,002 rows, evaluate / Evaluator",
        "15,002 rows, register / Pusher",
    ]
    assert [(each["ratio"], each["bytes_ratio"]) for each in results] == [
        *[(0.2, 0.4)] * 3, (0.3, 0.6), (0.1, 0.6), (0.3, 0.6), (0.3, 0.6), (0.15, 0.6), (0.3, 0.6),
    ]  # fmt: skip
    assert [command[-1] for command in asked[-2:]] == ["1001", f"register@{NAME}"]


def test_phases_of_both_sides_are_known_by_their_lines() -> None:
    assert comparison._OUR_PHASE.search(f"Running stage 'ingest@{NAME}':")[1] == "ingest"
    assert comparison._STOCK_PHASE.search("component CsvExampleGen")[1] == "CsvExampleGen"

"""`python -m benchmarks`: which benchmarks run, with what, and what is kept of them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks import registry
from benchmarks.cost import Cost
from benchmarks.registry import BENCHMARKS, Benchmark
from benchmarks.results import read
from benchmarks.timing import compare, pair, row, seconds


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_takes_its_options(name: str) -> None:
    benchmark = BENCHMARKS[name]
    parameters = inspect.signature(import_module(f"benchmarks.{benchmark.module}").run).parameters
    for options in (benchmark.quick, benchmark.large, {"rows": ()} if benchmark.takes_rows else {}):
        assert set(options) <= set(parameters)
    assert all(each.default is not each.empty for each in parameters.values())


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """In place of all benchmarks: a, and b, which fails; the options with which a was run."""
    asked: list[dict[str, Any]] = []

    def run(self: Benchmark, **options: Any) -> Iterator[dict[str, Any]]:
        asked.append(options)
        yield {"what": f"{self.module} / nothing", "ours_s": 0.5, "baseline_s": 2.0, "ratio": 0.25, "repeats": 1}
        if self.module == "b":
            raise RuntimeError("no such data")

    monkeypatch.setattr(registry.Benchmark, "run", run)
    known = {
        "a": Benchmark("a", "this", quick={"copies": 1}, large={"copies": 67}, takes_rows=True),
        "b": Benchmark("b", "that"),
    }
    monkeypatch.setattr(program, "BENCHMARKS", known)
    return asked


def test_options_and_results(fakes: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    for arguments in ([], ["--quick"], ["--large", "--rows", "10", "20"]):
        assert program.main(["--only", "a", *arguments], path) == 0
    assert fakes == [{}, {"copies": 1}, {"copies": 67, "rows": (10, 20)}]
    entry = read(path)["a"]
    assert sorted(entry) == ["commit", "machine", "measured", "results", "size"]
    assert entry["size"] == "large"
    assert entry["results"] == [{"what": "a / nothing", "ours_s": 0.5, "baseline_s": 2.0, "ratio": 0.25, "repeats": 1}]
    assert "a / nothing" + " " * 65 + "0.50 s" + " " * 5 + "2.00 s   0.250\n" in capsys.readouterr().out


def test_one_that_fails_costs_the_others_nothing(
    fakes: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"benchmarks": {"b": {"results": ["of before"]}, "c": {"results": []}}}))
    assert program.main([], path) == 1
    assert {name: len(entry["results"]) for name, entry in read(path).items()} == {"b": 1, "c": 0, "a": 1}
    assert read(path)["b"] == {"results": ["of before"]}
    shown = capsys.readouterr().err
    assert "RuntimeError: no such data" in shown
    assert shown.endswith("failed: b\n")


def test_medians_of_pairs() -> None:
    ours = [Cost(1.0, 2.0, 100), Cost(9.0, 3.0, 300), Cost(2.0, 4.0, 200)]
    baseline = [Cost(4.0, 1.0, 400)] * 3
    assert pair("x", ours, baseline) == {
        "what": "x", "ours_s": 2.0, "baseline_s": 4.0, "ratio": 0.5, "ours_cpu_s": 3.0, "baseline_cpu_s": 1.0,
        "cpu_s_ratio": 3.0, "ours_bytes": 200, "baseline_bytes": 400, "bytes_ratio": 0.5, "repeats": 3,
    }  # fmt: skip
    assert pair("x", ours, [Cost(4.0, 0.0, 0)], with_cpu=False)["bytes_ratio"] is None


def test_alternating() -> None:
    done: list[str] = []
    result = compare("x", lambda: done.append("ours"), lambda: done.append("baseline"), 2)
    assert done == ["ours", "baseline"] * 2
    assert result["ratio"] == result["ours_s"] / result["baseline_s"]


def test_a_line_of_the_table() -> None:
    result = pair("ingest / CsvExampleGen", [Cost(0.512, 0.0, 10**9)], [Cost(212.4, 0.0, 2 * 10**9)])
    assert row(result).split() == (
        ["ingest", "/", "CsvExampleGen", "0.51", "s", "212", "s", "0.002", "1.00", "GB", "2.00", "GB", "0.500"]
    )
    assert [seconds(each) for each in (123.4, 25.44, 0.1, 0.0254, 8.13e-6)] == [
        "123 s",
        "25.4 s",
        "0.10 s",
        "25.4 ms",
        "8.13 µs",
    ]

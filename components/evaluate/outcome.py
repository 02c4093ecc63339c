"""What the evaluation has to tell: the headline, the verdict, and the whole report as files of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.evaluate.blessing import NOT_JUDGED
from components.evaluate.evaluation_files import is_columnar
from components.evaluate.files import CANARY_FILE, GATE_FILE, VERDICT_FILE
from components.evaluate.model_info import read_model_info
from components.evaluate.report import METRICS_FILE, PAGE_FILE, RIGHT_EXAMPLES, WRONG_EXAMPLES


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """Metrics go to the model's run too, as `test_…`, so that runs of models compare by them."""
    report = folders["report"]
    metrics = json.loads((report / METRICS_FILE).read_text(encoding="utf-8"))
    verdict = json.loads((report / VERDICT_FILE).read_text(encoding="utf-8"))
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}
    model = read_model_info(folders["model"])
    key = model.key_metric
    tested = f"{metrics[f'num_{model.unit}']:,} test {model.unit}"
    value, low, high = (metrics[name] for name in (key, f"{key}_low", f"{key}_high"))
    if value is None:
        headline = f"{key}: not defined on {tested}"
    else:
        interval = f" [{low:.4f}, {high:.4f}]" if low is not None and high is not None else ""
        headline = f"{key} {value:.4f}{interval} on {tested}"
    lines = [headline]
    # What a recipe measures, its baselines among them, says little one by one.
    others = [f"{each.name} {metrics[each.name]:.4f}" for each in model.metrics if each.name != key and each.name in numbers]
    if others:
        lines.append(", ".join(others))
    # MLflow shows pictures and tables, so what the model got wrong can be seen beside the model.
    shown = [report / PAGE_FILE, report / GATE_FILE]
    shown += [path for name in (WRONG_EXAMPLES, RIGHT_EXAMPLES) for path in sorted(report.glob(f"{name}.*"))]
    measured = json.loads((folders["canary"] / CANARY_FILE).read_text(encoding="utf-8"))
    numbers |= gate_numbers(verdict, measured)
    places = f"artifacts/{job.name}/report/{PAGE_FILE}, {GATE_FILE}"
    return Outcome(
        lines=[*lines, _evaluator(folders["evaluation"], model.kind), *gate_lines(verdict, measured), f"report: {places}"],
        metrics=numbers,
        model_metrics={f"test_{name}": value for name, value in numbers.items()},
        files={report: "report"},
        model_files=dict.fromkeys(shown, "report"),
        tags={"tensorline.verdict": "promote" if verdict["promote"] else "refuse", "tensorline.reason": verdict["reason"]},
    )


def _evaluator(folder: Path, kind: str) -> str:
    if is_columnar(folder):
        return "evaluated column by column in one process (beam.runner is the local one), without TFMA"
    if (folder / NOT_JUDGED).exists():
        return f"TFMA has no metrics for models of the kind {kind}: evaluated column by column"
    return "evaluated by TFMA on beam.runner, and again column by column: both agree"


def gate_lines(verdict: Mapping[str, Any], measured: Mapping[str, float | None]) -> list[str]:
    """The verdict, and a line for each check that failed; what the model costs."""
    checks = verdict["checks"]
    failed = [each for each in checks if not each["passed"]]
    lines = [f"{each['name']}: {each['reason']}" for each in failed]
    first = f"refuse: {len(failed)} of {len(checks)} checks failed" if failed else f"promote: {verdict['reason']}"
    costs = gate_numbers(verdict, measured)
    speed = f", {costs['latency_ms']:.3g} ms a row" if "latency_ms" in costs else ""
    return [f"served: {costs['size_mb']:g} MB{speed}", first, *lines]


def gate_numbers(verdict: Mapping[str, Any], measured: Mapping[str, float | None]) -> dict[str, float]:
    """Of the run: size and latency, how many checks failed, and what else the canary measured."""
    (size,) = (item["value"] for check in verdict["checks"] if check["name"] == "size" for item in check["items"])
    known = {name: float(value) for name, value in measured.items() if value is not None and name != "num_requests"}
    failed = sum(not each["passed"] for each in verdict["checks"])
    return {"size_mb": size, "num_failed_checks": float(failed), **known}

"""What the evaluation has to tell: the headline, the verdict, and the whole report as files of the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.evaluate.model_info import read_model_info
from components.evaluate.report import METRICS_FILE, PAGE_FILE, RIGHT_EXAMPLES, VERDICT_FILE, WRONG_EXAMPLES


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
    shown = [report / PAGE_FILE]
    shown += [path for name in (WRONG_EXAMPLES, RIGHT_EXAMPLES) for path in sorted(report.glob(f"{name}.*"))]
    decision = "promote" if verdict["promote"] else "refuse"
    return Outcome(
        lines=[*lines, f"{decision}: {verdict['reason']}", f"report: artifacts/{job.name}/report/{PAGE_FILE}"],
        metrics=numbers,
        model_metrics={f"test_{name}": value for name, value in numbers.items()},
        files={report: "report"},
        model_files=dict.fromkeys(shown, "report"),
        tags={"tensorline.verdict": decision, "tensorline.reason": verdict["reason"]},
    )

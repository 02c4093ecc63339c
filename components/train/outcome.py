"""What training has to tell: the curves, the model's size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.plot_style import COLOURS, new_figure
from components.train.export import MODEL_FILE
from components.train.run_fn import DESCRIPTION_FOLDER, HISTORY_FILE, SUMMARY_FILE, TOLD_FILE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """Epochs, curves, and what the model is."""
    epochs = json.loads((folders["model_run"] / HISTORY_FILE).read_text(encoding="utf-8"))["epochs"]
    model = json.loads((folders["model"] / MODEL_FILE).read_text(encoding="utf-8"))
    data = job.ingest_report()
    files = {folders["model_run"] / SUMMARY_FILE: ""}
    description = folders["model_run"] / DESCRIPTION_FOLDER
    if description.is_dir():
        files[description] = "model_description"
    told = description / TOLD_FILE
    return Outcome(
        lines=[
            f"{model['recipe']}: {model['num_parameters']:,} parameters, {len(epochs)} epochs, digest {model['digest'][:12]}",
            model["learning_curve"]["told"],
            *(told.read_text(encoding="utf-8").splitlines() if told.is_file() else []),
        ],
        params={"num_parameters": model["num_parameters"], "num_epochs": len(epochs)},
        files=files,
        figures={f"curves/{name}.png": figure for name, figure in curves(epochs).items()},
        dataset=(job.name, data["data_digest"], ", ".join(data["by_file"])) if data else None,
        tags={
            "tensorline.model_digest": model["digest"],
            "tensorline.learning_curve": model["learning_curve"]["verdict"],
        },
    )


def curves(epochs: list[dict[str, float]]) -> dict[str, Figure]:
    """Metric → picture of its curve on train and eval."""
    figures = {}
    for name in (name for name in epochs[0] if not name.startswith("val_") and f"val_{name}" in epochs[0]):
        figure, axis = new_figure()
        steps = range(1, len(epochs) + 1)
        axis.plot(steps, [epoch[name] for epoch in epochs], color=COLOURS[0], label="train", marker=".")
        axis.plot(steps, [epoch[f"val_{name}"] for epoch in epochs], color=COLOURS[1], label="eval", marker=".")
        axis.set_xlabel("epoch")
        axis.set_ylabel(name)
        axis.set_title(name, loc="left", fontsize=10)
        axis.legend(frameon=False)
        figures[name] = figure
    return figures

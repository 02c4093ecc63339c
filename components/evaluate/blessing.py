"""The artifact `blessing`: a file that says whether evaluate.thresholds are met, as TFX's resolvers and pushers know it."""

from __future__ import annotations

from pathlib import Path

from components.evaluate.checks import check_thresholds
from components.evaluate.evaluation import Evaluation, undefined_of
from components.evaluate.model_info import ModelInfo
from components.params.models import EvaluateParams

BLESSED, NOT_BLESSED = "BLESSED", "NOT_BLESSED"
"""Files, empty, as stock TFX writes them."""
NOT_JUDGED = "NOT_JUDGED"
"""In place of them where there was nothing to judge, with the reason: an empty folder looks like a mistake to DVC."""


def bless(
    folder: Path, evaluation: Evaluation, model: ModelInfo, params: EvaluateParams, model_uri: str
) -> dict[str, str | int]:
    """Judges the overall metrics by evaluate.thresholds, and writes the artifact into `folder`.

    Args:
        folder: Of the artifact; it need not be there.
        evaluation: What was measured.
        model: What its model.json says.
        params: The section `evaluate`.
        model_uri: Of the Model artifact.

    Returns: The artifact's custom properties, as stock TFX's Evaluator sets them; none where nothing was judged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not params.thresholds:
        write_not_judged(folder, "evaluate.thresholds is empty.")
        return {}
    met = check_thresholds(evaluation.overall.values, undefined_of(model, evaluation.choice), params).passed
    (folder / (BLESSED if met else NOT_BLESSED)).touch()
    return {"blessed": int(met), "current_model": model_uri, "current_model_id": 0}


def write_not_judged(folder: Path, why: str) -> None:
    """Says in a file why nothing was judged."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NOT_JUDGED).write_text(f"{why}\n", encoding="utf-8")


def read_blessing(folder: Path) -> bool | None:
    """Whether the model was blessed; None if nothing was judged."""
    names = {path.name for path in folder.iterdir()} & {BLESSED, NOT_BLESSED}
    return BLESSED in names if names else None

"""The stage without TFX, whose base classes import TensorFlow, Beam and TFMA's kin: the bridge runs it by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.evaluate.blessing import bless
from components.evaluate.canary import Canary
from components.evaluate.evaluation import evaluate
from components.evaluate.evaluation_files import write_evaluation
from components.evaluate.model_info import read_model_info
from components.evaluate.model_report import load_models, report
from components.evaluate.params_check import check_params
from components.evaluate.raw_schema import read_schema
from components.params.models import EvaluateParams


def run(
    folders: Mapping[str, Path],
    to: Mapping[str, Path],
    params: EvaluateParams,
    *,
    seed: int,
    model_name: str,
    canary: Canary | None,
) -> dict[str, str | int]:
    """Does what the components Evaluator and ModelReport do.

    Args:
        folders: Of the artifacts `examples`, `model`, `schema`, `anomalies`, and `baseline_model` if there is a champion.
        to: Folders of the artifacts `evaluation`, `blessing`, `report` and `canary`.
        params: The section `evaluate`.
        seed: Draws the bootstrap's resamples.
        model_name: Heads the page.
        canary: As `model_report.canary_of` gives it.

    Returns: The custom properties of `blessing`.

    Raises: As `evaluate_and_bless` and `model_report.report`.
    """
    load_models(canary, folders, params)
    properties = evaluate_and_bless(folders, to["evaluation"], to["blessing"], params, seed=seed)
    made = {**folders, "evaluation": to["evaluation"], "blessing": to["blessing"]}
    report(made, to["report"], to["canary"], params, seed=seed, model_name=model_name, canary=canary)
    return properties


def evaluate_and_bless(
    folders: Mapping[str, Path], evaluation: Path, blessing: Path, params: EvaluateParams, *, seed: int
) -> dict[str, str | int]:
    """Measures the model on the test split, judges it by evaluate.thresholds, and writes both artifacts.

    Args:
        folders: Of the artifacts `examples`, `model` and `schema`.
        evaluation: Folder of the artifact to write; see `evaluation_files`.
        blessing: Likewise; see `blessing`.
        params: The section `evaluate`.
        seed: Draws the bootstrap's resamples.

    Returns: The custom properties of `blessing`.

    Raises:
        ParamsError: evaluate.thresholds or evaluate.slices name what is not there.
        UserError: The test split is empty, the model predicts NaN, or slices are too many.
        TensorlineError: model.json asks for a module that it may not have.
        AccountingError: Predictions and records differ in number.
    """
    model = read_model_info(folders["model"])
    schema = read_schema(folders["schema"])
    check_params(model, params, schema)
    found = evaluate(folders["examples"], folders["model"], model, schema, params, seed)
    write_evaluation(evaluation, found, model, params, seed)
    return bless(blessing, found, model, params, str(folders["model"]))

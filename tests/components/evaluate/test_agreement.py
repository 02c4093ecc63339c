"""The columnar Evaluator and TFMA, which share no code, measure the same on the same real examples and predictions."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from tfx.types import channel_utils, standard_artifacts

from components.bridge.graph import STAGES, runs_without_tfx
from components.bridge.job import Job
from components.errors import AccountingError
from components.evaluate.agreement import as_tfma_sees_it
from components.evaluate.eval_config import TFMA_CLASSES
from components.evaluate.evaluation_files import is_columnar, read_evaluation
from components.evaluate.evaluator import Evaluator
from components.evaluate.measure import take
from components.evaluate.model_info import read_model_info
from components.evaluate.report_component import ModelReport
from components.evaluate.slices import MISSING
from components.evaluate.tfma_evaluator import TfmaEvaluator
from components.params.models import EvaluateParams
from tests.conftest import copy_repository

pytestmark = pytest.mark.slow

CASES = {"binary": "binary", "multiclass": "images", "regression": "regression"}
"""Kind → fixture. Of ten classes, so that every metric of many classes is there."""
PARAMS = {
    "binary": {
        "slices": [["payment_type"], ["payment_type", "trip_start_hour"]],
        "thresholds": {"auc": {"min": 0.9}, "log_loss": {"max": 0.5}},
    },
    "multiclass": {"slices": [["class"], ["image_copies"]], "thresholds": {"accuracy": {"min": 0.97}}},
    "regression": {"slices": [["origin"]], "thresholds": {"mae": {"max": 4.0}}},
}
BLESSED = {"binary": True, "multiclass": False, "regression": True}
APPROXIMATED = {"auc", "auc_pr", "top_3_accuracy", "top_5_accuracy"}
"""Held against the exact formula on what TFMA takes for equal (see `as_tfma_sees_it`), and more loosely against the value."""


@pytest.fixture(scope="module")
def measured_by_both(request, run_component, tmp_path_factory) -> Callable[[str], SimpleNamespace]:
    """One run of each Evaluator a kind, on the same model and examples."""

    @cache
    def measured(kind: str) -> SimpleNamespace:
        case, params = request.getfixturevalue(CASES[kind]), EvaluateParams.model_validate(PARAMS[kind])
        folder = tmp_path_factory.mktemp("agreement")
        inputs = {"examples": case.examples, "model": case.model, "schema": case.schema}
        theirs = run_component(TfmaEvaluator, folder / "tfma", inputs, params=params)
        ours = run_component(Evaluator, folder / "ours", inputs, params=params, seed=7)
        model = read_model_info(case.model)
        return SimpleNamespace(
            kind=kind,
            case=case,
            params=params,
            inputs=inputs,
            model=model,
            read=read_evaluation(ours["evaluation"], case.examples, model, params, 7),
            ours=ours,
            theirs=SimpleNamespace(**theirs),
            tfma_slices=tfma_slices(theirs["evaluation"]),
        )

    return measured


def tfma_slices(evaluation: Path) -> dict[tuple[tuple[str, str], ...], dict[str, float]]:
    """Slice → metric → value, as TFMA wrote them."""
    import tensorflow_model_analysis as tfma

    return {
        tuple(sorted((column, str(value)) for column, value in key)): {
            name: float(value["doubleValue"])  # NaN is a string there
            for name, value in metrics[""][""].items()
            if "doubleValue" in value
        }
        for key, metrics in tfma.load_eval_result(str(evaluation)).slicing_metrics
    }


@pytest.fixture(scope="module", params=list(CASES))
def by_both(request, measured_by_both) -> SimpleNamespace:
    """Of each kind."""
    return measured_by_both(request.param)


@pytest.fixture(scope="module")
def by_tfma(by_both, write_model, tmp_path_factory) -> SimpleNamespace:
    """What TFMA measured, and a model that answers otherwise."""
    case = by_both.case
    worse = dataclasses.replace(case, weights=0 * case.weights)
    return SimpleNamespace(case=case, worse=worse, params=by_both.params, **vars(by_both.theirs))


def test_the_form_of_the_evaluation_tells_who_measured(by_both):
    assert is_columnar(by_both.ours["evaluation"])
    assert not is_columnar(by_both.theirs.evaluation)
    content = json.loads((by_both.ours["evaluation"] / "evaluation.json").read_text(encoding="utf-8"))
    assert content["evaluator"] == "columnar"


def test_both_have_the_same_slices_of_the_same_size(by_both):
    ours = {
        tuple(sorted(zip(part.columns, part.values, strict=True))): measured.num_examples
        for part, measured in by_both.read.slices
        if MISSING not in part.values  # TFMA leaves out examples without a value
    }
    assert ours == {key: metrics["example_count"] for key, metrics in by_both.tfma_slices.items()}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in CASES for name in TFMA_CLASSES[kind]])
def test_every_metric_of_every_slice_is_that_of_tfma(measured_by_both, kind, name):
    by_both = measured_by_both(kind)
    num_compared = 0
    for part, measured in by_both.read.slices:
        if MISSING in part.values:
            continue
        found = by_both.tfma_slices[tuple(sorted(zip(part.columns, part.values, strict=True)))][name]
        exact = measured.values[name]
        if exact is None:
            # TFMA divides by nothing without a word, and takes the area for 0 or, where all are positive, for 1.
            assert math.isnan(found) or found in (0.0, 1.0), part.title
            continue
        num_compared += 1
        expected = exact
        if name in APPROXIMATED:
            expected = as_tfma_sees_it(by_both.model, take(by_both.read.predictions, part))[name]
            assert exact == pytest.approx(found, abs=1e-3 if not part.columns else 0.25), part.title
        assert expected == pytest.approx(found, rel=1e-4, abs=1e-4), part.title
    assert num_compared > 1


def test_both_bless_alike(by_both):
    name = "BLESSED" if BLESSED[by_both.kind] else "NOT_BLESSED"
    for folder in (by_both.ours["blessing"], by_both.theirs.blessing):
        assert [path.name for path in folder.iterdir()] == [name]


def test_the_report_is_the_same_by_either(measured_by_both, run_component, tmp_path):
    by_both = measured_by_both("regression")
    reports = []
    for made in (by_both.ours, vars(by_both.theirs)):
        inputs = by_both.inputs | {key: made[key] for key in ("evaluation", "blessing")}
        to = tmp_path / str(len(reports))
        reports.append(run_component(ModelReport, to, inputs, params=by_both.params, seed=7, model_name="x")["report"])
    ours, theirs = ({path.name: path.read_bytes() for path in report.iterdir()} for report in reports)
    assert ours == theirs


def test_a_replaced_model_is_found_out(by_tfma, run_component, write_model, tmp_path):
    write_model(tmp_path / "model", by_tfma.worse, read_model_info(by_tfma.case.model).key_metric)
    inputs = {"examples": by_tfma.case.examples, "model": tmp_path / "model", "schema": by_tfma.case.schema}
    inputs |= {"evaluation": by_tfma.evaluation, "blessing": by_tfma.blessing}
    with pytest.raises(AccountingError, match=r"^evaluate: ModelReport and TFMA measure different values: "):
        run_component(ModelReport, tmp_path, inputs, params=by_tfma.params, seed=7, model_name="x")


def test_a_changed_blessing_is_found_out(by_tfma, run_component, tmp_path):
    (name,) = (path.name for path in by_tfma.blessing.iterdir())
    (tmp_path / "changed").mkdir()
    (tmp_path / "changed" / ("NOT_BLESSED" if name == "BLESSED" else "BLESSED")).touch()
    inputs = {"examples": by_tfma.case.examples, "model": by_tfma.case.model, "schema": by_tfma.case.schema}
    inputs |= {"evaluation": by_tfma.evaluation, "blessing": tmp_path / "changed"}
    with pytest.raises(AccountingError, match=r"^evaluate: TFMA's blessing says "):
        run_component(ModelReport, tmp_path, inputs, params=by_tfma.params, seed=7, model_name="x")


def test_two_examples_of_one_class(binary, evaluate, write_examples, tmp_path):
    test = binary.test[binary.test["big_tipper"] == 0][:2]
    write_examples(tmp_path / "examples", test)
    case = dataclasses.replace(binary, examples=tmp_path / "examples", test=test)
    params = EvaluateParams.model_validate({"thresholds": {"auc": {"max": 0.99}}, "slices": [["payment_type"]]})
    found = evaluate(tmp_path, case, params, by_tfma=True)
    assert found.metrics["auc"] is found.metrics["auc_low"] is found.metrics["auc_high"] is None
    assert found.metrics["num_examples"] == 2
    assert found.verdict["promote"] is False
    assert found.verdict["reason"] == (
        "auc is undefined on the test split: the examples are all of one class (evaluate.thresholds.auc); "
        "auc is undefined on the test split: the examples are all of one class, so the model can't be judged"
    )
    # TFMA takes the undefined AUC for 0, which is less than 0.99.
    assert found.verdict["blessed"] is True
    assert found.verdict["notes"] == [
        "The test split holds only 2 examples: small differences say little.",
        "TFMA approximates auc, and takes an undefined one for 0, and so judges its threshold otherwise. "
        "The exact value decides.",
    ]
    assert "undefined: the examples are all of one class" in (found.report / "report.html").read_text(encoding="utf-8")
    assert not (found.report / "roc.png").exists()


def test_raw_label_may_be_named_label(multiclass, evaluate, write_examples, write_schema, write_model, tmp_path):
    # TFMA finds a raw feature of the name that the transformed label has, and must take the latter.
    test = multiclass.test.rename(columns={"species": "label"})
    case = dataclasses.replace(
        multiclass,
        label="label",
        test=test,
        examples=tmp_path / "examples",
        schema=tmp_path / "schema",
        model=tmp_path / "model",
    )
    write_examples(case.examples, test)
    write_schema(case.schema, test)
    write_model(case.model, case, "accuracy")
    found = evaluate(tmp_path, case, EvaluateParams(), by_tfma=True)
    assert found.metrics["accuracy"] == pytest.approx((multiclass.labels() == multiclass.logits().argmax(axis=1)).mean())
    assert found.verdict["blessed"] is None
    assert found.verdict["reason"].startswith("there are no thresholds; no incumbent; accuracy 0.")


@pytest.mark.parametrize(("runner", "evaluator"), [("DirectRunner", Evaluator), ("FlinkRunner", TfmaEvaluator)])
def test_the_runner_decides_who_measures(runner, evaluator, tmp_path):
    root = copy_repository(tmp_path, data=False)
    params = (root / "params.yaml").read_text(encoding="utf-8")
    (root / "params.yaml").write_text(params.replace("runner: DirectRunner", f"runner: {runner}"), encoding="utf-8")
    job = Job.load("taxi", root)
    assert job.shared.beam.runner == runner
    assert runs_without_tfx("evaluate", job) is (evaluator is Evaluator)
    types = {"examples": standard_artifacts.Examples, "model": standard_artifacts.Model, "schema": standard_artifacts.Schema}
    types["anomalies"] = standard_artifacts.ExampleAnomalies
    channels = {key: channel_utils.as_channel([type_()]) for key, type_ in types.items()}
    assert [type(each) for each in STAGES["evaluate"](job, channels)] == [evaluator, ModelReport]

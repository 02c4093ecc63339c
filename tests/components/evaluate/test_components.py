"""Evaluator and ModelReport on real data: files and numbers. That TFMA says the same is in test_agreement.py."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn

from components.errors import ParamsError, TensorlineError
from components.evaluate.evaluator import Evaluator
from components.evaluate.metrics import METRICS, metrics_of
from components.evaluate.model_info import read_model_info
from components.evaluate.outcome import outcome
from components.evaluate.report_component import ModelReport
from components.params.models import EvaluateParams

PARAMS = {
    "binary": {
        "slices": [["payment_type"], ["payment_type", "trip_start_hour"]],
        "thresholds": {"auc": {"min": 0.9}, "log_loss": {"max": 0.5}},
    },
    "multiclass": {"slices": [["island"], ["sex"]], "thresholds": {"accuracy": {"min": 0.97}, "macro_f1": {"min": 0.5}}},
    "regression": {"slices": [["origin"]], "thresholds": {"mae": {"max": 4.0}, "r2": {"min": 0.5}}},
}
KEYS = {"binary": "auc", "multiclass": "accuracy", "regression": "mae"}
COMMON = {"metrics.json", "verdict.json", "intervals.csv", "slices.csv", "slices.png", "predictions.parquet", "report.html",
          "gate.html"}  # fmt: skip
FILES = {
    "binary": {"roc.csv", "pr.csv", "calibration.csv", "confusion.csv", "classes.csv",
               "roc.png", "precision_recall.png", "calibration.png", "confusion.png", "scores.png"},
    "multiclass": {"roc.csv", "pr.csv", "calibration.csv", "confusion.csv", "classes.csv",
                   "roc.png", "precision_recall.png", "calibration.png", "confusion.png", "classes.png"},
    "regression": {"residuals.csv", "predicted_actual.png", "residuals.png", "residual_histogram.png"},
}  # fmt: skip
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session", params=list(PARAMS))
def evaluated(request, evaluate, write_model, tmp_path_factory) -> SimpleNamespace:
    """Each kind of model, against a champion that is worse."""
    case = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("evaluated")
    worse = dataclasses.replace(case, weights=np.vstack([case.weights[:-1], 0 * case.weights[-1:]]))
    write_model(folder / "champion", worse, KEYS[case.kind], "c" * 64)
    result = evaluate(folder, case, EvaluateParams.model_validate(PARAMS[case.kind]), folder / "champion")
    return SimpleNamespace(case=case, worse=worse, **vars(result))


def test_files(evaluated):
    assert {path.name for path in evaluated.report.iterdir()} == COMMON | FILES[evaluated.case.kind]


def test_metrics_are_those_of_scikit_learn_on_the_written_predictions(evaluated):
    table = pd.read_parquet(evaluated.report / "predictions.parquet")
    metrics, case = evaluated.metrics, evaluated.case
    assert table["record"].tolist() == list(range(len(case.test)))
    if case.kind == "regression":
        assert table["label"].to_numpy() == pytest.approx(case.test[case.label].to_numpy(), rel=1e-6)
    else:
        assert table["label"].tolist() == case.test[case.label].astype(str).tolist()
    if case.kind == "binary":
        positive = table["label"] == "1"
        assert metrics["auc"] == pytest.approx(sklearn.roc_auc_score(positive, table["score"]), abs=1e-6)
        assert metrics["brier"] == pytest.approx(sklearn.brier_score_loss(positive, table["score"]), abs=1e-6)
        assert metrics["auc_pr"] == pytest.approx(sklearn.average_precision_score(positive, table["score"]), abs=2e-3)
    elif case.kind == "multiclass":
        assert metrics["accuracy"] == pytest.approx(sklearn.accuracy_score(table["label"], table["prediction"]))
        assert metrics["macro_f1"] == pytest.approx(sklearn.f1_score(table["label"], table["prediction"], average="macro"))
        assert metrics["log_loss"] == pytest.approx(
            sklearn.log_loss(table["label"], np.stack(table["probabilities"]), labels=case.class_names), abs=1e-5
        )
    else:
        assert metrics["mae"] == pytest.approx(sklearn.mean_absolute_error(table["label"], table["prediction"]), abs=1e-5)
        assert metrics["rmse"] ** 2 == pytest.approx(sklearn.mean_squared_error(table["label"], table["prediction"]), rel=1e-5)
        assert metrics["r2"] == pytest.approx(sklearn.r2_score(table["label"], table["prediction"]), abs=1e-5)


def test_metrics_json_is_flat(evaluated):
    key = KEYS[evaluated.case.kind]
    assert list(evaluated.metrics) == [
        "num_examples",
        *metrics_of(read_model_info(evaluated.case.model)),
        f"{key}_low",
        f"{key}_high",
        f"champion_{key}",
        "difference",
        "difference_low",
        "difference_high",
        "thresholds_met",
    ]
    assert evaluated.metrics[f"{key}_low"] < evaluated.metrics[key] < evaluated.metrics[f"{key}_high"]


def test_champion_is_compared_in_its_own_units(evaluated):
    metrics, key, metric = evaluated.metrics, KEYS[evaluated.case.kind], METRICS[evaluated.case.kind]
    sign = metric[key].sign
    assert metrics["difference"] == pytest.approx(sign * (metrics[key] - metrics[f"champion_{key}"]), abs=1e-8)
    assert metrics["difference_low"] <= metrics["difference"] <= metrics["difference_high"]
    assert metrics["difference"] > 0
    assert evaluated.verdict["beats_champion"] is True


def test_verdict_and_blessing(evaluated):
    met = evaluated.case.kind != "multiclass"
    assert evaluated.verdict["promote"] is evaluated.verdict["thresholds_met"] is evaluated.verdict["blessed"] is met
    assert [path.name for path in evaluated.blessing.iterdir()] == ["BLESSED" if met else "NOT_BLESSED"]


def test_page_is_whole_and_escapes(evaluated):
    page = (evaluated.report / "report.html").read_text(encoding="utf-8")
    assert "<h1>a &lt;b&gt;model&lt;/b&gt; &amp; more</h1>" in page
    assert "<b>model</b>" not in page
    assert page.count('src="data:image/png;base64,') == len(list(evaluated.report.glob("*.png")))
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_same_inputs_give_the_same_bytes(evaluated, run_component, tmp_path):
    inputs = {"examples": evaluated.case.examples, "model": evaluated.case.model, "schema": evaluated.case.schema}
    inputs |= {"evaluation": evaluated.evaluation, "blessing": evaluated.blessing}
    inputs["baseline_model"] = evaluated.report.parent / "champion"
    params = EvaluateParams.model_validate(PARAMS[evaluated.case.kind])
    again = run_component(ModelReport, tmp_path, inputs, params=params, seed=7, model_name="a <b>model</b> & more")["report"]
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in evaluated.report.iterdir()
    }


def test_champion_of_other_classes(evaluated, run_component, tmp_path):
    champion = tmp_path / "champion"
    champion.mkdir()
    description = json.loads((evaluated.case.model / "model.json").read_text(encoding="utf-8"))
    (champion / "model.json").write_text(json.dumps({**description, "label": "other"}), encoding="utf-8")
    inputs = {"examples": evaluated.case.examples, "model": evaluated.case.model, "schema": evaluated.case.schema}
    inputs |= {"evaluation": evaluated.evaluation, "blessing": evaluated.blessing, "baseline_model": champion}
    params = EvaluateParams.model_validate(PARAMS[evaluated.case.kind])
    report = run_component(ModelReport, tmp_path, inputs, params=params, seed=7, model_name="x")["report"]
    verdict = json.loads((report / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["promote"] is False
    assert verdict["beats_champion"] is None
    assert verdict["champion"]["problem"] == (
        f"the champion predicts 'other', the candidate '{evaluated.case.label}'; "
        "use another register.model_name, or take the alias from the champion"
    )


def test_champion_that_cannot_read_the_examples(evaluated, run_component, write_model, tmp_path):
    # It wants a column of strings as numbers.
    column = {"binary": "payment_type", "multiclass": "island", "regression": "car_name"}[evaluated.case.kind]
    write_model(
        tmp_path / "champion",
        dataclasses.replace(evaluated.case, features=[column], weights=evaluated.case.weights[:1]),
        KEYS[evaluated.case.kind],
    )
    inputs = {"examples": evaluated.case.examples, "model": evaluated.case.model, "schema": evaluated.case.schema}
    inputs |= {"evaluation": evaluated.evaluation, "blessing": evaluated.blessing, "baseline_model": tmp_path / "champion"}
    params = EvaluateParams.model_validate(PARAMS[evaluated.case.kind])
    report = run_component(ModelReport, tmp_path, inputs, params=params, seed=7, model_name="x")["report"]
    problem = json.loads((report / "verdict.json").read_text(encoding="utf-8"))["champion"]["problem"]
    assert problem == (
        f"it can't read these examples (Name: <unknown>, Key: {column}, Index: 0.  Data types don't match. "
        "Data type: string but expected type: float); use another register.model_name, or take the alias from the champion"
    )


def test_unknown_names_stop_before_any_work(binary, run_component, tmp_path):
    inputs = {"examples": binary.examples, "model": binary.model, "schema": binary.schema}
    message = (
        "evaluate.thresholds.au: a binary model has no such metric. Did you mean 'auc'? "
        "Known: auc, auc_pr, accuracy, precision, recall, f1, log_loss, brier, calibration."
    )
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}$"):
        run_component(
            Evaluator, tmp_path, inputs, params=EvaluateParams.model_validate({"thresholds": {"au": {"min": 0}}}), seed=7
        )


def test_every_metric_has_its_interval(evaluated):
    table = pd.read_csv(evaluated.report / "intervals.csv").set_index("metric")
    assert list(table.index) == list(metrics_of(read_model_info(evaluated.case.model)))
    assert table["value"].to_dict() == pytest.approx({name: evaluated.metrics[name] for name in table.index})
    key = KEYS[evaluated.case.kind]
    assert tuple(table.loc[key, ["low", "high"]]) == (evaluated.metrics[f"{key}_low"], evaluated.metrics[f"{key}_high"])
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


@pytest.fixture(scope="session")
def costly(binary, evaluate, write_examples, tmp_path_factory) -> SimpleNamespace:
    """The binary model, where a false positive costs three times as much."""
    folder = tmp_path_factory.mktemp("costly")
    on_eval, test = binary.test[:700], binary.test[700:].reset_index(drop=True)
    write_examples(folder / "examples", on_eval, "eval")
    write_examples(folder / "examples", test)
    case = dataclasses.replace(binary, examples=folder / "examples", test=test)
    content = {
        "costs": {"false_positive": 3.0, "false_negative": 1.0},
        "slices": [["payment_type"]],
        "thresholds": {"cost": {"max": 0.01}, "precision_at_threshold": {"min": 0.8}, "recall": {"min": 0.5}},
    }
    result = evaluate(folder, case, EvaluateParams.model_validate(content))
    return SimpleNamespace(case=case, on_eval=dataclasses.replace(binary, test=on_eval), **vars(result))


def test_the_threshold_is_chosen_on_eval_and_measured_on_test(costly):
    def cost(case, threshold) -> float:
        called, positive = 1 / (1 + np.exp(-case.logits().ravel())) >= threshold, case.labels() == 1
        return float(3 * np.mean(called & ~positive) + np.mean(positive & ~called))

    metrics, threshold = costly.metrics, costly.metrics["decision_threshold"]
    least = min(cost(costly.on_eval, each) for each in np.linspace(0, 1, 1001))
    assert cost(costly.on_eval, threshold) <= least + 1e-9
    assert metrics["cost"] == pytest.approx(cost(costly.case, threshold))
    assert metrics["cost_at_half"] == pytest.approx(cost(costly.case, 0.5))
    assert metrics["cost"] < metrics["cost_at_half"]
    assert metrics["precision_at_threshold"] > metrics["precision"]
    table = pd.read_parquet(costly.report / "predictions.parquet")
    assert (table["decision"] == np.where(table["score"] >= threshold, "1", "0")).all()
    assert (table["prediction"] == np.where(table["score"] > 0.5, "1", "0")).all()
    counts = pd.read_csv(costly.report / "decisions.csv")
    assert counts["threshold"].tolist() == [0.5, threshold]
    assert (counts["cost"] / len(table)).tolist() == pytest.approx([metrics["cost_at_half"], metrics["cost"]])
    slices = pd.read_csv(costly.report / "slices.csv")
    assert (slices["cost"] * slices["num_examples"])[1:].sum() == pytest.approx(counts["cost"][1])


def test_the_gate_and_the_report_know_the_cost(costly):
    assert costly.verdict["failures"] == [
        f"cost {costly.metrics['cost']:.4f} is more than 0.01 (evaluate.thresholds.cost.max)"
    ]
    assert costly.verdict["blessed"] is False
    assert [path.name for path in costly.blessing.iterdir()] == ["NOT_BLESSED"]
    names = {path.name for path in costly.report.iterdir()}
    assert names == COMMON | FILES["binary"] | {"costs.csv", "costs.png", "confusion_at_threshold.png", "decisions.csv"}
    page = (costly.report / "report.html").read_text(encoding="utf-8")
    assert "<h2>Decision threshold</h2>" in page
    assert "cheapest on the eval split (700 examples" in page


def test_costs_are_of_two_classes(multiclass, run_component, tmp_path):
    inputs = {"examples": multiclass.examples, "model": multiclass.model, "schema": multiclass.schema}
    message = (
        "evaluate.costs: the costs of false positives and false negatives choose a threshold between two classes, and this is "
        "a multiclass model. Remove the key."
    )
    with pytest.raises(ParamsError, match=f"^{re.escape(message)}$"):
        run_component(Evaluator, tmp_path, inputs, params=EvaluateParams.model_validate({"costs": {}}), seed=7)


EXAMPLE_PARAMS = {
    "images": {
        "slices": [["class"], ["image_brightness"], ["image_copies"]],
        "thresholds": {"top_3_accuracy": {"min": 0.5}, "top_5_accuracy": {"max": 0.5}},
    },
    "texts": {"slices": [["sentiment"], ["source", "text_num_words"]]},
}
EXAMPLE_FILES = {
    "images": FILES["multiclass"] | {"wrong_examples.csv", "right_examples.csv", "wrong_examples.png", "right_examples.png"},
    "texts": FILES["binary"] | {"wrong_examples.csv", "right_examples.csv"},
}


@pytest.fixture(scope="session", params=list(EXAMPLE_PARAMS))
def shown(request, evaluate, tmp_path_factory) -> SimpleNamespace:
    """A model of images with ten classes, and a binary one of texts."""
    case = request.getfixturevalue(request.param)
    params = EvaluateParams.model_validate(EXAMPLE_PARAMS[request.param])
    result = evaluate(tmp_path_factory.mktemp("shown"), case, params)
    return SimpleNamespace(name=request.param, case=case, params=params, **vars(result))


def test_files_of_images_and_texts(shown):
    assert {path.name for path in shown.report.iterdir()} == COMMON | EXAMPLE_FILES[shown.name]


def test_slices_by_class_and_by_ranges(shown):
    table = pd.read_csv(shown.report / "slices.csv")
    if shown.name == "images":
        assert shown.verdict["blessed"] is False
        assert [each["failure"] for each in shown.verdict["thresholds"]] == [
            None,
            f"top_5_accuracy {shown.metrics['top_5_accuracy']:.4f} is more than 0.5 (evaluate.thresholds.top_5_accuracy.max)",
        ]
        by_class, ranges = table[table["columns"] == "class"], table[table["columns"] == "image_brightness"]
        predictions = pd.read_parquet(shown.report / "predictions.parquet")
        probabilities = np.stack(predictions["probabilities"])
        top = [names[:3] for names in np.array(shown.case.class_names)[np.argsort(-probabilities, axis=1, kind="stable")]]
        among = pd.Series([label in names for label, names in zip(predictions["label"], top, strict=True)])
        assert by_class["top_3_accuracy"].tolist() == pytest.approx(among.groupby(predictions["label"]).mean().tolist())
        brightness = shown.case.test["image_brightness"].astype(np.float32)
    else:
        ranges = table[table["columns"] == "source, text_num_words"]
        assert len(ranges) == 12
        ranges = ranges[ranges["values"].str.startswith("yelp")]
        brightness = shown.case.test["text_num_words"][shown.case.test["source"] == "yelp"]
    for values, count in zip(ranges["values"], ranges["num_examples"], strict=True):
        low, high, end = re.search(r"\[(\S+), (\S+)([)\]])$", values).groups()
        below = brightness <= float(high) if end == "]" else brightness < float(high)
        assert ((brightness >= float(low)) & below).sum() == count


def test_wrong_examples_are_those_of_the_predictions(shown):
    predictions = pd.read_parquet(shown.report / "predictions.parquet")
    wrong, right = (pd.read_csv(shown.report / f"{name}_examples.csv") for name in ("wrong", "right"))
    for table, is_right in ((wrong, False), (right, True)):
        assert table["record"].is_unique
        of_record = predictions.iloc[table["record"]]
        assert table["label"].tolist() == of_record["label"].tolist()
        assert table["prediction"].tolist() == of_record["prediction"].tolist()
        assert set(table["label"] == table["prediction"]) == {is_right}
    certain = wrong[wrong["group"] == "certain_wrong"]
    if shown.name == "images":
        confidence = np.stack(predictions["probabilities"]).max(axis=1)
        assert certain["record"].map(shown.case.test["source"]).tolist() == certain["source"].tolist()
    else:
        confidence = np.maximum(predictions["score"], 1 - predictions["score"]).to_numpy()
        assert certain["record"].map(shown.case.test["text"]).tolist() == certain["text"].tolist()
    all_wrong = np.sort(confidence[predictions["label"] != predictions["prediction"]])[::-1]
    assert certain["probability"].to_numpy() == pytest.approx(all_wrong[:16], abs=1e-6)


def test_page_shows_classes_and_examples(shown):
    page = (shown.report / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == len(list(shown.report.glob("*.png")))
    for name in shown.case.class_names:
        assert f"<td>{name}</td>" in page
    wrong = pd.read_csv(shown.report / "wrong_examples.csv")
    if shown.name == "texts":
        for text in wrong["text"]:
            assert (
                f'<td class="text" dir="auto">{html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}</td>'
                in page
            )
    else:
        assert 'alt="wrong examples"' in page
        assert 'class="text"' not in page


def test_examples_go_to_the_run_of_the_model_too(shown):
    folders = {key: getattr(shown, key) for key in ("evaluation", "report", "canary")} | {"model": shown.case.model}
    found = outcome(SimpleNamespace(name="x"), folders)
    assert found.lines[1] == "evaluated column by column in one process (beam.runner is the local one), without TFMA"
    assert found.files == {shown.report: "report"}
    names = {"report.html", "gate.html", *(name for name in EXAMPLE_FILES[shown.name] if "examples" in name)}
    assert found.model_files == {shown.report / name: "report" for name in names}


def test_same_examples_give_the_same_bytes(shown, run_component, tmp_path):
    inputs = {"examples": shown.case.examples, "model": shown.case.model, "schema": shown.case.schema}
    inputs |= {"evaluation": shown.evaluation, "blessing": shown.blessing}
    again = run_component(ModelReport, tmp_path, inputs, params=shown.params, seed=7, model_name="a <b>model</b> & more")
    assert {path.name: path.read_bytes() for path in again["report"].iterdir()} == {
        path.name: path.read_bytes() for path in shown.report.iterdir()
    }


def test_a_model_that_asks_for_an_unknown_module(binary, run_component, write_model, tmp_path):
    write_model(tmp_path / "model", binary, "auc", libraries=["os"])
    inputs = {"examples": binary.examples, "model": tmp_path / "model", "schema": binary.schema}
    with pytest.raises(TensorlineError, match=r"^model\.json: libraries: the model asks for the module 'os'\."):
        run_component(Evaluator, tmp_path, inputs, params=EvaluateParams(), seed=7)

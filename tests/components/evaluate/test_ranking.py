"""Orders within groups: cars of a model year, the thriftiest first, judged as scikit-learn judges them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import ParamsError, UserError
from components.evaluate.ranking import SCORES, TRUNCATIONS, make_ranking, measure_groups
from components.params.models import EvaluateParams

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cars() -> pd.DataFrame:
    """Relevance: tens of miles per gallon. Many cars have as many cylinders."""
    frame = pd.read_csv(ROOT / "data/mpg/auto_mpg.csv")
    return frame.assign(relevance=frame["mpg"] / 10)


def codes(frame: pd.DataFrame) -> np.ndarray:
    return (frame["model_year"] - frame["model_year"].min()).to_numpy()


@pytest.mark.parametrize("column", ["weight", "cylinders"])
def test_ndcg_is_that_of_scikit_learn(column: str, cars: pd.DataFrame) -> None:
    from sklearn.metrics import ndcg_score

    found = measure_groups(cars["relevance"].to_numpy(), -cars[column].to_numpy(), codes(cars))
    expected = [
        [ndcg_score([2 ** part["relevance"] - 1], [-part[column]], k=each) for each in (*TRUNCATIONS, None)]
        for _, part in cars.groupby("model_year")
    ]
    np.testing.assert_allclose(found[:, :-1], expected, rtol=1e-12)
    assert SCORES[-1] == "mrr"
    assert len(found) == 13


def test_equal_scores_stand_in_random_order(cars: pd.DataFrame) -> None:
    part = cars[cars["model_year"] == 70][::6]
    relevances = part["relevance"].round().to_numpy()
    assert len(set(relevances)) > 1
    for scores in (np.zeros(5), part["cylinders"].to_numpy(), -part["cylinders"].to_numpy()):
        (found,) = measure_groups(relevances, scores, np.zeros(5, np.int64))
        orders = [
            measure_groups(relevances, scores * 10.0 - np.array(order), np.zeros(5, np.int64))[0]
            for order in itertools.permutations(range(5))
        ]
        np.testing.assert_allclose(found, np.mean(orders, axis=0), rtol=1e-9)


def test_groups_without_an_order_are_counted(cars: pd.DataFrame) -> None:
    few = cars[:6].assign(query=["b", "b", "a", "c", "c", "c"], relevance=[1, 0, 3, 2, 2, 2])
    ranking = make_ranking("query", few["relevance"].to_numpy(), np.arange(6.0), few[["query", "origin"]])
    assert ranking.judged.tolist() == [False, True, False]
    assert ranking.left_out == (1, 1)
    np.testing.assert_allclose(
        ranking.measured(np.arange(6.0)), [[0.0, *[1 / np.log2(3)] * 4, 0.5]]
    )  # the only relevant example of b stands second
    assert ranking.columns_of_groups(["query", "origin"]).to_dict("list") == {"query": ["b"], "origin": [1]}


def test_what_can_not_be_ranked(cars: pd.DataFrame) -> None:
    few = cars[:4].assign(query=["b", "b", "a", None])
    with pytest.raises(UserError) as missing:
        make_ranking("query", np.arange(4.0), np.arange(4.0), few)
    assert str(missing.value) == (
        "evaluate: 1 of 4 test examples have no 'query', first record 3. A ranking compares examples of the same group "
        "(model.group): fill or drop them (data)."
    )
    with pytest.raises(UserError) as alike:
        make_ranking("query", np.array([2.0, 2.0, 1.0]), np.arange(3.0), few[:3])
    assert str(alike.value) == (
        "evaluate: none of the 2 groups of the 3 test examples has an order: 1 hold a single example, 1 several that are "
        "equally relevant. Expected groups of several examples: enlarge data.split.test, keep groups whole "
        "(data.split.key: [query]), or name another column (model.group)."
    )


@pytest.fixture(scope="module")
def ranked(
    cars: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory, write_examples: Any, write_schema: Any, write_model: Any
) -> Callable[..., Any]:
    """Makes a case of even years to train on and of odd years to test, of a model that scores by one column.

    1970 stands in both; of 1971 there is a single test example.
    """
    from tests.components.evaluate.conftest import Case

    frame = cars.drop(columns="car_name").astype({"weight": np.float64, "cylinders": np.float64, "horsepower": np.float64})
    year = frame["model_year"]
    frame["decade"] = np.where(year < 76, "early", "late")
    test = frame[(year % 2 == 1) | (year == 70)]
    test = test.drop(test.index[test["model_year"] == 71][1:]).sample(frac=1, random_state=2).reset_index(drop=True)
    folder = tmp_path_factory.mktemp("ranking")
    write_examples(folder / "examples", test)
    write_examples(folder / "examples", frame[year % 2 == 0], "train")
    write_schema(folder / "schema", frame)

    def make(feature: str, name: str, **description: Any) -> Any:
        case = Case(
            "regression", "relevance", [feature], [], test, folder / "examples", folder / "schema", folder / name,
            np.array([[-0.01]]), np.array([2.0]),
        )  # fmt: skip
        told = {"kind": "ranking", "group": "model_year", **description}
        write_model(case.model, case, "ndcg_5", name[0] * 64, **told)
        return case

    return make


@pytest.mark.slow
def test_it_is_measured_by_group(ranked: Callable[..., Any], evaluate: Callable[..., Any], tmp_path: Path) -> None:
    from sklearn.metrics import ndcg_score

    candidate, champion = ranked("weight", "a_candidate"), ranked("cylinders", "b_champion")
    params = EvaluateParams.model_validate({"slices": [["decade"]], "thresholds": {"ndcg_5": {"min": 0.5}}})
    found = evaluate(tmp_path / "found", candidate, params, champion.model)
    written = pd.read_parquet(found.report / "predictions.parquet")
    assert list(written) == ["record", "label", "prediction", "decade", "model_year"]
    assert len(written) == len(candidate.test)
    np.testing.assert_allclose(written["label"], candidate.test["relevance"], rtol=1e-6)

    def ndcg(scores: pd.Series, rows: pd.Series | None = None) -> list[float]:
        parts = [part for _, part in written.assign(score=scores).groupby("model_year") if len(part) > 1]
        assert len(parts) == 6
        return [
            ndcg_score([2 ** part["label"] - 1], [part["score"]], k=5)
            for part in parts
            if rows is None or rows[part.index].all()
        ]

    metrics = found.metrics
    ours, theirs = np.mean(ndcg(written["prediction"])), np.mean(ndcg(-candidate.test["cylinders"]))
    assert metrics["ndcg_5"] == pytest.approx(ours, rel=1e-6)
    assert metrics["champion_ndcg_5"] == pytest.approx(theirs, rel=1e-6)
    assert metrics["difference"] == pytest.approx(ours - theirs, rel=1e-4)
    assert metrics["ndcg_5_low"] < ours < metrics["ndcg_5_high"]
    assert (metrics["num_examples"], metrics["num_groups"], metrics["num_groups_left_out"]) == (len(written), 6, 1)
    slices = pd.read_csv(found.report / "slices.csv", keep_default_na=False).set_index("values")
    assert slices["num_groups"].to_dict() == {"": 6, "early": 3, "late": 3}
    expected = np.mean(ndcg(written["prediction"], written["decade"] == "late"))
    assert slices["ndcg_5"]["late"] == pytest.approx(expected, rel=1e-6)
    groups = pd.read_csv(found.report / "groups.csv")
    assert list(groups) == ["group", "num_examples", *SCORES]
    assert groups["group"].tolist() == [70, 73, 75, 77, 79, 81]
    np.testing.assert_allclose(groups["ndcg_5"], ndcg(written["prediction"]), rtol=1e-6)
    assert found.verdict["notes"][:3] == [
        "1 of 7 groups have no order and are left out: 1 hold a single example, 0 several that are equally relevant.",
        "Of the 6 groups that are judged, 1 also have examples in the training split, so these values are of parts of groups, "
        "and too good for new ones. data.split.key: [model_year] keeps groups whole.",
        "The test split holds only 6 groups: small differences say little.",
    ]
    assert {path.name for path in found.report.iterdir()} == {
        "metrics.json", "verdict.json", "slices.csv", "slices.png", "intervals.csv", "groups.csv", "scores.png",
        "predictions.parquet", "report.html", "gate.html",
    }  # fmt: skip
    page = (found.report / "report.html").read_text()
    assert re.search(r"ranking model of <b>relevance</b>,\s+6 test groups", page)
    assert [path.name for path in found.blessing.iterdir()] == ["BLESSED"]
    by_tfma = evaluate(tmp_path / "by_tfma", candidate, params, champion.model, by_tfma=True)
    assert {path.name: path.read_text() for path in by_tfma.blessing.iterdir()} == {
        "NOT_JUDGED": "TFMA has no metrics for models of the kind ranking.\n"
    }
    assert by_tfma.metrics == found.metrics


@pytest.mark.slow
def test_what_is_refused(ranked: Callable[..., Any], evaluate: Callable[..., Any], tmp_path: Path) -> None:
    case = ranked("weight", "c_candidate")
    with pytest.raises(UserError) as torn:
        evaluate(tmp_path / "torn", case, EvaluateParams.model_validate({"slices": [["origin"]]}))
    assert str(torn.value) == (
        "evaluate.slices: column 'origin' differs within 6 of 7 groups, first where 'model_year' is 70. A ranking is judged "
        "group by group: slice by columns that are the same throughout a group."
    )
    with pytest.raises(ParamsError) as unknown:
        evaluate(tmp_path / "unknown", case, EvaluateParams.model_validate({"thresholds": {"auc": {"min": 0.5}}}))
    assert str(unknown.value) == (
        "evaluate.thresholds.auc: a ranking model has no such metric. Known: ndcg_1, ndcg_3, ndcg_5, ndcg_10, ndcg, mrr."
    )
    other = ranked("weight", "d_champion", group="origin")
    found = evaluate(tmp_path / "other", case, EvaluateParams(), other.model)
    assert json.loads((found.report / "verdict.json").read_text())["champion"]["problem"] == (
        "the champion ranks within 'origin', the candidate within 'model_year'; use another register.model_name, or take the "
        "alias from the champion"
    )

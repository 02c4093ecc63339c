"""A shortened year: broken and noisy months are refused for the right reasons, drift is flagged, the better are promoted."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.clone import Clone
from tests.e2e.year import NAME, SHORT, Month, live, make_year, tensorline

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(3600)]  # of five retrainings


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, dict[str, Month], list[bool]]:
    """The clone, its months by kind (the last normal one as `last`), and whether the gate would promote each model."""
    clone = make_year(tmp_path_factory.mktemp("year"))
    months: dict[str, Month] = {}
    verdicts = []
    for month in live(clone, SHORT):
        months["last" if month.kind in months else month.kind] = month
        file = clone.root / "artifacts" / NAME / "report" / "verdict.json"
        verdicts.append(json.loads(file.read_text())["promote"] if month.result["outcome"] != "stopped" else False)
    return clone, months, verdicts


def test_the_first_month_makes_the_first_champion(year: tuple) -> None:
    result = year[1]["normal"].result
    assert (result["outcome"], result["champion"]) == ("promoted", "1")
    assert result["triggers"]["champion"] == {"fired": True, "why": "there is no champion yet"}


def test_drift_is_flagged_and_the_model_that_learned_it_is_better(year: tuple) -> None:
    month = year[1]["drift"]
    assert month.result["triggers"]["data"] == {"fired": True, "why": "new span 2"}
    assert re.search(r"^\| `fare` \|.*\*\*yes\*\*", month.report, re.MULTILINE)
    assert (month.result["outcome"], month.champion) == ("promoted", "2")


def test_the_broken_month_is_refused_by_its_column(year: tuple) -> None:
    month = year[1]["broken"]
    assert (month.result["outcome"], month.result["exit_code"], month.champion) == ("stopped", 3, "2")
    assert "'trip_miles'" in month.result["why"]
    assert "data/taxi_year/03/trips.csv" in month.report


def test_the_noisy_month_is_refused_by_the_gate(year: tuple) -> None:
    month = year[1]["noisy"]
    assert (month.result["outcome"], month.result["exit_code"], month.champion) == ("refused", 0, "2")
    assert "(evaluate.thresholds.auc.min)" in month.result["why"]
    assert re.search(r"^\*\*Refused\*\*: .*evaluate.thresholds.auc.min", month.report, re.MULTILINE)


def test_a_model_is_promoted_only_when_it_is_better(year: tuple) -> None:
    _, months, verdicts = year
    outcomes = [month.result["outcome"] for month in months.values()]
    assert [outcome == "promoted" for outcome in outcomes] == verdicts
    last = months["last"]
    comparison = re.search(r"^\| \*\*auc\*\* \|[^|]*\|[^|]*\| (?P<difference>[+-][\d.]+)", last.report, re.MULTILINE)
    assert comparison is not None
    if float(comparison["difference"]) < 0:
        assert last.result["outcome"] == "refused"


def test_history_and_rollback_tell_the_story(year: tuple) -> None:
    clone, months, _ = year
    promoted = [month.result["version"] for month in months.values() if month.result["outcome"] == "promoted"]
    assert promoted[:2] == ["1", "2"]
    told = tensorline(clone, "history", NAME)
    assert re.search(rf"version {promoted[-1]}\b", told)
    assert f"it was version {promoted[-1]}" in tensorline(clone, "rollback", NAME, "--why", "the year is over")
    told = tensorline(clone, "history", NAME)
    assert "the year is over" in told
    beat = json.loads((clone.root / "pipelines" / NAME / "heartbeat.json").read_text())
    assert beat["attempt"]["outcome"] == months["last"].result["outcome"]

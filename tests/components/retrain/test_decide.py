"""The decision, of facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from components.params.models import RetrainParams
from components.retrain.decide import Decision, Facts, decide
from components.retrain.fresh import Fresh
from components.retrain.raw_data import RawData
from components.tracking.attempts import Attempt, ChampionFacts

NOW = datetime(2026, 11, 23, 4, 17, tzinfo=timezone.utc)
CHAMPION = ChampionFacts("3", "2026-11-01T04:30:00+00:00", "digest-3", {"auc": 0.9})
SEEN = RawData("folder-3", "digest-3", None, None)
NEW = RawData("folder-4", "digest-4", None, None)
DRIFT = {
    "state": "drift",
    "against": "champion",
    "version": "3",
    "num_baseline": 10,
    "num_current": 10,
    "features": [{"feature": "fare", "drifted": True}, {"feature": "hour", "drifted": False}],
}


def attempt(hours_ago: float, outcome: str | None, data: RawData = NEW, spans: tuple[str, ...] = ()) -> Attempt:
    at = (NOW - timedelta(hours=hours_ago)).isoformat(timespec="seconds")
    return Attempt(at, outcome, "worse than the champion", data.folder, spans, "4", f"run-{hours_ago}")  # type: ignore[arg-type]


def fired(decision: Decision) -> list[str]:
    return [trigger.name for trigger in decision.triggers if trigger.fired]


def test_nothing_to_do() -> None:
    decision = decide(RetrainParams(), Facts(CHAMPION, SEEN), NOW)
    assert not decision.retrain
    assert not decision.validate_first
    assert decision.why == "no reason to: the data are those of the champion, version 3"
    assert [(trigger.name, trigger.fired, trigger.why) for trigger in decision.triggers] == [
        ("forced", False, "not asked for"),
        ("champion", False, "version 3, of 2026-11-01 04:30 UTC"),
        ("data", False, "the data are those of the champion, version 3"),
        ("drift", False, "nothing is known of drift"),
        ("performance", False, "no freshly labelled records"),
        ("schedule", False, "retrain.every_days is not set"),
    ]


def test_the_first_model() -> None:
    decision = decide(RetrainParams(), Facts(None, SEEN), NOW)
    assert (decision.retrain, fired(decision)) == (True, ["champion", "data"])
    assert decision.why == "there is no champion yet; no model has seen the data"


def test_changed_data() -> None:
    decision = decide(RetrainParams(), Facts(CHAMPION, NEW), NOW)
    assert (decision.retrain, fired(decision)) == (True, ["data"])
    assert decision.why == "the data changed since the champion, version 3"


def test_data_that_ingest_will_refuse_are_news_too() -> None:
    decision = decide(RetrainParams(), Facts(CHAMPION, RawData("folder-5", None, "no column", None)), NOW)
    assert (decision.retrain, decision.why) == (True, "the data changed, and ingest can't read them as they are")


@pytest.mark.parametrize(
    ("ingest", "attempts", "told"),
    [
        ({"spans": {"found": ["1", "2"], "used": ["2"], "ingested": ["2"]}}, [], "new spans 3, 4"),
        (None, [attempt(100, "promoted", SEEN, ("1", "2", "3"))], "new span 4"),
        (None, [], "the data changed since the champion, version 3"),
        ({"spans": {"found": ["1", "2", "3", "4"]}}, [], "the data changed since the champion, version 3"),
    ],
)
def test_spans(ingest: dict | None, attempts: list[Attempt], told: str) -> None:
    data = replace(NEW, spans=("1", "2", "3", "4"))
    decision = decide(RetrainParams(), Facts(CHAMPION, data, attempts, ingest=ingest), NOW)
    assert (decision.retrain, decision.why) == (True, told)


@pytest.mark.parametrize(
    ("outcome", "again"),
    [("refused", False), ("stopped", False), ("unchanged", False), ("promoted", False), ("failed", True), (None, True)],
)
def test_data_are_tried_once_but_after_a_failure(outcome: str | None, again: bool) -> None:
    decision = decide(RetrainParams(), Facts(CHAMPION, NEW, [attempt(30, outcome)]), NOW)
    assert decision.retrain is again
    if not again:
        assert decision.why == (
            f"no reason to: these data were tried at 2026-11-21 22:17 UTC: {outcome}, worse than the champion"
        )


def test_the_cooldown_holds_for_all_but_force() -> None:
    facts = Facts(CHAMPION, NEW, [attempt(11, "failed")])
    decision = decide(RetrainParams(), facts, NOW)
    assert (decision.retrain, fired(decision)) == (False, ["data"])
    assert decision.why == (
        "waits until 2026-11-23 05:17 UTC: the last attempt was at 2026-11-22 17:17 UTC, and retrain.cooldown_hours is 12 "
        "(--force does not wait); the data changed since the champion, version 3"
    )
    assert decide(RetrainParams(cooldown_hours=11), facts, NOW).retrain
    forced = decide(RetrainParams(), facts, NOW, force=True)
    assert (forced.retrain, fired(forced)) == (True, ["forced", "data"])


def test_force_needs_no_reason() -> None:
    decision = decide(RetrainParams(), Facts(CHAMPION, SEEN), NOW, force=True)
    assert (decision.retrain, decision.why) == (True, "asked for with --force")


def test_drift_of_data_that_nobody_has_validated_is_found_out_first() -> None:
    params = RetrainParams(on_new_data=False)
    decision = decide(params, Facts(CHAMPION, NEW, drift=DRIFT), NOW)
    assert (decision.retrain, decision.validate_first) == (False, True)
    assert decision.why == "the data changed since the champion, version 3; whether they drift is to be found out"
    drifted = decide(params, Facts(CHAMPION, NEW, drift=DRIFT), NOW, validated=True)
    assert (drifted.retrain, drifted.why) == (True, "drift against champion in 1 of 2 features: fare")
    same = decide(params, Facts(CHAMPION, NEW, drift={**DRIFT, "state": "no_drift"}), NOW, validated=True)
    assert (same.retrain, same.validate_first) == (False, False)
    off = decide(RetrainParams(on_new_data=False, on_drift=False), Facts(CHAMPION, NEW, drift=DRIFT), NOW)
    assert (off.retrain, off.validate_first) == (False, False)


@pytest.mark.parametrize(
    ("drift", "data", "is_reason", "told"),
    [
        (DRIFT, SEEN, False, "drift against champion in 1 of 2 features: fare, in data that were tried already"),
        (DRIFT, NEW, False, "drift against champion in 1 of 2 features: fare, in the data before these"),
        ({**DRIFT, "against": "serving"}, SEEN, True, "drift against serving in 1 of 2 features: fare"),
        ({**DRIFT, "state": "no_baseline", "features": []}, SEEN, False, "no baseline (against champion)"),
    ],
)
def test_drift_that_is_known_already(drift: dict, data: RawData, is_reason: bool, told: str) -> None:
    decision = decide(RetrainParams(), Facts(CHAMPION, data, drift=drift), NOW)
    trigger = next(each for each in decision.triggers if each.name == "drift")
    assert (trigger.fired, trigger.why) == (is_reason, told)


@pytest.mark.parametrize(("every_days", "due"), [(2, True), (2.5, False), (None, False)])
def test_the_schedule_counts_from_the_last_training_by_whomever(every_days: float | None, due: bool) -> None:
    facts = Facts(CHAMPION, SEEN, [attempt(90, "refused", SEEN)], (NOW - timedelta(hours=50)).isoformat())
    decision = decide(RetrainParams(every_days=every_days), facts, NOW)
    assert decision.retrain is due
    if due:
        assert decision.why == "the last training was 2.1 days ago, and retrain.every_days is 2"


def test_performance() -> None:
    fresh = Fresh("new.csv", "auc", 500, 2, 0.8, 0.77, 0.83, 0.9, 0.1, 0.06, 0.14, 0.95)
    told = (
        "auc 0.8000 [0.7700, 0.8300] on 500 freshly labelled records, 0.9000 on the champion's test split: worse "
        "(95% interval of the loss +0.0600 to +0.1400)"
    )
    decision = decide(RetrainParams(), Facts(CHAMPION, SEEN, fresh=fresh), NOW)
    assert (decision.retrain, fired(decision), decision.why) == (True, ["performance"], told)
    chance = replace(fresh, loss_low=-0.01)
    assert not decide(RetrainParams(), Facts(CHAMPION, SEEN, fresh=chance), NOW).retrain
    few = replace(fresh, num_examples=29)
    decision = decide(RetrainParams(), Facts(CHAMPION, SEEN, fresh=few), NOW)
    assert not decision.retrain
    assert next(each for each in decision.triggers if each.name == "performance").why == (
        "auc 0.8000 [0.7700, 0.8300] on 29 freshly labelled records, 0.9000 on the champion's test split: too few to tell (30 "
        "are needed)"
    )

"""Whether to retrain, and why (not). Pure: facts in, a decision out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from components.params.models import RetrainParams
from components.retrain.fresh import Fresh
from components.retrain.heartbeat import shown_time
from components.retrain.raw_data import RawData
from components.tracking.attempts import Attempt, ChampionFacts

TriggerName = Literal["forced", "champion", "data", "drift", "performance", "schedule"]
_FEW = 8
"""Names that a reason lists before it only counts them."""


@dataclass(frozen=True)
class Facts:
    """What the decision rests on; all of it comes from MLflow, the repository and the artifacts that DVC brought.

    Attributes:
        champion: None if there is none.
        data: The raw data as they lie there.
        attempts: The newest first.
        last_training: When, UTC, ISO 8601; None if there was none.
        drift: drift.json of the last validate; None if there is none.
        ingest: ingest.json of the last ingest; None if there is none.
        fresh: How the champion does on freshly labelled records; None if there are none.
    """

    champion: ChampionFacts | None
    data: RawData
    attempts: Sequence[Attempt] = ()
    last_training: str | None = None
    drift: dict[str, Any] | None = None
    ingest: dict[str, Any] | None = None
    fresh: Fresh | None = None


@dataclass(frozen=True)
class Trigger:
    """One possible reason.

    Attributes:
        name: Which.
        fired: Whether it is one.
        why: What was found.
    """

    name: TriggerName
    fired: bool
    why: str


@dataclass(frozen=True)
class Decision:
    """Whether to retrain.

    Attributes:
        retrain: The decision.
        why: In a sentence.
        triggers: Each, whether it fired or not.
        validate_first: New data are no reason in themselves, but drift is: whether they drift must be found out first.
    """

    retrain: bool
    why: str
    triggers: tuple[Trigger, ...]
    validate_first: bool = False


def decide(params: RetrainParams, facts: Facts, now: datetime, *, force: bool = False, validated: bool = False) -> Decision:
    """Decides.

    Args:
        params: The section `retrain`.
        facts: See `Facts`.
        now: With a time zone.
        force: The user wants it, whatever the facts.
        validated: The stage validate has seen the data that lie there: drift is known of them.
    """
    is_new, news = _news(facts)
    triggers = (
        Trigger("forced", force, "asked for with --force" if force else "not asked for"),
        _first(facts),
        Trigger("data", is_new and params.on_new_data, news + ("" if params.on_new_data else "; retrain.on_new_data is off")),
        _drift(params, facts.drift, is_new=is_new, validated=validated),
        _performance(facts.fresh),
        _schedule(params, facts, now),
    )
    fired = [each for each in triggers if each.fired]
    waits = None if force else _cooldown(params, facts.attempts, now)
    if waits is not None:
        asked = f"; {'; '.join(each.why for each in fired)}" if fired else ""
        return Decision(False, waits + asked, triggers)
    if fired:
        return Decision(True, "; ".join(each.why for each in fired), triggers)
    if is_new and params.on_drift and not validated:
        return Decision(False, f"{news}; whether they drift is to be found out", triggers, validate_first=True)
    return Decision(False, f"no reason to: {news}", triggers)


def last_attempt(facts: Facts) -> Attempt | None:
    """The newest."""
    return facts.attempts[0] if facts.attempts else None


def _first(facts: Facts) -> Trigger:
    if facts.champion is None:
        return Trigger("champion", True, "there is no champion yet")
    return Trigger("champion", False, f"version {facts.champion.version}, of {shown_time(facts.champion.registered_at)}")


def _news(facts: Facts) -> tuple[bool, str]:
    """Whether neither the champion nor an attempt has seen the data, and what is new."""
    data = facts.data
    if facts.champion is not None and data.digest is not None and data.digest == facts.champion.data_digest:
        return False, f"the data are those of the champion, version {facts.champion.version}"
    for attempt in facts.attempts:
        if attempt.data == data.folder and attempt.outcome in ("promoted", "refused", "unchanged", "stopped"):
            return False, f"these data were tried at {shown_time(attempt.at)}: {attempt.outcome}, {attempt.why}"
    if data.spans is not None:
        known = _known_spans(facts)
        new = [name for name in data.spans if name not in known]
        if known and new:
            return True, f"new span{'s' if len(new) > 1 else ''} {_listed(new)}"
    if facts.champion is None:
        return True, "no model has seen the data"
    if data.problem is not None:
        return True, "the data changed, and ingest can't read them as they are"
    return True, f"the data changed since the champion, version {facts.champion.version}"


def _known_spans(facts: Facts) -> set[str]:
    """The spans that the last ingest found, or else those of the last attempt."""
    found = (facts.ingest or {}).get("spans")
    if found:
        return set(found["found"])
    return set(next((attempt.spans for attempt in facts.attempts if attempt.spans), ()))


def _drift(params: RetrainParams, drift: dict[str, Any] | None, *, is_new: bool, validated: bool) -> Trigger:
    if drift is None:
        return Trigger("drift", False, "nothing is known of drift")
    against = drift.get("against", "champion")
    if drift["state"] != "drift":
        return Trigger("drift", False, f"{drift['state'].replace('_', ' ')} (against {against})")
    names = [each["feature"] for each in drift["features"] if each["drifted"]]
    found = f"drift against {against} in {len(names)} of {len(drift['features'])} features: {_listed(names)}"
    if not params.on_drift:
        return Trigger("drift", False, f"{found}; retrain.on_drift is off")
    if against != "serving" and not validated and not is_new:
        return Trigger("drift", False, f"{found}, in data that were tried already")
    if against != "serving" and not validated:
        return Trigger("drift", False, f"{found}, in the data before these")
    return Trigger("drift", True, found)


def _performance(fresh: Fresh | None) -> Trigger:
    if fresh is None:
        return Trigger("performance", False, "no freshly labelled records")
    return Trigger("performance", fresh.is_worse, fresh.told)


def _schedule(params: RetrainParams, facts: Facts, now: datetime) -> Trigger:
    if params.every_days is None:
        return Trigger("schedule", False, "retrain.every_days is not set")
    times = [attempt.at for attempt in facts.attempts] + ([facts.last_training] if facts.last_training else [])
    if not times:
        return Trigger("schedule", True, "there was no training yet")
    since = now - datetime.fromisoformat(max(times))
    days = since / timedelta(days=1)
    told = f"the last training was {days:.1f} days ago, and retrain.every_days is {params.every_days:g}"
    return Trigger("schedule", days >= params.every_days, told)


def _cooldown(params: RetrainParams, attempts: Sequence[Attempt], now: datetime) -> str | None:
    """Why to wait; None if there is no need."""
    if not attempts:
        return None
    over = datetime.fromisoformat(attempts[0].at) + timedelta(hours=params.cooldown_hours)
    if now >= over:
        return None
    return (
        f"waits until {shown_time(over.isoformat())}: the last attempt was at {shown_time(attempts[0].at)}, and "
        f"retrain.cooldown_hours is {params.cooldown_hours:g} (--force does not wait)"
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more

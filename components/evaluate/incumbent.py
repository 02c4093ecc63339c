"""The rule against the champion: better, outside the interval of the paired difference; and what a tie is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from components.evaluate.checks import Check, Item, shown
from components.evaluate.measure import Comparison
from components.evaluate.metrics import Metric
from components.params.models import EvaluateParams
from components.saved_model import SERVING_FOLDER


@dataclass(frozen=True)
class Cost:
    """What a model costs where it is served.

    Attributes:
        size_bytes: Of the SavedModel.
        latency_ms: Median of requests of one row; None if not measured.
    """

    size_bytes: int
    latency_ms: float | None


def size_bytes(model: Path) -> int:
    """Of the SavedModel in the folder of a Model artifact: what is served."""
    return sum(each.stat().st_size for each in (model / SERVING_FOLDER).rglob("*") if each.is_file())


def shown_size_mb(size: int) -> float:
    """In 10^6 bytes, rounded up to two decimals: names in the graph are numbered, and a byte more or less says nothing."""
    return math.ceil(size / 1e4) / 100


def is_better(champion: Comparison, params: EvaluateParams) -> bool | None:
    """Whether the interval of the improvement lies above evaluate.beat_champion_by; None where they can't be compared."""
    if champion.difference is None:
        return None
    return champion.low is not None and champion.low > params.beat_champion_by


def is_tie(champion: Comparison) -> bool:
    """Whether the test split can't tell which of the two is better: the interval holds 0, or there is none."""
    return champion.low is None or champion.high is None or champion.low <= 0 <= champion.high


def check_champion(
    champion: Comparison | None,
    digest: str,
    value: float | None,
    metric: Metric,
    params: EvaluateParams,
    costs: tuple[Cost, Cost] | None,
) -> Check:
    """Whether the candidate may take the champion's place.

    Args:
        champion: The comparison; None without an incumbent.
        digest: Of the candidate.
        value: The candidate's key metric; None where undefined.
        metric: The key metric.
        params: The section `evaluate`.
        costs: Of candidate and champion, if evaluate.on_tie asks for them.
    """
    if champion is None:
        return Check("champion", passed=True, reason="no incumbent", judged=False)
    if champion.problem is None and champion.digest == digest:
        return Check("champion", passed=True, reason="it is the champion itself", judged=False)
    if champion.problem is not None or champion.difference is None or champion.value is None or value is None:
        reason = f"can't be compared with the champion: {champion.problem}"
        return Check("champion", passed=False, reason=reason, items=[Item(metric.name, value, passed=False)])
    passed, why = _decide(champion, params, costs)
    margin = params.beat_champion_by
    bounds = "no interval"
    if champion.low is not None and champion.high is not None:
        low, high = (shown(each, margin, "+") for each in (champion.low, champion.high))
        bounds = f"{params.confidence * 100:g}% interval {low} to {high}"
    reason = (
        f"{metric.name} {value:.4f} against the champion's {champion.value:.4f} is an improvement of "
        f"{shown(champion.difference, margin, '+')} ({bounds}), {why}"
    )
    what = f"{metric.name}, improvement on the champion"
    item = Item(what, champion.difference, champion.low, champion.high, margin, None, passed, why)
    return Check("champion", passed, reason, items=[item])


def _decide(champion: Comparison, params: EvaluateParams, costs: tuple[Cost, Cost] | None) -> tuple[bool, str]:
    """Whether it passes, and why (not)."""
    asked = f"the {params.beat_champion_by:g} of evaluate.beat_champion_by"
    if is_better(champion, params):
        return True, f"which lies above {asked}"
    if is_tie(champion):
        tie = "so this test split can't tell the two apart"
        if params.on_tie == "promote_if_cheaper" and costs is not None:
            cheaper, compared = _compare_costs(*costs, share=params.cheaper_by)
            return cheaper, f"{tie}; {compared} (evaluate.on_tie: promote_if_cheaper, cheaper_by: {params.cheaper_by:g})"
        return params.on_tie == "promote", f"{tie} (evaluate.on_tie: {params.on_tie})"
    worse = champion.high is not None and champion.high < 0
    return False, "worse than the champion" if worse else f"better, but not certainly by more than {asked}"


def _compare_costs(ours: Cost, theirs: Cost, share: float) -> tuple[bool, str]:
    """Cheaper is what is smaller or faster by the share, and not larger or slower by it. Times are not told: they differ."""
    size = _side(ours.size_bytes, theirs.size_bytes, share)
    told = f"it has {shown_size_mb(ours.size_bytes):g} MB and the champion {shown_size_mb(theirs.size_bytes):g}"
    if ours.latency_ms is None or theirs.latency_ms is None:
        return False, f"{told}, and their latencies are not known"
    speed = _side(ours.latency_ms, theirs.latency_ms, share)
    told += f", and it answers {('faster', 'as fast', 'more slowly')[speed + 1]}"
    return min(size, speed) < 0 and max(size, speed) <= 0, told


def _side(ours: float, theirs: float, share: float) -> int:
    """-1 if `ours` is less by the share, 1 if it is more by it, else 0."""
    return -1 if ours < theirs * (1 - share) else 1 if ours > theirs * (1 + share) else 0

"""What the gate asks of a candidate, one check a question, and those that only compare a number with a limit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.errors import TensorlineError
from components.evaluate.measure import Measurement
from components.evaluate.slices import Slice
from components.params.models import EvaluateParams, SliceThresholds, Threshold

CheckName = Literal["anomalies", "thresholds", "slices", "champion", "guessing", "canary", "size", "latency"]
ANOMALIES_FILE = "anomalies.json"
_MAX_TOLD = 5
"""So many broken rules are told in a reason; all of them stand in the check's items."""


@dataclass(frozen=True)
class Item:
    """One line of a check.

    Attributes:
        what: Was measured.
        value: The number; None where there is none, or where it differs from time to time and so is kept elsewhere.
        low, high: Bootstrap interval, if the check goes by one.
        min, max: The limits; None where there is none.
        passed: None if it was not judged.
        note: Why (not).
    """

    what: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    min: float | None = None
    max: float | None = None
    passed: bool | None = True
    note: str = ""


@dataclass(frozen=True)
class Check:
    """One check of the gate.

    Attributes:
        name: Of the check.
        passed: Whether it lets the candidate pass; true if there was nothing to judge.
        reason: In words.
        judged: Whether there was something to judge.
        items: What was looked at, line by line.
    """

    name: CheckName
    passed: bool
    reason: str
    judged: bool = True
    items: list[Item] = field(default_factory=list)


def read_anomalies(folder: Path) -> list[dict[str, Any]]:
    """What stage validate found, from the folder of its artifact.

    Raises: TensorlineError if the file is missing or damaged.
    """
    path = folder / ANOMALIES_FILE
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TensorlineError(f"{path}: {error}. Expected what stage validate writes: rerun validate.") from None
    return found


def check_anomalies(anomalies: Sequence[Mapping[str, Any]], params: EvaluateParams) -> Check:
    """Whether the data that the candidate was trained and judged on keep to their schema.

    Args:
        anomalies: What stage validate found, as in anomalies.json.
        params: The section `evaluate`.
    """
    if not anomalies:
        return Check("anomalies", passed=True, reason="the data keep to their schema", items=[Item("anomalies", 0, max=0)])
    allowed = params.on_anomaly == "allow"
    items = [
        Item(
            f"{each['feature']} ({each['split']})",
            passed=None if allowed else False,
            note=f"{each['what']}: {each['how_much']}",
        )
        for each in anomalies
    ]
    told = _some([f"{each['feature']} ({each['split']}: {each['what']})" for each in anomalies], ", ")
    count = f"{len(anomalies)} {'anomaly' if len(anomalies) == 1 else 'anomalies'}"
    reason = f"the data break their schema, {count}: {told} (evaluate.on_anomaly: {params.on_anomaly})"
    return Check(
        "anomalies", allowed, reason, items=[Item("anomalies", len(anomalies), max=0, passed=items[0].passed), *items]
    )


def check_thresholds(values: Mapping[str, float | None], undefined: Mapping[str, str], params: EvaluateParams) -> Check:
    """Whether the whole test split keeps to evaluate.thresholds."""
    items = []
    for name, limit in params.thresholds.items():
        key = f"evaluate.thresholds.{name}"
        if (value := values[name]) is None:
            note = f"{name} is undefined on the test split: {undefined[name]} ({key})"
        else:
            note = broken(value, limit, name, key) or ""
        items.append(Item(name, value, min=limit.min, max=limit.max, passed=not note, note=note))
    failures = [each.note for each in items if not each.passed]
    reason = "; ".join(failures) or ("every threshold is met" if items else "there are no thresholds")
    return Check("thresholds", not failures, reason, judged=bool(items), items=items)


def check_slices(
    slices: Sequence[tuple[Slice, Measurement]], undefined: Mapping[str, str], params: EvaluateParams, unit: str
) -> Check:
    """Whether the slices keep to evaluate.slice_thresholds; those of too few examples are told, and not judged.

    Args:
        slices: With what was measured on them; the overall one may be among them.
        undefined: Metric name → why it may have no value.
        params: The section `evaluate`.
        unit: What is counted: examples, or groups.
    """
    if not params.slice_thresholds:
        return Check("slices", passed=True, reason="there are no thresholds on slices", judged=False)
    items: list[Item] = []
    for index, rule in enumerate(params.slice_thresholds):
        key = f"evaluate.slice_thresholds.{index}"
        found = [
            (part, measured)
            for part, measured in slices
            if list(part.columns) == rule.columns and (rule.values is None or list(part.values) == rule.values)
        ]
        if not found:
            wanted = ", ".join(f"{column} = {value}" for column, value in zip(rule.columns, rule.values or (), strict=False))
            known = _some([part.title for part, _ in slices if list(part.columns) == rule.columns], "; ")
            items.append(Item(wanted, passed=None, note=f"no test {unit} there ({key}.values); slices: {known}"))
        for part, measured in found:
            items += _judge_slice(part, measured, rule, undefined, key, unit)
    failures = [each.note for each in items if each.passed is False]
    num_judged, unjudged = sum(each.passed is not None for each in items), [each for each in items if each.passed is None]
    reason = _some(failures, "; ") or (
        f"every threshold on slices is met, {num_judged}" if num_judged else "no slice could be judged"
    )
    if unjudged:
        reason += f"; not judged, {len(unjudged)}: " + _some([f"{each.what}: {each.note}" for each in unjudged], ", ")
    return Check("slices", not failures, reason, judged=num_judged > 0, items=items)


def _judge_slice(
    part: Slice, measured: Measurement, rule: SliceThresholds, undefined: Mapping[str, str], key: str, unit: str
) -> list[Item]:
    items, counted = [], f"{measured.num_examples:,} {unit}"
    for name, limit in rule.thresholds.items():
        value, passed, note = measured.values[name], None, ""
        if measured.num_examples < rule.min_examples:
            note = f"{counted}, fewer than {rule.min_examples:,}"
        elif value is None:
            note = f"undefined, {undefined[name]}"
        else:
            found = broken(value, limit, name, f"{key}.thresholds.{name}", f"where {part.title} ({counted})")
            passed, note = found is None, found or counted
        items.append(Item(f"{name} where {part.title}", value, min=limit.min, max=limit.max, passed=passed, note=note))
    return items


def check_size(size_mb: float, params: EvaluateParams) -> Check:
    """Whether the SavedModel is small enough.

    Args:
        size_mb: In 10^6 bytes.
        params: The section `evaluate`.
    """
    limit, key = params.max_size_mb, "evaluate.max_size_mb"
    if limit is None:
        reason = f"the SavedModel has {size_mb:g} MB; there is no limit ({key})"
        return Check("size", passed=True, reason=reason, judged=False, items=[Item("size_mb", size_mb, passed=None)])
    passed = size_mb <= limit
    reason = f"the SavedModel has {size_mb:g} MB, {'within' if passed else 'more than'} the {limit:g} MB of {key}"
    return Check("size", passed, reason, items=[Item("size_mb", size_mb, max=limit, passed=passed)])


def check_latency(latency_ms: float | None, params: EvaluateParams) -> Check:
    """Whether the model answers fast enough.

    What was measured is not told, only on which side of the limit it lies: it differs from time to time, and the report's
    bytes are to be the same wherever it is made.

    Args:
        latency_ms: Median, of a request of one row; None if the canary found no answer, or there was none.
        params: The section `evaluate`.
    """
    limit, key = params.max_latency_ms, "evaluate.max_latency_ms"
    if limit is None:
        return Check("latency", passed=True, reason=f"there is no limit ({key})", judged=False)
    if latency_ms is None:
        reason = f"the latency is not known, as the canary has no answer, and {key} allows {limit:g} ms"
        return Check("latency", passed=False, reason=reason, items=[Item("latency_ms", max=limit, passed=False)])
    passed = latency_ms <= limit
    reason = f"a request of one row takes {'no more' if passed else 'longer'} than the {limit:g} ms of {key} (median)"
    return Check("latency", passed, reason, items=[Item("latency_ms", max=limit, passed=passed, note="measured: canary.json")])


def broken(value: float, limit: Threshold, name: str, key: str, where: str = "") -> str | None:
    """What breaks the limit, in words; None if nothing does."""
    if limit.min is not None and value < limit.min:
        bound, side, end = limit.min, "less", "min"
    elif limit.max is not None and value > limit.max:
        bound, side, end = limit.max, "more", "max"
    else:
        return None
    told = f"{name} {where} is {shown(value, bound)}," if where else f"{name} {shown(value, bound)} is"
    return f"{told} {side} than {bound:g} ({key}.{end})"


def shown(value: float, limit: float, sign: str = "") -> str:
    """A value with four decimals, or as many as it takes to see on which side of the limit it lies."""
    for decimals in range(4, 17):
        text = f"{value:{sign}.{decimals}f}"
        if (float(text) > limit) == (value > limit) and (float(text) < limit) == (value < limit):
            return text
    return f"{value:{sign}}"


def _some(texts: Sequence[str], separator: str) -> str:
    more = f"{separator}and {len(texts) - _MAX_TOLD} more" if len(texts) > _MAX_TOLD else ""
    return separator.join(texts[:_MAX_TOLD]) + more

"""The gate: may this model become the champion, and why (not)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.evaluate.measure import Comparison, Measurement
from components.evaluate.metrics import Metric
from components.params.models import EvaluateParams, Threshold

_FEW_EXAMPLES = 100


@dataclass(frozen=True)
class ThresholdResult:
    """One entry of evaluate.thresholds and how the model did; `failure` is None if it was met."""

    metric: str
    value: float | None
    min: float | None
    max: float | None
    failure: str | None


@dataclass(frozen=True)
class Verdict:
    """What the register stage goes by.

    Attributes:
        promote: Whether the candidate becomes the champion.
        reason: Why, or why not; one sentence or several.
        thresholds_met: Whether every threshold was met.
        failures: What each broken threshold says.
        thresholds: Every threshold with the value it was held against.
        blessed: TFMA's verdict over the thresholds that TFMA can judge; None if there are none.
        champion: The comparison; None without an incumbent.
        beats_champion: Whether the candidate is better by evaluate.beat_champion_by; None without a comparison.
        notes: What a reader of the numbers should know.
    """

    promote: bool
    reason: str
    thresholds_met: bool
    failures: list[str]
    thresholds: list[ThresholdResult]
    blessed: bool | None
    champion: Comparison | None
    beats_champion: bool | None
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def make_verdict(
    measurement: Measurement,
    key_metric: Metric,
    undefined: Mapping[str, str],
    params: EvaluateParams,
    *,
    blessed: bool | None = None,
    approximated: Sequence[str] = (),
    unit: str = "examples",
    notes: Sequence[str] = (),
) -> Verdict:
    """Holds a measurement against the thresholds and the champion.

    Without an incumbent the candidate is promoted if it meets the thresholds; else it must also be better than the
    champion by evaluate.beat_champion_by. A model whose key metric is undefined can't be judged and isn't promoted.

    Args:
        measurement: Overall, with the comparison if there is a champion.
        key_metric: What the candidate is judged by.
        undefined: Metric name → why it has no value.
        params: The section `evaluate`.
        blessed: TFMA's verdict, if any.
        approximated: Thresholds that TFMA's approximation judges otherwise; the exact value decides.
        unit: What is counted: examples, or groups.
        notes: What else a reader should know.
    """
    values = measurement.values
    thresholds = [
        ThresholdResult(name, values[name], limit.min, limit.max, _failure(name, values[name], limit, undefined))
        for name, limit in params.thresholds.items()
    ]
    failures = [each.failure for each in thresholds if each.failure is not None]
    champion = measurement.champion
    beats = None if champion is None or champion.difference is None else champion.difference >= params.beat_champion_by
    reasons = list(failures)
    if values[key_metric.name] is None:
        why = undefined[key_metric.name]
        reasons.append(f"{key_metric.name} is undefined on the test split: {why}, so the model can't be judged")
    elif champion is not None and not beats:
        reasons.append(_against_champion(measurement, key_metric, params))
    promote = not reasons
    if promote:
        met = "every threshold is met" if thresholds else "there are no thresholds"
        reasons = [met, "no incumbent" if champion is None else _against_champion(measurement, key_metric, params)]
    return Verdict(
        promote=promote,
        reason="; ".join(reasons),
        thresholds_met=not failures,
        failures=failures,
        thresholds=thresholds,
        blessed=blessed,
        champion=champion,
        beats_champion=beats,
        notes=[*notes, *_notes(measurement, key_metric, params, unit), *map(_approximation_note, approximated)],
    )


def _failure(name: str, value: float | None, limit: Threshold, undefined: Mapping[str, str]) -> str | None:
    if value is None:
        return f"{name} is undefined on the test split: {undefined[name]} (evaluate.thresholds.{name})"
    if limit.min is not None and value < limit.min:
        return f"{name} {shown(value, limit.min)} is less than {limit.min:g} (evaluate.thresholds.{name}.min)"
    if limit.max is not None and value > limit.max:
        return f"{name} {shown(value, limit.max)} is more than {limit.max:g} (evaluate.thresholds.{name}.max)"
    return None


def _against_champion(measurement: Measurement, key_metric: Metric, params: EvaluateParams) -> str:
    champion, value = measurement.champion, measurement.values[key_metric.name]
    assert champion is not None  # noqa: S101  for the type checker; the callers have looked
    if champion.problem is not None or champion.difference is None or champion.value is None or value is None:
        return f"can't be compared with the champion: {champion.problem}"
    enough = champion.difference >= params.beat_champion_by
    bounds = "no interval"
    if champion.low is not None:
        bounds = f"{params.confidence * 100:g}% interval {champion.low:+.4f} to {champion.high:+.4f}"
    return (
        f"{key_metric.name} {value:.4f} against the champion's {champion.value:.4f} is an improvement of "
        f"{shown(champion.difference, params.beat_champion_by, '+')} ({bounds}), {'at least' if enough else 'less than'} the "
        f"{params.beat_champion_by:g} that evaluate.beat_champion_by asks for"
    )


def _notes(measurement: Measurement, key_metric: Metric, params: EvaluateParams, unit: str) -> list[str]:
    notes = []
    num_examples, confidence = measurement.num_examples, params.confidence
    if key_metric.name == "accuracy" and measurement.values["accuracy"] == 1 and num_examples > 1:
        notes.append(
            "No test example is predicted wrongly, so the resamples know no errors and the interval has no width. With "
            f"none in {num_examples:,}, an error rate of up to {1 - (1 - confidence) ** (1 / num_examples):.1%} is compatible "
            f"with the data ({confidence * 100:g}% confidence)."
        )
    if num_examples < _FEW_EXAMPLES:
        notes.append(f"The test split holds only {num_examples:,} {unit}: small differences say little.")
    champion = measurement.champion
    if champion is not None and champion.low is not None and champion.high is not None and champion.low <= 0 <= champion.high:
        notes.append("The interval of the improvement holds 0: this test split can't tell candidate and champion apart.")
    return notes


def _approximation_note(name: str) -> str:
    return (
        f"TFMA approximates {name}, and takes an undefined one for 0, and so judges its threshold otherwise. "
        "The exact value decides."
    )


def shown(value: float, limit: float, sign: str = "") -> str:
    """A value with four decimals, or as many as it takes to see on which side of the limit it lies."""
    for decimals in range(4, 17):
        text = f"{value:{sign}.{decimals}f}"
        if (float(text) > limit) == (value > limit) and (float(text) < limit) == (value < limit):
            return text
    return f"{value:{sign}}"

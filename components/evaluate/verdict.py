"""The gate: may this model become the champion, and why (not)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.evaluate.checks import Check
from components.evaluate.incumbent import is_better
from components.evaluate.measure import Comparison, Measurement
from components.evaluate.metrics import Metric
from components.params.models import EvaluateParams

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
        promote: Whether the candidate becomes the champion: every check passed.
        reason: Why, or why not; one sentence or several.
        thresholds_met: Whether every threshold was met.
        failures: What each broken threshold says.
        thresholds: Every threshold with the value it was held against.
        blessed: TFMA's verdict over the thresholds that TFMA can judge; None if there are none.
        champion: The comparison; None without an incumbent.
        beats_champion: Whether the candidate is certainly better by evaluate.beat_champion_by; None without a comparison.
        notes: What a reader of the numbers should know.
        checks: Every check, also those after one that failed.
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
    checks: list[Check]

    @property
    def failed(self) -> list[Check]:
        """The checks that the candidate did not pass."""
        return [each for each in self.checks if not each.passed]

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def make_verdict(
    measurement: Measurement,
    key_metric: Metric,
    params: EvaluateParams,
    checks: Sequence[Check],
    *,
    blessed: bool | None = None,
    approximated: Sequence[str] = (),
    unit: str = "examples",
    notes: Sequence[str] = (),
) -> Verdict:
    """The verdict over a candidate: it is promoted if it passes every check.

    Args:
        measurement: Overall, with the comparison if there is a champion.
        key_metric: What the candidate is judged by.
        params: The section `evaluate`.
        checks: All of them, `thresholds` among them.
        blessed: TFMA's verdict, if any.
        approximated: Thresholds that TFMA's approximation judges otherwise; the exact value decides.
        unit: What is counted: examples, or groups.
        notes: What else a reader should know.
    """
    thresholds = [
        ThresholdResult(each.what, each.value, each.min, each.max, None if each.passed else each.note)
        for check in checks
        if check.name == "thresholds"
        for each in check.items
    ]
    failures = [each.failure for each in thresholds if each.failure is not None]
    failed = [each for each in checks if not each.passed]
    champion = measurement.champion
    return Verdict(
        promote=not failed,
        reason="; ".join(each.reason for each in failed) or _why_promoted(checks),
        thresholds_met=not failures,
        failures=failures,
        thresholds=thresholds,
        blessed=blessed,
        champion=champion,
        beats_champion=None if champion is None else is_better(champion, params),
        notes=[*notes, *_notes(measurement, key_metric, params, unit), *map(_approximation_note, approximated)],
        checks=list(checks),
    )


def _why_promoted(checks: Sequence[Check]) -> str:
    """What was found of the model's quality; of the other checks it says enough that they passed."""
    told = [
        each.reason
        for each in checks
        if each.name in ("thresholds", "champion") or (each.name in ("slices", "guessing") and each.judged)
    ]
    return "; ".join(told)


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
    return notes


def _approximation_note(name: str) -> str:
    return (
        f"TFMA approximates {name}, and takes an undefined one for 0, and so judges its threshold otherwise. "
        "The exact value decides."
    )

"""Pictures of a drift: all features on one, and each feature that drifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.drift.compare import MISSING, FeatureDrift
from components.drift.profile import Counts, Feature, Numbers, Profile
from components.plot_style import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEFORE, NOW, MAYBE = COLOURS[0], COLOURS[1], "#f3cfc4"
MAX_BARS = 30
_NUM_VALUES = 12
_NUM_BINS = 40
_LONGEST = 28


def overview_figure(features: Sequence[FeatureDrift]) -> Figure:
    """The distance of each feature, beside its limit; the first MAX_BARS features."""
    shown = features[:MAX_BARS]
    figure, axis = new_figure(8.0, 1.2 + 0.26 * len(shown))
    places = range(len(shown))
    colours = [NOW if feature.drifted else MAYBE if feature.distance > feature.limit else BEFORE for feature in shown]
    axis.barh(places, [feature.distance for feature in shown], 0.62, color=colours)
    limits = [feature.limit for feature in shown]
    axis.vlines(limits, [place - 0.4 for place in places], [place + 0.4 for place in places], color="#1a202c", linewidth=1.6)
    axis.set_yticks(places, [_short(feature.feature) for feature in shown], fontsize=8)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.set_xlim(0, 1.1 * max(max(feature.distance, feature.limit) for feature in shown))
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("distance; the black line is the limit")
    num_drifted = sum(feature.drifted for feature in features)
    more = f"; the first {MAX_BARS} are shown" if len(features) > MAX_BARS else ""
    maybe = "; pale: over the limit, but chance may do that" if MAYBE in colours else ""
    title = f"{num_drifted} of {len(features)} features drifted (orange){maybe}{more}"
    axis.set_title(title, fontsize=10, loc="left", x=0.0)
    return figure


def feature_figure(drift: FeatureDrift, baseline: Profile, current: Profile, names: tuple[str, str]) -> Figure:
    """One feature of both profiles, which are called `names`."""
    sides = [(profile, profile.features.get(drift.feature)) for profile in (baseline, current)]
    present = [feature for profile, feature in sides if feature is not None and feature.num_missing < profile.num_records]
    if drift.distance_name == "type" or not present:
        figure, axis = new_figure(6.4, 1.4)
        axis.set_axis_off()
        axis.text(0.0, 0.5, drift.detail, fontsize=9, va="center", wrap=True)
    elif isinstance(present[0].content, Numbers):
        figure = _numbers(drift, sides, names)
    else:
        figure = _counts(sides, names, is_text=present[0].kind.measure == "words")
    sizes = f"missing: {100 * drift.missing_baseline:.1f}% {names[0]}, {100 * drift.missing_current:.1f}% {names[1]}"
    measured = f"{drift.distance_name.replace('_', ' ')} {drift.distance:.3f}, limit {drift.limit:.3f}"
    figure.suptitle(f"{drift.feature}: {measured}\n{_short(drift.detail, 90)}; {sizes}", fontsize=9, x=0.01, ha="left")
    return figure


def _numbers(drift: FeatureDrift, sides: Sequence[tuple[Profile, Feature | None]], names: tuple[str, str]) -> Figure:
    """A histogram, and the shares at or below each value, whose greatest gap is the distance."""
    figure, (left, right) = new_figure(9.2, 4.0, ncols=2)
    samples = [feature.content for _, feature in sides if feature is not None and isinstance(feature.content, Numbers)]
    low = min(_quantile(sample, 0.005) for sample in samples if len(sample.values))
    high = max(_quantile(sample, 0.995) for sample in samples if len(sample.values))
    if low == high:
        low, high = low - 0.5, high + 0.5
    fewest = min(int(sample.counts.sum()) for sample in samples if len(sample.values))
    edges = np.linspace(low, high, min(_NUM_BINS, 2 * round(fewest ** (1 / 3)) + 2) + 1)  # Rice's rule
    for (profile, feature), colour, label in zip(sides, (BEFORE, NOW), names, strict=True):
        if feature is None or not isinstance(feature.content, Numbers) or not len(feature.content.values):
            left.plot([], [], color=colour, label=f"{label}: no values")
            continue
        values, counts = feature.content.values, feature.content.counts
        heights, _ = np.histogram(values, edges, weights=counts)
        left.stairs(heights / counts.sum(), edges, color=colour, label=label, linewidth=1.6)
        missing = feature.num_missing / profile.num_records
        shares = missing + (1 - missing) * np.cumsum(counts) / counts.sum()
        inside = (values >= low) & (values <= high)
        begin = shares[~inside & (values < low)][-1:].tolist() or [missing]
        right.step(
            [low, *values[inside], high], [*begin, *shares[inside], shares[values <= high][-1]], where="post", color=colour
        )
    left.set_ylabel("share of the values")
    left.legend(frameon=False, fontsize=8)
    right.set_ylabel(
        "share of the records at or below" + (", or missing" if drift.missing_baseline or drift.missing_current else "")
    )
    for axis in (left, right):
        axis.set_xlim(low, high)
    return figure


def _counts(sides: Sequence[tuple[Profile, Feature | None]], titles: tuple[str, str], *, is_text: bool) -> Figure:
    """The values, or words, whose shares are greatest, or differ most."""
    shares: list[dict[str, float]] = []
    for profile, feature in sides:
        own: dict[str, float] = {}
        if feature is not None and isinstance(feature.content, Counts):
            own = {name: count / profile.num_records for name, count in feature.content.listed.items()}
        own[MISSING] = 1.0 if feature is None else feature.num_missing / profile.num_records
        shares.append(own)

    def rank(name: str) -> tuple[float, str]:
        before, now = (own.get(name, 0.0) for own in shares)
        return (-abs(before - now) if is_text else -max(before, now)), name

    names = sorted((name for name in {*shares[0], *shares[1]} if any(own.get(name) for own in shares)), key=rank)[:_NUM_VALUES]
    figure, axis = new_figure(8.0, 1.6 + 0.34 * len(names))
    for own, colour, label, place in zip(shares, (BEFORE, NOW), titles, (-0.2, 0.2), strict=True):
        axis.barh(np.arange(len(names)) + place, [100 * own.get(name, 0.0) for name in names], 0.38, color=colour, label=label)
    axis.set_yticks(range(len(names)), [_short(name) for name in names], fontsize=8)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("% of the texts; the words that differ most" if is_text else "% of the records; the most frequent values")
    axis.legend(frameon=False, fontsize=8)
    return figure


def _quantile(sample: Numbers, share: float) -> float:
    cumulated: Any = np.cumsum(sample.counts)
    return float(sample.values[np.searchsorted(cumulated, share * cumulated[-1])])


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"

"""A picture of each feature's statistics, the splits side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.plot_style import SPLIT_COLOURS, new_figure
from components.validate.contents import file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM_TOP_VALUES = 15
MAX_FEATURES = 200
"""Wider data gets pictures of its first MAX_FEATURES features by name; the statistics themselves hold all."""


def statistics_figures(statistics: Mapping[str, Any]) -> dict[str, Figure]:
    """File name → picture, one a feature.

    Args:
        statistics: Split → `DatasetFeatureStatistics`. Of images and texts there is none here: what was measured of them are
            features as others.
    """
    by_feature: dict[str, dict[str, Any]] = {}
    for split, dataset in statistics.items():
        for column in dataset.features:
            if column.HasField("bytes_stats"):
                continue
            by_feature.setdefault(".".join(column.path.step), {})[split] = column
    return {f"{file_name(name)}.png": _figure(name, columns) for name, columns in sorted(by_feature.items())[:MAX_FEATURES]}


def _figure(name: str, columns: Mapping[str, Any]) -> Figure:
    figure, axis = new_figure()
    column = next(iter(columns.values()))
    (_bars if column.HasField("string_stats") else _histogram)(axis, columns)
    missing = "  ".join(
        f"{split} {100 * common.num_missing / max(common.num_missing + common.num_non_missing, 1):.1f}%"
        for split, common in ((split, _common(column)) for split, column in columns.items())
    )
    axis.set_title(f"{name}\nmissing: {missing}", fontsize=10, loc="left")
    axis.legend(frameon=False, fontsize=8)
    return figure


def _common(column: Any) -> Any:
    return column.string_stats.common_stats if column.HasField("string_stats") else column.num_stats.common_stats


def _histogram(axis: Any, columns: Mapping[str, Any]) -> None:
    axis.set_ylabel("density")
    always: list[tuple[str, float]] = []
    for split, column in columns.items():
        standard = [histogram for histogram in column.num_stats.histograms if histogram.type == 0]
        buckets = standard[0].buckets if standard else []
        total = sum(bucket.sample_count for bucket in buckets) or 1.0
        edges = [bucket.low_value for bucket in buckets] + [bucket.high_value for bucket in buckets[-1:]]
        # Each split has buckets of its own width; only densities compare.
        heights = [bucket.sample_count / total / ((bucket.high_value - bucket.low_value) or 1.0) for bucket in buckets]
        if heights and edges[0] < edges[-1]:
            axis.stairs(heights, edges, color=SPLIT_COLOURS.get(split), label=split, linewidth=1.5)
        elif heights:
            always.append((split, edges[0]))
        else:
            axis.plot([], [], color=SPLIT_COLOURS.get(split), label=f"{split}: no values")
    # One value has no density. The lines of several splits may lie one on the other: each is thinner than the one before.
    for width, (split, value) in zip((9, 5, 2), always, strict=False):
        label = f"{split}: always {value:g}"
        whole_height = axis.get_xaxis_transform()
        axis.plot([value] * 2, [0, 1], transform=whole_height, color=SPLIT_COLOURS.get(split), label=label, linewidth=width)
    if len(always) == len(columns):
        axis.set_yticks([])


def _bars(axis: Any, columns: Mapping[str, Any]) -> None:
    axis.set_ylabel("share of the split's values")
    totals: dict[str, float] = {}
    for column in columns.values():
        for bucket in column.string_stats.rank_histogram.buckets:
            totals[bucket.label] = totals.get(bucket.label, 0.0) + bucket.sample_count
    labels = sorted(totals, key=lambda label: (-totals[label], label))[:NUM_TOP_VALUES]
    width = 0.8 / len(columns)
    for index, (split, column) in enumerate(columns.items()):
        counts = {bucket.label: bucket.sample_count for bucket in column.string_stats.rank_histogram.buckets}
        total = sum(counts.values()) or 1.0
        heights = [counts.get(label, 0.0) / total for label in labels]
        positions = [position + index * width for position in range(len(labels))]
        axis.bar(positions, heights, width, color=SPLIT_COLOURS.get(split), label=split)
    shown = [label if len(label) <= 18 else label[:17] + "…" for label in labels]
    axis.set_xticks(
        [position + 0.4 - width / 2 for position in range(len(labels))], shown, rotation=40, ha="right", fontsize=8
    )
    axis.grid(visible=False, axis="x")

"""Pictures of a search: every trial as a line through its values, and which hyperparameters mattered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.plot_style import COLOURS, new_figure
from components.tune.importance import METHOD

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPREAD_OF_LOG = 30
"""A number whose largest value is so many times its smallest gets a logarithmic axis."""


def parallel_coordinates(trials: Sequence[Mapping[str, Any]], names: Sequence[str], objective: str, direction: str) -> Figure:
    """One line a completed trial (at least one), through an axis for each hyperparameter to its score; better ones darker.

    Args:
        trials: Completed ones, as in `trials.json`.
        names: Hyperparameters, in the order of the axes.
        objective: Name of the score.
        direction: min or max; the best trial is the one in another colour.
    """
    from matplotlib import colormaps

    axes_names = [*names, objective]
    columns = [_Column([trial["hyperparameters"].get(name) for trial in trials]) for name in names]
    columns.append(_Column([trial["score"] for trial in trials], keep_numbers=True))
    places = np.array([column.places for column in columns])
    order = np.argsort([trial["score"] for trial in trials], kind="stable")
    order = order if direction == "max" else order[::-1]  # the best is drawn last
    figure, axis = new_figure(width=max(6.4, 1.2 * len(axes_names) + 1), height=4.4)
    colours = colormaps["Blues"](np.linspace(0.25, 0.9, len(order)))
    for colour, index in zip(colours, order, strict=True):
        best = index == order[-1]
        line_colour = COLOURS[1] if best else colour
        axis.plot(
            places[:, index], color=line_colour, linewidth=2.4 if best else 1.2, marker=".", label="best" if best else None
        )
    axis.grid(visible=False)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_yticks([])
    axis.set_ylim(-0.08, 1.08)
    axis.set_xlim(-0.3, len(axes_names) - 0.3)
    shown = [name.replace("_", "_\n", 1) if len(name) > 12 else name for name in axes_names]
    axis.set_xticks(range(len(axes_names)), shown, fontsize=8)
    axis.tick_params(length=0)
    for position, column in enumerate(columns):
        axis.axvline(position, color="#b5b5b5", linewidth=0.8, zorder=0)
        for place, label in column.ticks:
            axis.annotate(label, (position, place), xytext=(3, 2), textcoords="offset points", fontsize=7, color="#4d4d4d")
    axis.set_title(f"{len(trials)} trials, {objective} ({direction})", loc="left", fontsize=10)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.12))
    return figure


def importance_bars(shares: Mapping[str, float], num_trials: int) -> Figure:
    """A bar for each hyperparameter (at least one), the most important on top."""
    figure, axis = new_figure(height=max(2.0, 0.4 * len(shares) + 1.2))
    names = list(shares)[::-1]
    bars = axis.barh(names, [shares[name] for name in names], color=COLOURS[0])
    axis.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axis.set_xlim(0, 1.08)
    axis.set_xlabel(f"share of the scores' ranks that it explains ({METHOD}, {num_trials} trials)", fontsize=8)
    axis.set_title("importance", loc="left", fontsize=10)
    return figure


class _Column:
    """One axis: where each value lies between 0 and 1, and what is written beside it.

    Attributes:
        places: [trials]
        ticks: (place, label).
    """

    def __init__(self, values: Sequence[Any], *, keep_numbers: bool = False) -> None:
        different = sorted(set(values), key=lambda value: (str(type(value)), value if value is not None else 0))
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in different)
        if numeric and (keep_numbers or len(different) > 6):
            low, high = different[0], different[-1]
            logarithmic = not keep_numbers and low > 0 and high / low >= _SPREAD_OF_LOG
            scale = math.log if logarithmic else float
            width = scale(high) - scale(low) or 1.0
            self.places = [(scale(value) - scale(low)) / width if high > low else 0.5 for value in values]
            self.ticks = [(0.0, _shown(low)), (1.0, _shown(high))] if high > low else [(0.5, _shown(low))]
        else:
            steps = max(len(different) - 1, 1)
            shift = 0.5 if len(different) == 1 else 0.0
            self.places = [different.index(value) / steps + shift for value in values]
            self.ticks = [(index / steps + shift, _shown(value)) for index, value in enumerate(different)]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

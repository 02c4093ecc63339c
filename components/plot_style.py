"""One look for every picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2a6f97", "#e07a5f", "#6a994e", "#8d6b94", "#f2b134", "#4a4e69")
SPLIT_COLOURS = {"train": COLOURS[0], "eval": COLOURS[1], "test": COLOURS[2]}


def new_figure(width: float = 6.4, height: float = 4.2, **kwargs: Any) -> tuple[Figure, Any]:
    """A figure (inches) and its axes; without pyplot, so that nothing global is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(**kwargs)
    for axis in axes.flat if hasattr(axes, "flat") else [axes]:
        tidy(axis)
    return figure, axes


def tidy(axis: Axes) -> None:
    """Takes away what is not data."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(visible=True, color="#e6e6e6", linewidth=0.7)
    axis.set_axisbelow(True)

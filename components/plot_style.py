"""One look for every picture."""

from __future__ import annotations

from pathlib import Path
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


def write_png(figure: Figure, path: Path) -> None:
    """Draws a figure that `new_figure` made, or any other, and writes it, without the version that would change its bytes.

    The pixels are those of `figure.savefig(path)`, which draws twice where there is a layout: the first time for nothing else.
    Afterwards the figure has no layout of its own any more.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    canvas.print_png(path, metadata={"Software": None})


def tidy(axis: Axes) -> None:
    """Takes away what is not data."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(visible=True, color="#e6e6e6", linewidth=0.7)
    axis.set_axisbelow(True)

"""Draws docs/images/speed.svg, the picture in README, from benchmarks/results.json: `python -m benchmarks.chart`.

Left: seconds of ours and of stock TFX, for the most rows that were measured. Right: the time a row of each stage, over the
number of rows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.results import ROOT, read, results_of
from benchmarks.timing import seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURE = ROOT / "docs" / "images" / "speed.svg"
_CASES = ("everything", "nothing changed", "train changed")


def draw(benchmarks: Mapping[str, Any]) -> Figure:
    """The picture of what `results.read` gives. Raises: ValueError if stock or growth was not measured."""
    from components.plot_style import new_figure

    stock, growth = results_of(benchmarks, "stock"), results_of(benchmarks, "growth")
    if not stock or not growth:
        missing = [name for name, found in (("stock", stock), ("growth", growth)) if not found]
        command = f"python -m benchmarks --only {' '.join(missing)}"
        raise ValueError(f"no results of {' and '.join(missing)} in results.json. Run {command}.")
    figure, (left, right) = new_figure(10.0, 4.2, ncols=2)
    _draw_pairs(left, stock)
    _draw_growth(right, growth)
    return figure


def save(figure: Figure, path: Path = PICTURE) -> None:
    """Writes it, the same bytes for the same results."""
    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "speed", "svg.fonttype": "path"}):
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _draw_pairs(axis: Axes, results: Sequence[Mapping[str, Any]]) -> None:
    from components.plot_style import COLOURS

    num_rows = max(each["num_rows"] for each in results)
    found = {each.get("case") or each["stage"]: each for each in results if each["num_rows"] == num_rows}
    names = [name for name in found if name not in _CASES] + [name for name in _CASES if name in found]
    names.reverse()  # the first is to stand on top
    for offset, key, label, colour in (
        (0.2, "ours_s", "Tensorline", COLOURS[0]),
        (-0.2, "baseline_s", "stock TFX", COLOURS[1]),
    ):
        bars = axis.barh(
            [place + offset for place in range(len(names))],
            [found[name][key] for name in names],
            height=0.38,
            color=colour,
            label=label,
        )
        axis.bar_label(bars, [seconds(found[name][key]) for name in names], padding=3, fontsize=8)
    axis.set_yticks(range(len(names)), names)
    axis.set_xlabel("seconds")
    axis.margins(x=0.15)
    axis.grid(visible=False, axis="y")
    axis.set_title(f"{num_rows:,} rows of taxi, by stage and whole")
    axis.legend(loc="lower right", frameon=False)


def _draw_growth(axis: Axes, results: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.ticker import NullFormatter

    from components.plot_style import COLOURS

    stages = list(dict.fromkeys(each["stage"] for each in results))
    for stage, colour in zip(stages, COLOURS, strict=False):
        points = sorted((each["num_rows"], 1e6 * each["ours_s"]) for each in results if each["stage"] == stage)
        axis.plot(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=stage)
    for scaled in (axis.xaxis, axis.yaxis):
        scaled.axes.set(**{f"{scaled.axis_name}scale": "log"})
        scaled.set_major_formatter("{x:,.0f}")  # not as powers, whose font is another
        scaled.set_minor_formatter(NullFormatter())
    axis.set_xlabel("rows")
    axis.set_ylabel("microseconds a row")
    axis.set_title("Time a row, each stage in a process of its own")
    axis.legend(frameon=False)


def main() -> int:
    """Returns the exit code."""
    save(draw(read()))
    print(f"→ {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

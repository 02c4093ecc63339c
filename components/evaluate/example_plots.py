"""Draws examples of images as a grid: the picture, what it is, and what it was taken for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.evaluate.examples import Example, Group
from components.evaluate.plots import short
from components.plot_style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUM_COLUMNS = 8
_CELL_WIDTH, _CELL_HEIGHT = 1.4, 1.75  # inches
_MAX_LETTERS = 13


def example_grid(groups: Sequence[Group]) -> Figure | None:
    """Every group from a line of its own, under its title; None where there is no picture."""
    if not any(example.picture for group in groups for example in group.examples):
        return None
    lines = [
        (group.title if start == 0 else "", group.examples[start : start + _NUM_COLUMNS])
        for group in groups
        for start in range(0, math.ceil(len(group.examples) / _NUM_COLUMNS) * _NUM_COLUMNS, _NUM_COLUMNS)
    ]
    size = (_NUM_COLUMNS * _CELL_WIDTH, len(lines) * _CELL_HEIGHT + 0.2 * len(groups))
    figure, grid = new_figure(*size, nrows=len(lines), ncols=_NUM_COLUMNS, squeeze=False)
    for (title, examples), cells in zip(lines, grid, strict=True):
        for cell in cells:
            cell.grid(visible=False)
            cell.set_xticks([])
            cell.set_yticks([])
            cell.spines[:].set_visible(False)
            cell.set_aspect("equal")
        for cell, example in zip(cells, examples, strict=False):
            _draw(cell, example)
        if title:
            # Keeps the line free: the layout would widen the first column by a title as long as this one.
            cells[0].set_title(" ", fontsize=10, pad=10)
            heading = cells[0].text(0, 1.04, title, transform=cells[0].transAxes, va="bottom", fontsize=10)
            heading.set_in_layout(False)
    return figure


def _draw(cell: Axes, example: Example) -> None:
    if example.picture is None:
        cell.text(0.5, 0.5, "no picture", transform=cell.transAxes, ha="center", va="center", fontsize=8)
    else:
        width, height = example.picture.size
        cell.imshow(np.asarray(example.picture))
        # A square for every picture, whatever its shape, so that the cells are of one size.
        half = max(width, height) / 2
        cell.set_xlim(width / 2 - 0.5 - half, width / 2 - 0.5 + half)
        cell.set_ylim(height / 2 - 0.5 + half, height / 2 - 0.5 - half)
    cell.set_xlabel(_caption(example), fontsize=7.5, labelpad=3)


def _caption(example: Example) -> str:
    """What it is and, where that is wrong, what it was taken for; each with its probability."""
    if example.probability is None or example.label_probability is None:
        return f"{example.label:g}\n→ {example.prediction:g}"
    caption = f"{short(example.label, _MAX_LETTERS)} {shown_probability(example.label_probability)}"
    if example.prediction != example.label:
        caption += f"\n→ {short(example.prediction, _MAX_LETTERS)} {shown_probability(example.probability)}"
    return caption


def shown_probability(value: float) -> str:
    """Three decimals, more towards 0 and 1: what is not certain does not look so."""
    if value in {0.0, 1.0}:
        return f"{value:g}"
    decimals = 3
    while decimals < 7 and float(f"{value:.{decimals}f}") in {0.0, 1.0}:
        decimals += 1
    return f"{value:.{decimals}f}"

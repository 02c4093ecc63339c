"""How pictures are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from components.plot_style import new_figure, write_png


def drawn() -> Figure:
    figure, (left, right) = new_figure(9.2, 4.0, ncols=2)
    left.plot([1, 2, 3_000_000], label="a line")
    left.set_title("two\nlines")
    left.set_ylabel("what is measured")
    left.legend()
    figure.colorbar(right.imshow(np.arange(6).reshape(2, 3)), ax=right)
    right.set_xticks([0, 1, 2], ["a long label", "b", "c"], rotation=40)
    return figure


def test_a_picture_is_drawn_once_with_the_pixels_of_matplotlibs_own(tmp_path: Path) -> None:
    drawn().savefig(tmp_path / "expected.png", metadata={"Software": None})
    draws: list[int] = []
    figure = drawn()
    draw = figure.draw
    figure.draw = lambda renderer: (draws.append(1), draw(renderer))  # type: ignore[method-assign, func-returns-value]
    write_png(figure, tmp_path / "found.png")
    assert len(draws) == 1
    assert (tmp_path / "found.png").read_bytes() == (tmp_path / "expected.png").read_bytes()

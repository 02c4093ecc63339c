"""The picture of the results."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.chart import draw, save
from tests.benchmarks.sample import START_S, STOCK_S, benchmarks


def test_it_shows_the_results(tmp_path: Path) -> None:
    figure = draw(benchmarks())
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == [
        "train changed", "nothing changed", "everything", "register", "evaluate", "train", "transform", "validate", "ingest"
    ]  # fmt: skip
    widths = [bar.get_width() for bar in left.patches]
    assert widths[:9] == [STOCK_S[label.get_text()][0] for label in left.get_yticklabels()]
    assert widths[9:] == [STOCK_S[label.get_text()][1] for label in left.get_yticklabels()]
    (ingest, *_) = right.get_lines()
    assert ingest.get_label() == "ingest"
    assert list(ingest.get_ydata()) == pytest.approx([1e6 * START_S / n + 5 for n in (10_000, 300_000, 3_000_000)])
    for name in ("one", "other"):
        save(draw(benchmarks()), tmp_path / f"{name}.svg")
    content = (tmp_path / "one.svg").read_bytes()
    assert content == (tmp_path / "other.svg").read_bytes()
    assert len(content) < 200_000
    assert not re.search(rb"20\d\d-\d\d-\d\d|/work|/home", content)


def test_what_was_not_measured() -> None:
    found = benchmarks()
    del found["stock"]
    with pytest.raises(ValueError, match=r"^no results of stock in results\.json\. Run python -m benchmarks --only stock\.$"):
        draw(found)

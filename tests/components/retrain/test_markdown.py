"""Values from data do nothing in Markdown."""

from __future__ import annotations

import pytest

from components.retrain.markdown import code, fenced, number, plain, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("fare", "`fare`"),
        ("", "–"),
        ("two\nlines  and a `tick`", "``two lines and a `tick` ``".replace("``two", "`` two")),
        ("@team <img src=x> ![](http://a)", "`@team <img src=x> ![](http://a)`"),
        ("``", "``` `` ```"),
        ("x" * 300, f"`{'x' * 199}…`"),
    ],
)
def test_code(value: str, shown: str) -> None:
    assert code(value) == shown


def test_plain_text_begins_no_markup() -> None:
    assert plain("no column 'a_b' of *two* [x](http://y)\n<b> #12 @team") == (
        "no column 'a_b' of \\*two\\* \\[x\\](http:\u200b//y) \\<b\\> \\#12 @\u200bteam"
    )


def test_a_fence_is_longer_than_any_within() -> None:
    assert fenced("a\n````\nb") == ["`````text", "a", "````", "b", "`````"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (1234, "1,234"),
        (0.98765, "0.9877"),
        (0.00012, "1.20e-04"),
        (0.0, "0.0000"),
        (True, "`True`"),
        ("x", "`x`"),
    ],
)
def test_number(value: object, shown: str) -> None:
    assert number(value) == shown


def test_table() -> None:
    assert table(["a", "b"], [["`x|y`", "1"], ["2", "3"]], 1, "rows") == [
        "| a | b |",
        "| --- | --- |",
        "| `x\\|y` | 1 |",
        "",
        "… and 1 more rows.",
    ]

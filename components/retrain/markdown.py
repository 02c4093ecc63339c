"""Markdown that shows what data hold, and never does what they say: a value makes no mention, link, picture or HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_MAX_CELL_CHARS = 200


def code(value: object) -> str:
    """A value between backticks, in one line, cut where it is long."""
    text = " ".join(str(value).split())
    if len(text) > _MAX_CELL_CHARS:
        text = f"{text[: _MAX_CELL_CHARS - 1]}…"
    if not text:
        return "–"
    ticks = "`" * (_longest(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fenced(text: str) -> list[str]:
    """The lines of a block of text as it is."""
    fence = "`" * max(3, _longest(text) + 1)
    return [f"{fence}text", *text.splitlines(), fence]


def plain(text: str) -> str:
    """A sentence of ours in which values may stand, in one line: what begins markup is escaped, and mentions reach nobody."""
    escaped = re.sub(r"[\\`*\[\]<>#~]", lambda found: f"\\{found[0]}", " ".join(text.split()))
    return escaped.replace("@", "@\u200b").replace("://", ":\u200b//")


def number(value: Any, sign: str = "") -> str:
    """Digits enough for people; a dash for what is undefined."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return code(value)
    if isinstance(value, int):
        return f"{value:{sign},}"
    return f"{value:{sign}.2e}" if 0 < abs(value) < 0.001 else f"{value:{sign},.4f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], most: int, what: str) -> list[str]:
    """The lines of a table of ready cells, its first `most` rows; `what` names the others, which are counted."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows[:most]]
    if len(rows) > most:
        lines += ["", f"… and {len(rows) - most:,} more {what}."]
    return lines


def _longest(text: str) -> int:
    """Backticks in a row, at most."""
    return max((len(run) for run in re.findall("`+", text)), default=0)

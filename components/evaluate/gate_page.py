"""The gate's page: every check with its values and limits, in one file that asks nobody for anything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from components.evaluate.verdict import Verdict

if TYPE_CHECKING:
    import jinja2

_TEMPLATE = Path(__file__).with_name("gate.html.jinja")
_QUESTIONS = {
    "anomalies": "Do the data keep to their schema?",
    "thresholds": "Are the thresholds met on the whole test split?",
    "slices": "Are the thresholds on slices met?",
    "champion": "Is it better than the champion?",
    "guessing": "Is the first model better than guessing?",
    "canary": "Does a fresh process answer as was evaluated?",
    "size": "Is it small enough?",
    "latency": "Is it fast enough?",
}


def gate_page(verdict: Verdict, model_name: str, digest: str) -> str:
    """The page.

    Args:
        verdict: With every check.
        model_name: Of the registered model.
        digest: Of the candidate.
    """
    template = page_environment().from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(verdict=verdict, model_name=model_name, digest=digest, questions=_QUESTIONS)


def page_environment() -> jinja2.Environment:
    """Jinja for pages: it escapes, refuses unknown names, and has the filter `number`."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = shown_number
    return environment


def shown_number(value: float | None, sign: str = "") -> str:
    """Digits enough for people, and a dash for what is undefined."""
    if value is None or math.isnan(value):
        return "–"
    if 0 < abs(value) < 0.001:
        return f"{value:{sign}.2e}"
    return f"{value:{sign},.{4 if abs(value) < 10 else 2 if abs(value) < 10_000 else 0}f}"

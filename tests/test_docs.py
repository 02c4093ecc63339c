"""docs/data.md and spans.md tell the truth: sections are valid, expressions work, rules are all there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.ingest.expression import Expression
from components.ingest.rejects import RULES
from components.params.models import DataParams

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "data.md").read_text(encoding="utf-8")
SPANS = (DOCS / "spans.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"```yaml\n(.*?)```", TEXT + SPANS, re.DOTALL)
COLUMNS = {
    "fare": "number",
    "tips": "number",
    "trip_miles": "number",
    "company": "string",
    "payment_type": "string",
    "a name with spaces": "number",
}


def expressions() -> list[str]:
    table = TEXT[TEXT.index("| write | for |") : TEXT.index("A condition that is derived")]
    cells = [row.split(" | ")[0] for row in table.splitlines()[2:] if row.startswith("| ")]
    # Code that holds backticks stands between two of them and a space.
    return [found[0] or found[1] for cell in cells for found in re.findall(r"`` (.+?) ``|`([^`]+)`", cell)]


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_valid(section: str) -> None:
    data = YAML(typ="safe", pure=True).load(section)["data"]
    assert DataParams.model_validate(data)  # raises otherwise


@pytest.mark.parametrize("expression", expressions())
def test_expressions_compile(expression: str) -> None:
    parsed = Expression(expression, where="docs/data.md")
    parsed.check_names(list(COLUMNS))
    assert parsed.kind(COLUMNS) in {"integer", "number", "string", "boolean"}


def test_every_rule_is_told() -> None:
    table = TEXT[TEXT.index("| rule |") :]
    told = [
        name for row in table.splitlines()[2:] if row.startswith("| ") for name in row.split(" | ")[0].strip("| ").split(", ")
    ]
    assert tuple(told) == RULES

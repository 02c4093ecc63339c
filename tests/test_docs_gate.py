"""docs/gate.md tells the truth: its section is valid, its defaults are the defaults, its checks are all there are."""

from __future__ import annotations

import re
import typing
from pathlib import Path

from ruamel.yaml import YAML

from components.cli import COMMANDS
from components.evaluate.checks import CheckName
from components.params.models import EvaluateParams

TEXT = (Path(__file__).parents[1] / "docs" / "gate.md").read_text(encoding="utf-8")


def test_the_section_is_valid_and_shows_what_is_the_default() -> None:
    (section,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    given, default = EvaluateParams.model_validate(YAML(typ="safe", pure=True).load(section)["evaluate"]), EvaluateParams()
    assert (given.beat_champion_by, given.on_tie) == (default.beat_champion_by, default.on_tie)
    (inline,) = re.findall(r"`canary: (\{.*?\})`", TEXT)
    canary = YAML(typ="safe", pure=True).load(inline)
    assert EvaluateParams.model_validate({"canary": canary}) == default


def test_every_check_and_every_key_is_told() -> None:
    rows = [row.split(" | ") for row in TEXT.splitlines() if row.startswith("| `")]
    checks = [row[0].strip("| `") for row in rows]
    assert tuple(checks) == typing.get_args(CheckName)
    keys = {key.partition(":")[0] for row in rows for key in re.findall(r"`([^`]+)`", row[2])}
    others = {"slices", "costs", "num_resamples", "confidence"}  # of the measuring, not of the gate
    assert keys == set(EvaluateParams.model_fields) - others


def test_its_commands_are_there() -> None:
    told = set(re.findall(r"^tensorline (\w+)", TEXT, re.MULTILINE))
    assert told == {"history", "promote", "rollback"} <= set(COMMANDS)

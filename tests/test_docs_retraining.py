"""docs/retraining.md tells the truth: its parameters, its triggers and outcomes, its scripts, its example for GitLab."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

from ruamel.yaml import YAML

from components.cli.retrain import command
from components.params.models import RetrainParams
from components.retrain.decide import TriggerName
from components.tracking.attempts import AttemptOutcome

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "retraining.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def first_column(heading: str) -> list[str]:
    table = TEXT[TEXT.index(heading) :].split("\n\n")[0]
    return [name for row in table.splitlines()[2:] for name in re.findall(r"^\| `([^`]+)`", row)]


def test_the_section_shown_is_that_of_the_defaults() -> None:
    shown = YAML(typ="safe", pure=True).load(SECTIONS[0])["retrain"]
    assert list(shown) == list(RetrainParams.model_fields)
    assert RetrainParams.model_validate(shown) == RetrainParams()


def test_every_trigger_and_every_outcome_is_told() -> None:
    assert tuple(first_column("| trigger | is a reason when |")) == get_args(TriggerName)
    assert tuple(first_column("| outcome | means |")) == get_args(AttemptOutcome)


def test_every_script_is_told() -> None:
    there = {f"scripts/{path.name}" for path in (ROOT / "scripts").glob("retrain_*.sh")} - {"scripts/retrain_fetch.sh"}
    assert set(first_column("| script | does |")) == there


def test_every_command_has_the_options_that_are_shown() -> None:
    known = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    shown = {option for line in re.findall(r"tensorline retrain( [^`\n]*)", TEXT) for option in re.findall(r"--[a-z-]+", line)}
    assert {"--dry-run", "--json", "--report", "--heartbeat-check"} <= shown <= known


def test_the_example_for_gitlab_holds_the_published_schema(tmp_path: Path) -> None:
    file = tmp_path / "gitlab-ci.yml"
    file.write_text(SECTIONS[1], encoding="utf-8")
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(file)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for script in re.findall(r"scripts/\w+\.sh", SECTIONS[1]):
        assert (ROOT / script).is_file()

"""What README tells people to type works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.clone import Clone
from tests.e2e.test_repro import read_json

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(label: str) -> list[str]:
    """The code blocks that follow a comment `<!-- tested: label -->`."""
    return re.findall(rf"<!-- tested: {label} -->\n```\w+\n(.*?)```", README, re.DOTALL)


def test_every_make_target_is_there() -> None:
    named = set(re.findall(r"`?make ([a-z-]+)", README))
    assert named == {"run", "ui", "test", "bench"}
    for target in named:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_every_command_is_there() -> None:
    from components.cli import COMMANDS

    assert set(re.findall(r"`tensorline ([a-z]+)", README)) <= set(COMMANDS)


def test_every_file_that_is_linked_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_code_block_that_changes_something_is_tested() -> None:
    tested = "".join(blocks("own-csv") + blocks("predict") + blocks("own-media"))
    for language, code in re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL):
        if language == "yaml":  # it is shown, not typed
            continue
        assert code in tested or set(code.split("\n")) <= {"make run", "make ui", ""}, f"{language}: {code}"


@pytest.mark.slow
@pytest.mark.e2e
def test_what_is_there_can_be_asked_before_there_is_a_pipeline(second: Clone) -> None:
    (command,) = blocks("own-media")
    answer = second.run("bash", "-euo", "pipefail", "-c", command).stdout
    assert "5,000 records: 5,000 good, 0 rejected" in answer
    (section,) = re.findall(r"```yaml\n(data:.*?)```", README, re.DOTALL)
    assert answer.endswith(section)


def test_the_data_sections_of_the_table_are_valid() -> None:
    from ruamel.yaml import YAML

    from components.params.models import DataParams

    sections = re.findall(r"\| `(\{.*?\})` \| `(?:image|text)\.classifier` \|", README)
    assert len(sections) == 5
    for section in sections:
        DataParams.model_validate(YAML(typ="safe", pure=True).load(section))


@pytest.mark.slow
@pytest.mark.e2e
def test_bring_your_own_csv(second: Clone) -> None:
    first, adopt = blocks("own-csv")
    second.run("bash", "-euo", "pipefail", "-c", first)
    metrics = read_json(second.root / "artifacts" / "loans" / "report" / "metrics.json")
    assert metrics["auc"] > 0.7  # 0.78 is usual for these data
    adopted = second.run("bash", "-euo", "pipefail", "-c", adopt)
    assert "schemas/loans.pbtxt: adopted. Review it, commit it, then: dvc repro" in adopted.stdout
    held_against_it = second.run("dvc", "repro", "validate@loans")
    assert "loans · validate  no anomalies\n" in held_against_it.stdout
    assert "no reviewed schema" not in held_against_it.stdout
    (predict,) = blocks("predict")
    answer = second.run(sys.executable, "-c", predict)
    assert re.search(r"\n0 +(good|bad) +0\.\d+", answer.stdout), answer.stdout
    assert "[1000 rows x" in answer.stdout

"""`tensorline params`: what the stages see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.cli import main
from components.params.load import load_pipeline
from components.params.models import TrainParams
from tests.conftest import copy_repository

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["taxi", "penguins", "mpg", "fashion", "fashion_npz", "reviews", "weather", "seattle"])
def test_the_output_is_a_parameter_file_with_every_default(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy_repository(tmp_path / "root", data=False)
    monkeypatch.chdir(root)
    assert main(["params", name]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "pipelines" / name).mkdir(parents=True)
    (tmp_path / "pipelines" / name / "params.yaml").write_text(printed)
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    assert load_pipeline(name, tmp_path) == load_pipeline(name, root)
    content = YAML(typ="safe", pure=True).load(printed)
    assert content["train"].keys() == set(TrainParams.model_fields)


def test_the_schema_covers_the_recipes_sections(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["params", "taxi", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert "hidden_units" in schema["properties"]["model"]["properties"]
    assert "ZScore" in schema["$defs"]

"""docs/imbalanced.md tells the truth: its sections are valid, and its pipelines are there."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from components.params.load import load_pipeline
from components.params.models import EvaluateParams, TrainParams, TuneParams
from tests.conftest import copy_repository

TEXT = (Path(__file__).parents[1] / "docs" / "imbalanced.md").read_text(encoding="utf-8")


def test_the_section_is_valid_with_either_of_its_keys() -> None:
    (section,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    oversampled = re.sub(r"(?m)^  class_weights.*\n", "", section).replace("# oversample", "oversample")
    for text in (section, oversampled):
        content = YAML(typ="safe", pure=True).load(text)
        TuneParams.model_validate(content["tune"])
        TrainParams.model_validate(content["train"])
        EvaluateParams.model_validate(content["evaluate"])
    assert content["train"]["oversample"] == "balanced"


def test_the_pipelines_differ_in_what_they_show_alone(tmp_path: Path) -> None:
    root = copy_repository(tmp_path / "root", data=False)
    names = dict.fromkeys(re.findall(r"register@(shuttle_\w+)", TEXT))
    assert len(names) == 5
    baseline = load_pipeline("shuttle_rare", root).model_dump()
    for name, change in (("weighted", "class_weights"), ("oversampled", "oversample")):
        other = load_pipeline(f"shuttle_rare_{name}", root).model_dump()
        assert other["train"] == {**baseline["train"], change: "balanced"}
        assert {key: other[key] for key in ("data", "transform", "model", "evaluate")} == {
            key: baseline[key] for key in ("data", "transform", "model", "evaluate")
        }
    readings = [re.sub(r"shuttle_\w+", "", (root / "schemas" / f"{name}.pbtxt").read_text()) for name in names]
    assert len(set(readings)) == 1

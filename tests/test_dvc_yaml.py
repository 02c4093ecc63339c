"""dvc.yaml names what each stage runs and reads: DVC follows no imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.bridge.graph import INPUTS, STAGES
from recipes import RECIPES

ROOT = Path(__file__).parents[1]
STAGE_BODIES = {
    name: stage["do"] for name, stage in YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"].items()
}
# They read, count, track, draw or carry; what an artifact holds does not depend on them. A change of theirs reruns nothing.
SHAPE_NO_ARTIFACT = (
    "components/__init__.py",
    "components/contact_sheet.py",
    "components/environment.py",
    "components/errors.py",
    "components/examples_table.py",
    "components/plot_style.py",
    "components/progress.py",
    "components/saved_model.py",
    "components/tfrecord.py",
    "components/bridge/",
    "components/params/",
    "components/tracking/",
    "components/warm/",
)
SHAPES_ARTIFACTS = ("components/bridge/recipe.py",)


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imports(file: Path) -> frozenset[Path]:
    """The project's files that `file` imports anywhere, also within functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] in {"components", "recipes"} and (path := _file(name)):
                found.add(path)
    return frozenset(found)


def _closure(start: list[Path]) -> set[str]:
    seen: set[Path] = set()
    todo = list(start)
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        shown = file.relative_to(ROOT).as_posix()
        if shown.startswith(SHAPE_NO_ARTIFACT) and shown not in SHAPES_ARTIFACTS:
            continue  # the bridge imports every stage; what it imports is none of this stage's business
        todo += _imports(file)
    return {file.relative_to(ROOT).as_posix() for file in seen}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_the_code_that_it_imports(stage: str) -> None:
    deps = tuple(dep for dep in STAGE_BODIES[stage]["deps"] if not dep.startswith(("artifacts/", "data/", "schemas/")))
    imported = _closure(sorted((ROOT / "components" / stage).glob("*.py")))
    unnamed = {
        file
        for file in imported
        if not any(file == dep or file.startswith(f"{dep}/") for dep in deps)
        and (file in SHAPES_ARTIFACTS or not file.startswith(SHAPE_NO_ARTIFACT))
    }
    assert unnamed == set()


@pytest.mark.parametrize("stage", ["transform", "tune", "train"])
def test_a_stage_names_what_the_recipes_share(stage: str) -> None:
    for field in {ROOT.joinpath(*package.split(".")[:2]) for package in RECIPES.values()}:  # params.yaml names it
        imported = _closure(sorted(field.rglob("*.py")))
        shared = {file for file in imported if not (ROOT / file).is_relative_to(field)}
        assert shared <= set(STAGE_BODIES[stage]["deps"])


def test_the_stages_are_those_of_the_graph_in_its_order() -> None:
    assert list(STAGE_BODIES) == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_artifacts_that_it_reads(stage: str) -> None:
    read = {f"artifacts/${{key}}/{key}" for key in INPUTS[stage]}
    assert read <= set(STAGE_BODIES[stage]["deps"])


@pytest.mark.parametrize("stage", STAGES)
def test_the_run_file_is_an_output_and_no_stage_depends_on_it(stage: str) -> None:
    assert f"artifacts/${{key}}/runs/{stage}.json" in STAGE_BODIES[stage]["outs"]
    assert not any("/runs" in dep for body in STAGE_BODIES.values() for dep in body["deps"])

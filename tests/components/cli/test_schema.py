"""`tensorline schema`: from the inferred to the reviewed schema, and never over a reviewed one unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.cli import main
from tests.conftest import copy_repository

INFERRED = 'feature {\n  name: "species"\n  type: BYTES\n}\n'


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copy_repository(tmp_path)
    monkeypatch.chdir(root)
    return root


def infer(root: Path) -> None:
    folder = root / "artifacts" / "penguins" / "schema"
    folder.mkdir(parents=True)
    (folder / "schema.pbtxt").write_text(INFERRED)


def test_before_the_first_validation(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "penguins"]) == 2
    assert capsys.readouterr().err == (
        "tensorline: artifacts/penguins/schema: no schema yet. Make one first: dvc repro validate@penguins\n"
    )


def test_shows_the_schema(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    infer(repository)
    assert main(["schema", "penguins"]) == 0
    assert capsys.readouterr().out == INFERRED


def test_a_reviewed_schema_is_replaced_only_by_force(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    infer(repository)
    reviewed = repository / "schemas" / "penguins.pbtxt"
    before = reviewed.read_text()
    assert main(["schema", "penguins", "--accept"]) == 2
    assert capsys.readouterr().err == (
        "tensorline: schemas/penguins.pbtxt: a reviewed schema is there already. Edit it, or replace it: "
        "tensorline schema penguins --accept --force\n"
    )
    assert reviewed.read_text() == before
    assert main(["schema", "penguins", "--accept", "--force"]) == 0
    assert reviewed.read_text().endswith(INFERRED)


def test_accept_fills_an_empty_file(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    infer(repository)
    (repository / "schemas" / "penguins.pbtxt").write_text("")
    assert main(["schema", "penguins", "--accept"]) == 0
    assert capsys.readouterr().out == "schemas/penguins.pbtxt: adopted. Review it, commit it, then: dvc repro\n"
    assert (repository / "schemas" / "penguins.pbtxt").read_text() == (
        "# The reviewed data contract of penguins, adopted from what TFDV inferred; edit it as the data's meaning demands.\n"
        + INFERRED
    )


def test_a_schema_that_is_none_is_located(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    infer(repository)
    (repository / "schemas" / "penguins.pbtxt").write_text("feature {\n  nmae: 'x'\n}\n")
    assert main(["schema", "penguins", "--accept"]) == 2
    assert capsys.readouterr().err == (
        'tensorline: schemas/penguins.pbtxt:2:3 : Message type "tensorflow.metadata.v0.Feature" has no field named "nmae".. '
        "Expected a tensorflow-metadata Schema in text format. Mend the line, or leave only a comment to have the schema "
        "inferred.\n"
    )

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.errors import UserError
from components.tracking.run_file import RunRef, read_run_file, write_run_file


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "train.json"
    ref = RunRef("r1", "7", "train", "taxi")
    write_run_file(path, ref)
    assert read_run_file(path) == ref
    assert path.read_text(encoding="utf-8") == (
        '{\n "run_id": "r1",\n "experiment_id": "7",\n "stage": "train",\n "pipeline": "taxi"\n}\n'
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "no such file"), ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)")],
)
def test_missing_or_damaged(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "train.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    message = f"{path}: {problem}. Expected the id of the MLflow run of stage 'train': dvc repro makes it again."
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        read_run_file(path)

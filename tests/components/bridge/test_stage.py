"""A stage as DVC runs it: exit codes, located messages, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.bridge.stage import _located, _replace, _show_progress
from components.params.load import load_shared
from tests.conftest import copy_repository


def run(root: Path, stage: str, name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"components.{stage}", name]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return copy_repository(tmp_path)


def test_an_unknown_pipeline_is_the_users_mistake(repository: Path) -> None:
    done = run(repository, "ingest", "taxy")
    assert done.returncode == 2
    known = ", ".join(load_shared(repository).pipelines)
    assert done.stderr == (
        f"\ntaxy · ingest: params.yaml: pipelines: no pipeline is named 'taxy'. Did you mean 'taxi'? Known: {known}. Add a "
        "line 'taxy: {data: data/taxy, recipe: recipes/…}', and the file pipelines/taxy/params.yaml.\n"
    )
    assert not (repository / "artifacts").exists()


def test_mistakes_in_params_come_all_at_once(repository: Path) -> None:
    file = repository / "pipelines" / "mpg" / "params.yaml"
    file.write_text(file.read_text().replace("epochs: 200", "epochs: 0").replace("mae: {max: 2.5}", "mae: {}"))
    done = run(repository, "train", "mpg")
    assert done.returncode == 2
    assert done.stderr == (
        "\nmpg · train: pipelines/mpg/params.yaml: train.epochs: expected an integer > 0, got 0\n"
        "pipelines/mpg/params.yaml: evaluate.thresholds.mae: give min, max or both\n"
    )


@pytest.mark.slow
def test_a_label_that_is_no_column(repository: Path) -> None:
    file = repository / "pipelines" / "mpg" / "params.yaml"
    file.write_text(file.read_text().replace("label: mpg", "label: mgp"))
    done = run(repository, "ingest", "mpg")
    assert done.returncode == 2
    first = done.stderr.strip().splitlines()[0]
    assert first.startswith("mpg · ingest: pipelines/mpg/params.yaml: data.label: ")
    assert "'mgp'" in first
    assert "Did you mean 'mpg'?" in first
    assert not (repository / "artifacts" / "mpg" / "examples").exists()


@pytest.mark.slow
def test_a_bad_record_is_located_and_nothing_is_written(repository: Path) -> None:
    data = repository / "data" / "mpg" / "auto_mpg.csv"
    lines = data.read_text().splitlines(keepends=True)
    lines[16] = lines[16].replace("70", '"70,5"', 1)
    data.write_text("".join(lines))
    done = run(repository, "ingest", "mpg")
    assert done.returncode == 2
    assert "data/mpg/auto_mpg.csv:17: column '" in done.stderr
    assert "set data.on_bad_record: quarantine to set such rows aside" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (repository / "artifacts" / "mpg" / "examples").exists()
    assert not (repository / "artifacts" / "mpg" / ".partial-ingest").exists()


def test_keys_get_their_file() -> None:
    message = "data.label: no such column.\ntrain.class_weights: no class is named 'x'.\ndata/taxi.csv:3: ragged.\nmodel: bad."
    assert _located(message, "taxi") == (
        "pipelines/taxi/params.yaml: data.label: no such column.\n"
        "pipelines/taxi/params.yaml: train.class_weights: no class is named 'x'.\n"
        "data/taxi.csv:3: ragged.\n"
        "pipelines/taxi/params.yaml: model: bad."
    )


def test_a_finished_artifact_replaces_the_old_one_whole(tmp_path: Path) -> None:
    final, made = tmp_path / "examples", tmp_path / "made"
    final.mkdir()
    (final / "old").write_text("")
    made.mkdir()
    (made / "new").write_text("")
    _replace(made, final)
    assert [path.name for path in tmp_path.iterdir()] == ["examples"]
    assert [path.name for path in final.iterdir()] == ["new"]


@pytest.mark.parametrize(("num_steps", "shown"), [(3, [1, 2, 3]), (100, [*range(1, 101)]), (301, [1, *range(3, 301, 3), 301])])
def test_of_many_epochs_some_are_shown(num_steps: int, shown: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    show = _show_progress(SimpleNamespace(name="mpg"), "train")  # type: ignore[arg-type]  the name is all that it reads
    for step in range(1, num_steps + 1):
        show({"val_mae": 2.0, "learning_rate": 0.1}, step, num_steps)
    assert capsys.readouterr().out.splitlines() == [
        f"mpg · train     epoch {step}/{num_steps}  val_mae 2.0000" for step in shown
    ]

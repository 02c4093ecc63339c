"""The stage ingest keeps spans where DVC deletes nothing, as long as parameters, schema and code are the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.components.ingest.test_spans import LINES, MONTHS, trips
from tests.conftest import copy_repository, working_in


@pytest.fixture
def repository(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Taxi in two spans."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = copy_repository(tmp_path / "root", data=False)
    (root / "mlruns").mkdir()
    shutil.copyfile(empty_database, root / "mlruns" / "mlflow.db")
    edit(root, "data/taxi/*.csv", "data/taxi/{span}/*.csv")
    for month in MONTHS[:2]:
        put(root, month)
    return root


def edit(root: Path, old: str, new: str) -> None:
    file = root / "pipelines" / "taxi" / "params.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def put(root: Path, month: str) -> None:
    (root / "data" / "taxi" / month).mkdir(parents=True)
    (root / "data" / "taxi" / month / "trips.csv").write_text(LINES[0] + "".join(trips(month)), encoding="utf-8")


def repro(root: Path) -> str:
    """Runs the stage as DVC does, which deletes its outputs before; returns what it tells of spans."""
    from components.bridge.stage import run_stage

    folder = root / "artifacts" / "taxi"
    for key in ("examples", "ingest_report", "runs"):
        shutil.rmtree(folder / key, ignore_errors=True)
    with working_in(root):
        lines = run_stage("ingest", "taxi", root)
    assert len(list((folder / ".state" / "ingest").iterdir())) == 1  # that of other inputs is gone
    assert not (folder / ".partial-ingest").exists()
    return next(line for line in lines if line.startswith("spans: "))


@pytest.mark.slow
def test_a_stage_takes_what_the_last_one_kept(repository: Path) -> None:
    first = "spans: 2 (2024-01, 2024-02); read anew: all; taken as they were: 0"
    assert repro(repository) == first
    put(repository, "2024-03")
    assert repro(repository) == "spans: 3 (2024-01, 2024-02, 2024-03); read anew: 2024-03; taken as they were: 2"
    edit(repository, "  label: big_tipper\n", "  label: big_tipper\n  last_spans: 2\n")
    assert repro(repository) == "spans: 2 of 3 (2024-02, 2024-03); none read anew; taken as they were: 2"

    every = "spans: 2 of 3 (2024-02, 2024-03); read anew: all; taken as they were: 0"
    edit(repository, "drop: [tips]", "drop: [tips, company]")
    assert repro(repository) == every
    (repository / "schemas" / "taxi.pbtxt").write_text("# none\n")
    assert repro(repository) == every
    code = repository / "components" / "ingest" / "more.py"
    code.parent.mkdir(parents=True)
    code.touch()
    assert repro(repository) == every
    assert repro(repository) == "spans: 2 of 3 (2024-02, 2024-03); none read anew; taken as they were: 2"

    # Without spans nothing is kept.
    edit(repository, "data/taxi/{span}/*.csv", "data/taxi/*/*.csv")
    edit(repository, "  last_spans: 2\n", "")
    with pytest.raises(FileNotFoundError, match="ingest"):
        repro(repository)

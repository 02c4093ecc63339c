from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.cli import history, rollback
from components.errors import ParamsError
from components.tracking.moves import move_champion
from components.tracking.store import open_store

ROOT = Path(__file__).parents[3]


@pytest.fixture
def repository(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with the project's parameters and a store in which taxi had two champions."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines")
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_database, tmp_path / "mlruns" / "mlflow.db")
    store = open_store(tmp_path)
    store.client.create_registered_model("taxi")
    for version in ("1", "2"):
        store.client.create_model_version("taxi", tmp_path.as_uri())
        with store.lock():
            move_champion(store, "taxi", "promote", version, f"better {version}")
    return tmp_path


def test_rollback_and_history(repository: Path) -> None:
    done = CliRunner().invoke(rollback.command, ["taxi", "--why", "too slow"], catch_exceptions=False)
    assert (done.exit_code, done.output) == (0, "taxi: the champion is version 1 now; it was version 2.\n")
    shown = CliRunner().invoke(history.command, ["taxi"], catch_exceptions=False)
    assert shown.exit_code == 0
    title, _, head, _, *rows, _, now = shown.output.splitlines()
    assert title.strip() == "champion of taxi"
    assert re.split(r"\s*[┃│]\s*", head) == ["", "when (UTC)", "who", "what", "from", "to", "why", ""]
    assert [re.split(r"\s*│\s*", row)[2:-1] for row in rows] == [
        ["ann@desk", "promote", "–", "1", "better 1"],
        ["ann@desk", "promote", "1", "2", "better 2"],
        ["ann@desk", "rollback", "2", "1", "too slow"],
    ]
    assert all(re.match(r"│ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d │", row) for row in rows)
    assert now == "Champion now: version 1."


def test_rollback_to_a_version(repository: Path) -> None:
    CliRunner().invoke(rollback.command, ["taxi"], catch_exceptions=False)
    done = CliRunner().invoke(rollback.command, ["taxi", "--to", "2"], catch_exceptions=False)
    assert done.output == "taxi: the champion is version 2 now; it was version 1.\n"


@pytest.mark.parametrize("command", [rollback.command, history.command])
def test_an_unknown_pipeline(repository: Path, command: object) -> None:
    with pytest.raises(ParamsError, match=r"^params.yaml: pipelines: no pipeline is named 'taxy'. Did you mean 'taxi'\?"):
        CliRunner().invoke(command, ["taxy"], catch_exceptions=False)  # type: ignore[arg-type]

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from components.cli import history, promote, rollback
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
    assert shown.output.splitlines()[-1] == "Champion now: version 1."
    reigns, versions = tables(shown.output)
    assert reigns[:2] == ["champions of taxi", ["version", "from (UTC)", "to (UTC)", "by", "how", "why"]]
    times = [row.pop(1) for row in reigns[2:]] + [row.pop(1) for row in reigns[2:]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|now", time) for time in times)
    assert times[3:] == [*times[1:3], "now"]  # one ends as the next begins
    assert reigns[2:] == [
        ["1", "ann@desk", "the gate", "better 1"],
        ["2", "ann@desk", "the gate", "better 2"],
        ["1", "ann@desk", "rollback", "too slow"],
    ]
    assert versions[:2] == ["versions of taxi", ["version", "registered (UTC)", "verdict", "failed checks", "why"]]
    assert [[row[0], *row[2:]] for row in versions[2:]] == [["1", "unknown", "–", ""], ["2", "unknown", "–", ""]]


def tables(output: str) -> list[list]:
    """Of each table its title, its head, and its rows."""
    found: list[list] = []
    for line in output.splitlines():
        if line.strip().startswith(("champions of", "versions of")):
            found.append([line.strip()])
        elif line.startswith(("┃", "│")):
            found[-1].append(re.split(r"\s*[┃│]\s*", line)[1:-1])
    return found


def test_promote_and_history_as_json(repository: Path) -> None:
    CliRunner().invoke(rollback.command, ["taxi"], catch_exceptions=False)
    store = open_store(repository)
    store.client.set_registered_model_alias("taxi", "champion", "2")
    done = CliRunner().invoke(promote.command, ["taxi", "1", "--why", "of old"], catch_exceptions=False)
    assert (done.exit_code, done.output) == (0, "taxi: the champion is version 1 now; it was version 2.\n")
    shown = json.loads(CliRunner().invoke(history.command, ["taxi", "--json"], catch_exceptions=False).output)
    assert (shown["model"], shown["champion"]) == ("taxi", "1")
    kinds = ["promote", "promote", "rollback", "found", "override"]
    assert [(move["kind"], move["to_version"]) for move in shown["moves"]] == list(zip(kinds, "12121", strict=True))
    by_hand = {"by": None, "kind": "found", "why": "not moved by Tensorline, or a move was interrupted"}
    at = shown["moves"][-1]["at"]
    assert shown["reigns"][2:] == [
        {**shown["reigns"][2], "version": "1", "until": None, "kind": "rollback", "is_champion": False},
        {"version": "2", "since": None, "until": at, **by_hand, "is_champion": False},
        {
            "version": "1", "since": at, "until": None, "by": "ann@desk", "kind": "override", "why": "of old",
            "is_champion": True,
        },
    ]  # fmt: skip
    assert [(each["version"], each["verdict"]) for each in shown["versions"]] == [("1", "unknown"), ("2", "unknown")]
    assert shown["versions"][0]["overridden"] == f"{at} by ann@desk: of old"


def test_promote_asks_for_a_reason(repository: Path) -> None:
    done = CliRunner().invoke(promote.command, ["taxi", "1"])
    assert (done.exit_code, done.output.splitlines()[-1]) == (2, "Error: Missing option '--why'.")


def test_history_of_many_versions_shows_the_last(repository: Path) -> None:
    store = open_store(repository)
    for _ in range(10):
        store.client.create_model_version("taxi", repository.as_uri())
    shown = CliRunner().invoke(history.command, ["taxi"], catch_exceptions=False).output
    assert [row[0] for row in tables(shown)[1][2:]] == [str(number) for number in range(3, 13)]
    assert shown.splitlines()[-2:] == ["2 older versions: tensorline history taxi --json", "Champion now: version 2."]


def test_rollback_to_a_version(repository: Path) -> None:
    CliRunner().invoke(rollback.command, ["taxi"], catch_exceptions=False)
    done = CliRunner().invoke(rollback.command, ["taxi", "--to", "2"], catch_exceptions=False)
    assert done.output == "taxi: the champion is version 2 now; it was version 1.\n"


@pytest.mark.parametrize(
    ("command", "more"), [(rollback.command, []), (history.command, []), (promote.command, ["1", "--why", "x"])]
)
def test_an_unknown_pipeline(repository: Path, command: object, more: list[str]) -> None:
    with pytest.raises(ParamsError, match=r"^params.yaml: pipelines: no pipeline is named 'taxy'. Did you mean 'taxi'\?"):
        CliRunner().invoke(command, ["taxy", *more], catch_exceptions=False)  # type: ignore[arg-type]

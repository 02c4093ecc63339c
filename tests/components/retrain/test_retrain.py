"""`tensorline retrain`: real git, DVC and MLflow around stages that cost nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from components.cli import main
from components.retrain.heartbeat import read_heartbeat
from components.tracking.attempts import last_attempts
from components.tracking.moves import history
from components.tracking.store import open_store
from tests.components.retrain.stub_repository import HEADER, ROOT, deliver, make_repository


@pytest.fixture
def repository(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    root = make_repository(tmp_path / "root")
    shutil.copyfile(empty_database, root / "mlruns" / "mlflow.db")
    monkeypatch.chdir(root)
    return root


def told(capsys: pytest.CaptureFixture[str], *arguments: str, expect: int = 0) -> dict:
    """The one result of `tensorline retrain birds`."""
    capsys.readouterr()
    assert main(["retrain", "birds", "--json", *arguments]) == expect
    (result,) = json.loads(capsys.readouterr().out)
    assert result["exit_code"] == expect
    return result


def outputs(root: Path) -> dict[str, str]:
    """What the last command told GitHub."""
    file = root.parent / "GITHUB_OUTPUT"
    found = dict(line.split("=", 1) for line in file.read_text().splitlines())
    file.unlink()
    return found


@pytest.mark.slow
def test_a_story(
    repository: Path, empty_database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = repository
    planned = told(capsys, "--dry-run")
    assert (planned["headline"], planned["retrain"], planned["outcome"]) == ("birds: would be retrained", True, None)
    assert read_heartbeat(root, "birds") is None
    outputs(root)

    first = told(capsys, "--report", "report.md")
    assert first["headline"] == "birds: version 1 promoted"
    assert (first["outcome"], first["ran"]) == ("promoted", ["ingest", "validate", "register"])
    assert outputs(root) == {
        "retrained": "true",
        "promoted": "true",
        "refused": "false",
        "stopped": "false",
        "pipelines": "birds",
    }
    report = (root / "report.md").read_text()
    assert report.startswith("# birds: version 1 promoted\n\nBetter by 0.01.\n")
    assert (root.parent / "GITHUB_STEP_SUMMARY").read_text().endswith(f"{report}\n")
    beat = read_heartbeat(root, "birds")
    store = open_store(root)
    (attempt,) = last_attempts(store, "birds")
    assert (beat.champion, beat.attempt.version, beat.attempt.run_id) == ("1", "1", attempt.run_id)
    assert (attempt.outcome, attempt.why, attempt.version) == ("promoted", "better by 0.01", "1")
    assert Path(store.client.download_artifacts(attempt.run_id, "retrain.md")).read_text() == report

    again = told(capsys)
    assert (again["headline"], again["decision"]) == (
        "birds: not retrained",
        "no reason to: the data are those of the champion, version 1",
    )
    assert outputs(root)["retrained"] == "false"
    forced = told(capsys, "--force")
    assert (forced["headline"], forced["retrained"], forced["ran"]) == ("birds: nothing new", False, [])
    assert forced["why"] == (
        "nothing that the stages read has changed: the same data, parameters and code give the same model"
    )
    outputs(root)

    broken = deliver(root, "2", "good", header=HEADER.replace("beak", "bill"))
    stopped = told(capsys, "--report", "report.md", expect=3)
    assert (stopped["headline"], stopped["stopped_at"]) == ("birds: stopped by ingest", "ingest")
    assert stopped["why"] == "ingest: data/birds/2.csv:1: no column 'beak'."
    assert "\n```text\ndata/birds/2.csv:1: no column 'beak'.\nMend the header.\n```\n" in (root / "report.md").read_text()
    assert outputs(root)["stopped"] == "true"
    assert told(capsys, expect=3)["outcome"] is None  # they are still there
    broken.unlink()

    noisy = deliver(root, "2", "noisy")
    refused = told(capsys)
    assert (refused["headline"], refused["version"], refused["champion"]) == ("birds: version 2 refused", "2", "1")
    assert refused["why"] == "auc 0.5000 is less than 0.6 (evaluate.thresholds.auc.min)"
    assert "these data were tried" in told(capsys)["decision"]
    noisy.unlink()

    deliver(root, "2", "good", drift="yes")
    better = told(capsys, "--report", "report.md")
    assert (better["headline"], better["champion"]) == ("birds: version 3 promoted", "3")
    assert "\n| `beak` | numeric | ks 0.4000 | 0.1000 | 1.00e-06 | **yes** |\n" in (root / "report.md").read_text()
    assert [(move.from_version, move.to_version) for move in history(store, "birds")] == [(None, "1"), ("1", "3")]

    # Another store knows no champion: every model would be the first.
    other = root.parent / "other.db"
    shutil.copyfile(empty_database, other)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    capsys.readouterr()
    assert main(["retrain", "birds"]) == 2
    assert capsys.readouterr().err.startswith(
        f"tensorline: {other} knows no champion of 'birds', but pipelines/birds/heartbeat.json says that version 3 was it at "
    )


@pytest.mark.slow
def test_only_drift_is_a_reason(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = repository
    params = root / "pipelines" / "birds" / "params.yaml"
    params.write_text(params.read_text().replace("{cooldown_hours: 0}", "{cooldown_hours: 0, on_new_data: false}"))
    assert told(capsys)["outcome"] == "promoted"
    deliver(root, "2", "good")
    calm = told(capsys)
    assert (calm["outcome"], calm["ran"], calm["retrain"]) == ("unchanged", ["ingest", "validate"], False)
    assert calm["why"] == "no reason to: the data changed since the champion, version 1"
    deliver(root, "3", "good", drift="yes")
    drifted = told(capsys)
    assert (drifted["outcome"], drifted["ran"]) == ("promoted", ["ingest", "validate", "register"])
    assert drifted["decision"] == "drift against champion in 1 of 1 features: beak"


def test_the_mistakes_of_a_user(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, problem in (
        (["bird"], "params.yaml: pipelines: no pipeline is named 'bird'. Did you mean 'birds'?"),
        (
            ["birds", "fish", "--labelled", "x.csv"],
            "--labelled: whose records are they? Expected one pipeline, got birds, fish.",
        ),
        (["--report", "nowhere/x.md"], "--report: nowhere is no folder. Expected one to write x.md to; make it."),
    ):
        assert main(["retrain", *arguments]) == 2
        assert capsys.readouterr().err.startswith(f"tensorline: {problem}")
    assert main(["retrain", "bird", "fish"]) == 2
    assert "no pipeline is named 'fish'" in capsys.readouterr().err


def test_the_heartbeat_is_checked(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrain", "--heartbeat-check"]) == 0
    assert capsys.readouterr().out == "birds: no check yet; tensorline retrain birds makes the first\n"
    beat = {"pipeline": "birds", "decision": "", "champion": None, "attempt": None}
    path = repository / "pipelines" / "birds" / "heartbeat.json"
    path.write_text(json.dumps({**beat, "checked_at": "2026-01-01T00:00:00+00:00", "due_by": "2999-01-01T00:00:00+00:00"}))
    assert main(["retrain", "birds", "--heartbeat-check"]) == 0
    assert capsys.readouterr().out == "birds: checked at 2026-01-01 00:00 UTC, the next is due by 2999-01-01 00:00 UTC\n"
    path.write_text(json.dumps({**beat, "checked_at": "2020-01-01T00:00:00+00:00", "due_by": "2020-01-03T00:00:00+00:00"}))
    assert main(["retrain", "--heartbeat-check"]) == 1
    assert capsys.readouterr().out.startswith("birds: the last check was at 2020-01-01 00:00 UTC, and the next one is ")

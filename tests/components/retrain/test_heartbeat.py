"""The heartbeat: kept in the working tree and on a branch, overdue or not."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from components.errors import UserError
from components.retrain.heartbeat import Heartbeat, overdue, read_heartbeat, write_heartbeat
from components.tracking.attempts import Attempt

ATTEMPT = Attempt("2026-11-22T04:17:03+00:00", "stopped", "validate: “fare” is gone", "ab12", ("1", "2"), None, "run-1")
BEAT = Heartbeat("taxi", "2026-11-23T04:17:00+00:00", "2026-11-25T04:17:00+00:00", "no reason to", "3", ATTEMPT)


def test_there_is_none_before_the_first_check(tmp_path: Path) -> None:
    assert read_heartbeat(tmp_path, "taxi") is None


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines" / "taxi"
    folder.mkdir(parents=True)
    for beat in (BEAT, replace(BEAT, attempt=None, champion=None)):
        write_heartbeat(tmp_path, beat)
        assert read_heartbeat(tmp_path, "taxi") == beat
    assert [path.name for path in folder.iterdir()] == ["heartbeat.json"]


def test_the_newer_one_of_working_tree_and_branch_counts(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "pipelines" / "taxi").mkdir(parents=True)
    git("init", "--quiet")
    write_heartbeat(tmp_path, BEAT)
    git("add", ".")
    git("commit", "--quiet", "--message", "A beat")
    git("update-ref", "refs/remotes/origin/tensorline/heartbeat", "HEAD")
    older, newer = (replace(BEAT, checked_at=f"2026-11-{day}T04:17:00+00:00") for day in (22, 24))
    write_heartbeat(tmp_path, older)
    assert read_heartbeat(tmp_path, "taxi") == BEAT
    write_heartbeat(tmp_path, newer)
    assert read_heartbeat(tmp_path, "taxi") == newer
    (tmp_path / "pipelines" / "taxi" / "heartbeat.json").unlink()
    assert read_heartbeat(tmp_path, "taxi") == BEAT
    assert read_heartbeat(tmp_path, "mpg") is None


def test_overdue() -> None:
    due = datetime.fromisoformat(BEAT.due_by)
    assert overdue(BEAT, due) is None
    assert overdue(BEAT, due + timedelta(days=60)) == (
        "taxi: the last check was at 2026-11-23 04:17 UTC, and the next one is 60 days late. Expected it by 2026-11-25 04:17 "
        "UTC. Is the schedule switched off? GitHub stops those of a public repository after 60 days without activity: Actions "
        "→ retrain → Enable workflow."
    )
    assert "the next one is 5 hours late" in str(overdue(BEAT, due + timedelta(hours=5)))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", None),
        ('{"pipeline": "taxi", "attempt": null}', None),
        (
            '{"pipeline": "taxi", "checked_at": "2026-11-23T04:17:00", "due_by": "", "decision": "", "champion": null, '
            '"attempt": null}',
            "ValueError: 2026-11-23T04:17:00 has no time zone",
        ),
    ],
)
def test_a_damaged_file(tmp_path: Path, content: str, problem: str | None) -> None:
    path = tmp_path / "pipelines" / "taxi" / "heartbeat.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(UserError) as raised:
        read_heartbeat(tmp_path, "taxi")
    end = "Expected what 'tensorline retrain' writes. Remove the file; the next check writes it anew."
    assert str(raised.value).startswith("pipelines/taxi/heartbeat.json: ")
    assert str(raised.value).endswith(f". {end}")
    if problem is not None:
        assert str(raised.value) == f"pipelines/taxi/heartbeat.json: {problem}. {end}"

"""pipelines/NAME/heartbeat.json: that the schedule still runs, and what the last attempt came to.

A machine in CI is fresh each time, and a schedule that was switched off says nothing. So every check leaves this file, which
the workflow pushes to a branch of its own, and a build that is proposed as a pull request carries it too. Whoever reads takes
the newer of the working tree's and that branch's.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.tracking.attempts import Attempt

BRANCH = "tensorline/heartbeat"
"""Where scripts/retrain_publish.sh pushes the beats, and nothing else."""
_REF = f"refs/remotes/origin/{BRANCH}"


@dataclass(frozen=True)
class Heartbeat:
    """One check.

    Attributes:
        pipeline: Its name.
        checked_at: UTC, ISO 8601.
        due_by: When the next check is to have come, likewise.
        decision: In words.
        champion: The version that was champion then; None if there was none.
        attempt: The last one, at this check or before.
    """

    pipeline: str
    checked_at: str
    due_by: str
    decision: str
    champion: str | None
    attempt: Attempt | None


def heartbeat_file(name: str) -> str:
    """Its path from the repository's root."""
    return f"pipelines/{name}/heartbeat.json"


def write_heartbeat(root: Path, beat: Heartbeat) -> None:
    """Writes the file, in one piece."""
    path = root / heartbeat_file(beat.pipeline)
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(json.dumps(asdict(beat), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(path)


def read_heartbeat(root: Path, name: str) -> Heartbeat | None:
    """The last check that the working tree or the branch knows; None before the first.

    Raises: UserError if a file is damaged.
    """
    path = heartbeat_file(name)
    found = []
    if (root / path).exists():
        found.append(_parse((root / path).read_text(encoding="utf-8"), path))
    if (pushed := _show(root, f"{_REF}:{path}")) is not None:
        found.append(_parse(pushed, f"{path} of the branch {BRANCH}"))
    return max(found, key=lambda beat: beat.checked_at, default=None)


def overdue(beat: Heartbeat, now: datetime) -> str | None:
    """What to say if the next check should have come by `now`; None if all is well."""
    late = now - datetime.fromisoformat(beat.due_by)
    if late <= timedelta():
        return None
    return (
        f"{beat.pipeline}: the last check was at {shown_time(beat.checked_at)}, and the next one is {_days(late)} late. "
        f"Expected it by {shown_time(beat.due_by)}. Is the schedule switched off? GitHub stops those of a public repository "
        "after 60 days without activity: Actions → retrain → Enable workflow."
    )


def shown_time(iso: str) -> str:
    """2026-11-23 14:05 UTC."""
    return f"{datetime.fromisoformat(iso).astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"


def _days(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def _parse(text: str, shown: str) -> Heartbeat:
    try:
        content: dict[str, Any] = json.loads(text)
        attempt = content.pop("attempt")
        if attempt is not None:
            attempt = Attempt(**{**attempt, "spans": tuple(attempt["spans"])})
        beat = Heartbeat(**content, attempt=attempt)
        for moment in (beat.checked_at, beat.due_by, *([attempt.at] if attempt else [])):
            if datetime.fromisoformat(moment).tzinfo is None:
                raise ValueError(f"{moment} has no time zone")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{shown}: {type(error).__name__}: {error}. Expected what 'tensorline retrain' writes. Remove the file; the next "
            "check writes it anew."
        ) from None
    return beat


def _show(root: Path, what: str) -> str | None:
    """A file that git has; None without git, repository, branch or file."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "cat-file", "blob", what],
            cwd=root,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

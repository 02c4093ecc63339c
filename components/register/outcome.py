"""What registering has to tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.register.executor import REGISTRATION_FILE


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """The version, the verdict, and who is champion now."""
    file = folders["registration"] / REGISTRATION_FILE
    registration = json.loads(file.read_text(encoding="utf-8"))
    champion, verdict = registration["champion"], registration["verdict"]
    return Outcome(
        lines=[
            f"{registration['model_name']} version {registration['version']}: {verdict}. {registration['reason']}",
            f"champion: version {champion}" if champion else "no champion yet",
        ],
        files={file: ""},
        tags={"tensorline.verdict": verdict, "tensorline.version": registration["version"]},
    )

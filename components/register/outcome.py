"""What registering has to tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.evaluate.files import VERDICT_FILE
from components.register.register import REGISTRATION_FILE


def failed_checks(report: Path) -> list[str]:
    """A line that names the checks of the gate which the model failed, if it failed any."""
    checks = json.loads((report / VERDICT_FILE).read_text(encoding="utf-8"))["checks"]
    failed = [each["name"] for each in checks if not each["passed"]]
    return [f"failed checks: {', '.join(failed)}"] if failed else []


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """The version, the verdict, and who is champion now."""
    file = folders["registration"] / REGISTRATION_FILE
    registration = json.loads(file.read_text(encoding="utf-8"))
    champion, verdict = registration["champion"], registration["verdict"]
    return Outcome(
        lines=[
            f"{registration['model_name']} version {registration['version']}: {verdict}. {registration['reason']}",
            *failed_checks(folders["report"]),
            f"champion: version {champion}" if champion else "no champion yet",
        ],
        files={file: ""},
        tags={"tensorline.verdict": verdict, "tensorline.version": registration["version"]},
    )

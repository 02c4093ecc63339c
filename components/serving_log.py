"""Where `tensorline serve` logs requests, and drift and retraining find them: artifacts/NAME/serving_log/*.tfrecord.gz."""

from __future__ import annotations

from pathlib import Path

FOLDER = "serving_log"
SUFFIX = ".tfrecord.gz"


def logged(folder: Path) -> list[Path]:
    """The files of a log, sorted; none if there is no log. One that is still being written has another ending."""
    return sorted(folder.glob(f"*{SUFFIX}"))

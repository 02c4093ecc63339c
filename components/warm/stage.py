"""A stage's process: `python -m components.STAGE NAME`."""

from __future__ import annotations

from components.warm.client import begin

_LIGHT = ("ingest", "validate", "register")
"""Stages without TensorFlow."""


def run(stage: str) -> int:
    """Runs the stage as the command line says, warm if that is possible; returns the exit code as `bridge.stage.main` does."""
    exit_code, how = begin(stage, imports_much=stage not in _LIGHT)
    if exit_code is not None:
        return exit_code
    from components.bridge.stage import main

    return main(stage, how=how)

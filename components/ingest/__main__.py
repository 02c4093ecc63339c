"""Runs the stage: `python -m components.ingest NAME`."""

from __future__ import annotations

import sys

from components.warm.stage import run

if __name__ == "__main__":
    sys.exit(run("ingest"))

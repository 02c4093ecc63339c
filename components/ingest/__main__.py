"""Runs the stage: `python -m components.ingest NAME`."""

from __future__ import annotations

import sys

from components.bridge.stage import main

if __name__ == "__main__":
    sys.exit(main("ingest"))

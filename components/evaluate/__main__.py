"""`python -m components.evaluate NAME`: runs the stage of one pipeline."""

from __future__ import annotations

import sys

from components.warm.stage import run

if __name__ == "__main__":
    sys.exit(run("evaluate"))

"""`python -m components.evaluate NAME`: runs the stage of one pipeline."""

from __future__ import annotations

import sys

from components.bridge.stage import main

if __name__ == "__main__":
    sys.exit(main("evaluate"))

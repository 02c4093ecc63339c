"""`python -m components.validate NAME`: the stage as DVC runs it."""

import sys

from components.bridge.stage import main

if __name__ == "__main__":
    sys.exit(main("validate"))

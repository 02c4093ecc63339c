"""`python -m components.transform NAME`: the stage as DVC runs it."""

import sys

from components.warm.stage import run

if __name__ == "__main__":
    sys.exit(run("transform"))

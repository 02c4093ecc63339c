"""`python -m benchmarks.stock [COPIES …]`: both pipelines on as many copies of taxi; prints the table."""

from __future__ import annotations

import sys

from benchmarks.stock.comparison import run
from benchmarks.timing import HEADER, row

if __name__ == "__main__":
    print(HEADER)
    for result in run(tuple(map(int, sys.argv[1:])) or (1, 67)):
        print(row(result), flush=True)

"""A process that reads images, `python -m components.ingest.image_worker`: tasks on its input, results on its output.

Ends when its input does, so that it never outlives the process that started it.
"""

from __future__ import annotations

import os
import sys

from components.ingest.image_batch import process, read_task, write_images


def main() -> int:
    """Works until the input ends; returns the exit code."""
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library may print must not get between the results
    while (task := read_task(sys.stdin.buffer)) is not None:
        write_images(results, process(task))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(1)  # the process that started it has ended, or tells the user itself

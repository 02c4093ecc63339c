"""Standard streams whose files can be put in place of others.

A text stream notes when it is made whether its file can be sought in, and asks the file for its place later; with a pipe where
a log was, that fails. Libraries keep the streams that they find, so that these can't be made anew in a fork.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_NAMES = ("stdin", "stdout", "stderr")


def make() -> None:
    """Makes sys.stdin, sys.stdout and sys.stderr anew, as for pipes; what they were connected to stays connected."""
    kept = [os.dup(number) for number in range(3)]
    ends = os.pipe()
    made = []
    try:
        for number, name in enumerate(_NAMES):
            old = getattr(sys, name)
            old.flush()
            os.dup2(ends[min(number, 1)], number)
            raw = io.FileIO(number, "r" if number == 0 else "w", closefd=False)
            raw.name = f"<{name}>"  # as the interpreter has it
            buffer: Any = raw  # as `python -u` leaves it
            if isinstance(old.buffer, io.BufferedReader):
                buffer = io.BufferedReader(raw)
            elif isinstance(old.buffer, io.BufferedWriter):
                buffer = io.BufferedWriter(raw)
            made.append(io.TextIOWrapper(buffer, **form(old)))
    finally:
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
        for descriptor in (*kept, *ends):
            os.close(descriptor)
    for name, stream in zip(_NAMES, made, strict=True):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def connect(files: Sequence[int], forms: Sequence[Mapping[str, Any]]) -> None:
    """Puts `files` in the place of the three, and gives the streams that `make` made their forms, as `form` tells them."""
    for number, (name, file, as_there) in enumerate(zip(_NAMES, files, forms, strict=True)):
        os.dup2(file, number)  # inheritable, unlike the original
        getattr(sys, name).reconfigure(**as_there)


def form(stream: Any) -> dict[str, Any]:
    """How a text stream encodes and buffers, as JSON types."""
    names = ("encoding", "errors", "line_buffering", "write_through")
    return {name: getattr(stream, name) for name in names}

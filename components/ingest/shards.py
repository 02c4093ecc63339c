"""How many TFRecord files a split gets: few of small data, and of large data enough that many can be read at once.

Decided by the size of the input alone, and never by the machine's cores: the same input must give the same files everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from components.params.models import MAX_SHARDS, DataParams

FEW, MANY = 4, 16
LARGE_BYTES = 64 * 2**20
"""Larger inputs are read by more than a few processes or threads, each of which takes a file at a time."""
BYTES_A_SHARD = 32 * 2**20
"""Of input. A CSV's examples are three to four times as large as its text, so that a file of a split has some 80 MB; images
stay as they are."""


def num_shards(data: DataParams, inputs: Iterable[Path]) -> int:
    """Files a split for these inputs, each a file or a folder."""
    if data.num_shards is not None:
        return data.num_shards
    size = sum(map(_size_bytes, inputs))
    return FEW if size <= LARGE_BYTES else min(MAX_SHARDS, max(MANY, -(-size // BYTES_A_SHARD)))


def _size_bytes(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    files = (Path(parent, name) for parent, _, names in os.walk(path) for name in names)
    return sum(file.stat().st_size for file in files if file.is_file())

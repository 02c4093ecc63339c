"""Keeps some rejected images, so that a person can look at them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.ingest.image_source import ImagesSource
from components.ingest.image_table import ImageTable
from components.ingest.rejects import Reject
from components.ingest.source import Source

REJECTED_FOLDER = "rejected"
MOST_KEPT = 36
_MOST_BYTES = 8 << 20
_SUFFIXES = {
    b"\x89PNG": ".png",
    b"\xff\xd8": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


def keep_rejected(folder: Path, rejects: Iterable[tuple[Source, Reject]]) -> None:
    """Writes the first few rejected files that can be read, are not empty and not huge, as `NNN_RULE.EXT`.

    Args:
        folder: Made if there is one to write.
        rejects: All of them in the order of rejects.csv, whose records NNN counts from 1.
    """
    num_kept = 0
    for number, (source, reject) in enumerate(rejects, start=1):
        if num_kept == MOST_KEPT:
            return
        if not isinstance(source, ImagesSource | ImageTable):
            continue
        content = source.read(reject.index, reject.column, reject.fields)
        if content and len(content) <= _MOST_BYTES:
            suffix = next((suffix for magic, suffix in _SUFFIXES.items() if content.startswith(magic)), ".bin")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:03d}_{reject.rule}{suffix}").write_bytes(content)
            num_kept += 1

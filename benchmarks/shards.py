"""Shards as they are, plain, against gzip: what writing and reading them costs, and how large they are; tables, texts, images.

Written are the bytes of an ingest; tf.data reads them on all cores, as in training. Each side reads from memory, where the
system keeps files: on slow disks gzip looks better than here.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.stock.repository import NUM_ROWS, write_rows
from benchmarks.timing import compare
from components.params.models import DataParams

LEVEL = 1
"""Of gzip: the fastest; TensorFlow's own default, 6, takes twice as long for a tenth less."""


def run(copies: int = 20, repeats: int = 3) -> Iterator[dict[str, Any]]:
    """Yields for each kind of data the costs of writing and reading, with the sizes in `ours_bytes` and `baseline_bytes`."""
    from components.ingest.ingest import ingest

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_rows(folder / "trips.csv", NUM_ROWS * copies)
        kinds = {
            "taxi": DataParams(path=str(folder / "trips.csv"), label="trip_miles", on_bad_record="quarantine"),
            "sentences": DataParams(path="data/reviews/sentences.csv", label="sentiment"),
            "images": DataParams(format="images", path="data/fashion/fashion_5k.zip", label="label"),
        }
        for name, data in kinds.items():
            ingest(data, None, folder / name, folder / "report")
            yield from _compared(name, sorted((folder / name / "Split-train").iterdir()), folder, repeats)


def _compared(name: str, shards: list[Path], folder: Path, repeats: int) -> Iterator[dict[str, Any]]:
    contents = [shard.read_bytes() for shard in shards]
    plain = [folder / f"{name}-{index}" for index in range(len(shards))]
    packed = [folder / f"{name}-{index}.gz" for index in range(len(shards))]
    write = partial(_write, plain, contents), partial(_write, packed, contents)
    written = compare(f"writing the shards of {name}, plain / gzip", *write, repeats)
    sizes = [sum(path.stat().st_size for path in paths) for paths in (plain, packed)]
    about = {"ours_bytes": sizes[0], "baseline_bytes": sizes[1], "bytes_ratio": sizes[0] / sizes[1]}
    yield written | about
    read = partial(_read, plain, ""), partial(_read, packed, "GZIP")
    yield compare(f"reading the shards of {name}, plain / gzip", *read, repeats) | about


def _write(paths: list[Path], contents: list[bytes]) -> None:
    for path, content in zip(paths, contents, strict=True):
        if path.suffix == ".gz":
            with gzip.open(path, "wb", compresslevel=LEVEL) as file:
                file.write(content)
        else:
            path.write_bytes(content)


def _read(paths: list[Path], compression: str) -> None:
    import tensorflow as tf

    data = tf.data.TFRecordDataset([str(path) for path in paths], compression, num_parallel_reads=tf.data.AUTOTUNE)
    data.batch(1024).reduce(tf.constant(0, tf.int64), lambda count, batch: count + tf.size(batch, tf.int64)).numpy()

"""Ingest of taxi's rows in each format against a plain reader of the same file, which makes no examples, splits or accounts.

The reader says what the machine can do in the same minute: pandas for text, Arrow for Parquet, NumPy for arrays.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.stock.repository import NUM_ROWS, write_rows
from benchmarks.timing import compare
from components.params.models import DataParams

LABEL = "trip_miles"


def run(copies: int = 20, repeats: int = 3) -> Iterator[dict[str, Any]]:
    """Yields a result for each format, of taxi's 15,002 rows so many times over."""
    num_rows = NUM_ROWS * copies
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, (path, reader, read) in _files(folder, num_rows).items():
            result = compare(
                f"ingest of {num_rows:,} rows of {name} / {reader}",
                partial(_ingest, folder / "out", name, path),
                partial(read, path),
                repeats,
            )
            yield result | {
                "rows_per_s": num_rows / result["ours_s"],
                "bytes_per_s": path.stat().st_size / result["ours_s"],
            }


def _files(folder: Path, num_rows: int) -> dict[str, tuple[Path, str, Callable[[Path], Any]]]:
    """Format → file, name of its plain reader, and the reader."""
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    paths = {name: folder / f"trips.{name}" for name in ("csv", "jsonl", "parquet", "npz")}
    write_rows(paths["csv"], num_rows)
    table = pd.read_csv(paths["csv"])
    table.to_json(paths["jsonl"], orient="records", lines=True)
    table.to_parquet(paths["parquet"])
    numbers = table.select_dtypes("number")
    np.savez(paths["npz"], **{name: numbers[name].to_numpy() for name in numbers})
    return {
        "csv": (paths["csv"], "pandas.read_csv", pd.read_csv),
        "jsonl": (paths["jsonl"], "pandas.read_json", partial(pd.read_json, lines=True)),
        "parquet": (paths["parquet"], "pyarrow.parquet.read_table", pq.read_table),
        "npz": (paths["npz"], "numpy.load", _load),
    }


def _load(path: Path) -> None:
    import numpy as np

    with np.load(path) as arrays:
        for name in arrays:
            arrays[name].sum()


def _ingest(out: Path, name: str, path: Path) -> None:
    from components.ingest.ingest import ingest

    data = DataParams.model_validate({"format": name, "path": str(path), "label": LABEL, "on_bad_record": "quarantine"})
    ingest(data, None, out / "examples", out / "report")
    shutil.rmtree(out)

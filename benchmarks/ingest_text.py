"""Ingest of texts: sentences of a CSV against pandas reading the same file, and long documents against reading them.

The baselines do less: they make no examples, no measures and no accounts. They say what the machine can do in the same minute.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.timing import compare
from components.params.models import DataParams

REVIEWS = Path("data/reviews/sentences.csv")
_LONG_BYTES = 20_000


def run(copies: int = 300, num_documents: int = 10_000, num_long: int = 40) -> Iterator[dict[str, Any]]:
    """Yields a result for sentences (3,000 times `copies`), for documents of 20 kB, and for documents of 1 to 10 MB."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        header, *rows = REVIEWS.read_text(encoding="utf-8").splitlines(keepends=True)
        table = folder / "sentences.csv"
        table.write_text(header + "".join(rows) * copies, encoding="utf-8")
        yield compare(
            f"ingest of {len(rows) * copies:,} sentences / pandas.read_csv",
            partial(_ingest, folder, path=str(table), label="sentiment", texts={"text": {}}),
            partial(_read_csv, table),
            repeats=3,
        )
        corpus = "".join(rows).replace("'", "’")  # some characters beyond ASCII
        small, long = folder / "small", folder / "long"
        for index in range(num_documents):
            _write(small / f"class {index % 5}" / f"{index}.txt", corpus, index * 997, _LONG_BYTES)
        for index in range(num_long):
            _write(long / f"class {index % 5}" / f"{index}.txt", corpus * 45, index * 997, (index % 10 + 1) * 1_000_000)
        for documents in (small, long):
            megabytes = sum(path.stat().st_size for path in documents.rglob("*.txt")) / 1e6
            yield compare(
                f"ingest of {megabytes:,.0f} MB in {documents.name} documents / reading them",
                partial(_ingest, folder, format="documents", path=str(documents), label="label"),
                partial(_read, documents),
                repeats=3,
            )


def _write(path: Path, corpus: str, start: int, length: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    start %= len(corpus) - length if len(corpus) > length else 1
    path.write_text(f"{path.stem}\n{corpus[start : start + length]}", encoding="utf-8")


def _ingest(folder: Path, **params: Any) -> None:
    from components.ingest.ingest import ingest

    out = folder / "out"
    ingest(DataParams.model_validate(params), None, out / "examples", out / "report")
    shutil.rmtree(out)


def _read_csv(path: Path) -> None:
    import pandas as pd

    if not pd.read_csv(path)["text"].str.len().sum():
        raise ValueError(f"{path} holds no text")


def _read(folder: Path) -> None:
    for path in folder.rglob("*.txt"):
        path.read_text(encoding="utf-8")

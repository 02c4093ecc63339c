"""How fast new records are predicted and explained, beside the loop that one would write for it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.timing import compare
from benchmarks.training import _prepared, _working_in

REPEATS = 3
COPIES = 67
"""Times taxi's rows: 1,005,134."""
_CHUNK = 8192


def run(copies: int = COPIES, repeats: int = REPEATS) -> Iterator[dict[str, Any]]:
    """Yields the prediction of taxi's rows, so many times over, against pandas in front of `serve_raw`; and explanations."""
    with tempfile.TemporaryDirectory() as temporary:
        root = _prepared(Path(temporary) / "taxi", "taxi", 1, 1)
        with _working_in(root):
            from components.bridge.job import Job
            from components.bridge.stage import run_stage
            from components.predict.model import Model

            run_stage("train", "taxi", root)
            job = Job.load("taxi", root)
            model = Model(job.artifact("model"))
            header, *rows = (root / "data" / "taxi" / "trips.csv").read_text(encoding="utf-8").splitlines(keepends=True)
            few, many = root / "few.csv", root / "many.csv"
            few.write_text("".join([header, *rows]), encoding="utf-8")
            with many.open("w", encoding="utf-8") as file:
                file.write(header)
                for _ in range(copies):
                    file.writelines(rows)
            _ask(job, model, few, explain=True)  # graphs are made ready
            spent: list[float] = []
            ours = _measured(lambda: _ask(job, model, many, explain=False), spent)
            result = compare(
                f"predict {copies * len(rows):,} taxi rows / pandas and serve_raw", ours, lambda: _plain(model, many), repeats
            )
            number = copies * len(rows)
            yield result | {"rows_per_s": number / result["ours_s"], "rows_per_cpu_s": number * len(spent) / sum(spent)}
            spent.clear()
            ours = _measured(lambda: _ask(job, model, few, explain=True), spent)
            result = compare(
                f"explain {len(rows):,} taxi rows / predict them", ours, lambda: _ask(job, model, few, explain=False), repeats
            )
            yield result | {"rows_per_s": len(rows) / result["ours_s"], "rows_per_cpu_s": len(rows) * len(spent) / sum(spent)}


def _measured(work: Callable[[], None], spent: list[float]) -> Callable[[], None]:
    """The same work, whose seconds of processors are noted: of a machine that does other work too, they tell more."""

    def measured() -> None:
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)

    return measured


def _ask(job: Any, model: Any, path: Path, *, explain: bool) -> None:
    from components.predict.predict import Name, predict

    name, output = Name("taxi", "1"), path.with_suffix(".parquet")
    predict(job.params.data, job.reviewed_schema, model, name, str(path), output, explain=explain)


def _plain(model: Any, path: Path) -> None:
    """What one would write: pandas reads, the signature of raw columns answers, pandas writes."""
    import numpy as np
    import pandas as pd
    import tensorflow as tf

    signature = model._loaded.signatures["serve_raw"]  # noqa: SLF001
    specs = signature.structured_input_signature[1]
    parts = []
    for chunk in pd.read_csv(path, chunksize=_CHUNK * (os.cpu_count() or 1)):
        for start in range(0, len(chunk), _CHUNK):
            rows = chunk.iloc[start : start + _CHUNK]
            columns = {}
            for name, spec in specs.items():
                values = rows[name]
                raw = values.fillna("").astype(str) if spec.dtype == tf.string else values.astype(spec.dtype.as_numpy_dtype)
                columns[name] = tf.constant(np.asarray(raw).reshape(-1, 1), spec.dtype)
            parts.append(signature(**columns)["score"].numpy().reshape(-1))
    pd.DataFrame({"score": np.concatenate(parts)}).to_parquet(path.with_name("plain.parquet"))

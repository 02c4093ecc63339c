"""The benchmarks that `make bench` runs, by name: modules with `run()`, which yields results of the form of `timing.pair`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

Size = Literal["quick", "usual", "large"]


@dataclass(frozen=True)
class Benchmark:
    """One module.

    Attributes:
        module: That has `run`.
        about: What it measures, in a few words.
        quick: Arguments of `run` for a look.
        large: Likewise for much data.
        takes_rows: Whether `run` takes `rows`, the numbers of rows to measure at.
    """

    module: str
    about: str
    quick: Mapping[str, Any] = field(default_factory=dict)
    large: Mapping[str, Any] = field(default_factory=dict)
    takes_rows: bool = False

    def options(self, size: Size, rows: Sequence[int] | None = None) -> dict[str, Any]:
        """The arguments of `run`."""
        chosen = dict({"quick": self.quick, "large": self.large}.get(size, {}))
        return chosen | {"rows": tuple(rows)} if rows and self.takes_rows else chosen

    def run(self, **options: Any) -> Iterator[dict[str, Any]]:
        """Yields the results; the module is imported only now, as it needs libraries and data of its own."""
        yield from import_module(f"benchmarks.{self.module}").run(**options)


BENCHMARKS = {
    "stock": Benchmark(
        "stock.comparison",
        "everything, nothing changed, and train changed, against stock TFX",
        quick={"repeats": 1},
        large={"copies": (1, 67)},
    ),
    "growth": Benchmark(
        "growth",
        "time and memory of each stage, from 10,000 to 3,000,000 rows",
        quick={"rows": (2_000, 10_000)},
        takes_rows=True,
    ),
    "noop": Benchmark("noop", "`make run` with nothing to do"),
    "warm": Benchmark("warm", "stages of penguins, warm and cold", quick={"repeats": 1}),
    "ingest": Benchmark("ingest", "CSV against stock CsvExampleGen", quick={"copies": (1,)}, large={"copies": (1, 10, 67)}),
    "formats": Benchmark("formats", "CSV, JSON Lines, Parquet and NumPy arrays against plain readers", quick={"copies": 1}),
    "shards": Benchmark("shards", "shards plain and gzip: writing, reading, size", quick={"copies": 1}),
    "images": Benchmark("ingest_images", "zips and folders of images against plain Pillow", quick={"copies": (1,)}),
    "text": Benchmark(
        "ingest_text",
        "sentences and documents against reading them",
        quick={"copies": 3, "num_documents": 100, "num_long": 2},
    ),
    "training": Benchmark(
        "training", "the stage train against bare Keras", quick={"repeats": 1, "pipelines": {"taxi": (5, 3)}}
    ),
    "statistics": Benchmark("statistics", "statistics against stock StatisticsGen", quick={"copies": (1,)}),
    "evaluate": Benchmark("evaluate", "the Evaluator against TFMA", quick={"copies": (1,)}),
    "predict": Benchmark("predict", "new records against a loop of one's own", quick={"copies": 1, "repeats": 1}),
}

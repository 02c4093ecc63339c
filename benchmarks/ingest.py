"""Our ingest against stock CsvExampleGen: the same rows into the same three splits, both in one process without tracking."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.timing import compare
from components.bridge.beam import context_args
from components.params.models import BeamParams, DataParams, HashSplit

SOURCE = Path("data/taxi/trips.csv")
LABEL = "trip_miles"


def run(copies: tuple[int, ...] = (1, 10)) -> Iterator[dict[str, Any]]:
    """Yields a result for each number of copies of the taxi data; ten copies are 150,020 rows."""
    # Whichever of the two comes first would pay for the imports of both.
    importlib.import_module("tfx.components.example_gen.csv_example_gen.component")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for number in copies:
            data = folder / f"x{number}" / "trips.csv"
            data.parent.mkdir()
            header, *rows = SOURCE.read_text().splitlines(keepends=True)
            data.write_text(header + "".join(rows) * number)
            counter = iter(range(1000))
            yield compare(
                f"ingest of {len(rows) * number:,} rows / CsvExampleGen",
                lambda data=data, counter=counter: _ours(data, folder / f"ours-{data.parent.name}-{next(counter)}"),
                lambda data=data, counter=counter: _stock(data.parent, folder / f"stock-{data.parent.name}-{next(counter)}"),
                repeats=3 if number == 1 else 1,
            )


def _run(component: Any, out: Path) -> None:
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.dsl.components.base.base_executor import BaseExecutor

    outputs = {}
    for key, channel in component.spec.outputs.items():
        artifact = channel.type()
        artifact.uri = str(out / key)
        Path(artifact.uri).mkdir(parents=True)
        outputs[key] = [artifact]
    executor_class = component.executor_spec.executor_class
    common = {"tmp_dir": str(out / "tmp"), "unique_id": "0"}
    if issubclass(executor_class, BaseBeamExecutor):
        context = BaseBeamExecutor.Context(**context_args(BeamParams()), **common)
    else:
        context = BaseExecutor.Context(**common)
    executor_class(context).Do({}, outputs, component.spec.exec_properties)


def _ours(data: Path, out: Path) -> None:
    from components.ingest.component import Ingest

    # The moments of a copy are those of the original, so copies share a split, as duplicates should.
    params = DataParams(path=str(data), label=LABEL, split=HashSplit(), on_bad_record="quarantine", max_reject_fraction=1.0)
    _run(Ingest(data=params, schema=None), out)


def _stock(folder: Path, out: Path) -> None:
    from tfx.components.example_gen.csv_example_gen.component import CsvExampleGen
    from tfx.proto import example_gen_pb2

    splits = [
        example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=size)
        for name, size in (("train", 14), ("eval", 3), ("test", 3))
    ]
    output = example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits))
    _run(CsvExampleGen(input_base=str(folder), output_config=output), out)

"""Drift: how often it is reported where there is none, and how often a shift is found. `python -m benchmarks.drift [draws]`.

The rows of data/taxi, as ingest writes them. False alarms: two random halves of 100, 1,000 and 7,000 rows each, drawn without
replacement; a draw is a false alarm if any of the features drifted. Found: two random halves of 1,000 rows, in one of
which one feature is greater by 0.3 of its standard deviations.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from components.drift.build import Plan
    from components.drift.compare import FeatureDrift

SHIFT_SD = 0.3


@dataclass(frozen=True)
class Rows:
    """All records of taxi, and how they are judged."""

    records: list[bytes]
    plan: Plan

    def halves(
        self, generator: np.random.Generator, num_rows: int, change: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None
    ) -> list[FeatureDrift]:
        """Compares two random halves of `num_rows` each, the second of which is changed, with the default parameters."""
        from components.drift.build import profile_records
        from components.drift.compare import compare
        from components.params.models import DriftParams

        drawn = generator.choice(len(self.records), 2 * num_rows, replace=False)
        one, other = ([self.records[index] for index in half] for half in (drawn[:num_rows], drawn[num_rows:]))
        same = profile_records([one], "one", self.plan)
        changed = profile_records([other], "other", self.plan, *([change] if change else []))
        params = DriftParams()
        return compare(same, changed, params.limits.model_dump(), params.significance)

    @cached_property
    def numeric(self) -> dict[str, tuple[float, bool]]:
        """Number feature → its standard deviation, and whether it holds integers; of those with values in most records."""
        import pyarrow as pa

        from components.examples_table import decode
        from components.validate.batches import first_values

        batch = decode(self.records)
        found = {}
        for name, kind in self.plan.kinds.items():
            values = first_values(batch, name)
            if kind is not None and kind.measure == "numbers" and values.null_count < len(values) / 2:
                found[name] = float(np.nanstd(values.to_numpy(zero_copy_only=False))), pa.types.is_integer(values.type)
        return found

    def shift(self, name: str) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        """What makes a number greater by SHIFT_SD of its standard deviations; integers by as many, rounded."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from components.validate.batches import first_values

        deviation, is_integer = self.numeric[name]
        by = round(SHIFT_SD * deviation) if is_integer else SHIFT_SD * deviation

        def change(batch: pa.RecordBatch) -> pa.RecordBatch:
            values = first_values(batch, name)
            moved = pc.add(values, pa.scalar(by, values.type))
            lists = pc.if_else(pc.is_valid(moved), moved, None).to_pylist()
            column = pa.array([None if value is None else [value] for value in lists], pa.large_list(values.type))
            return batch.set_column(batch.schema.get_field_index(name), name, column)

        return change


def taxi_rows(root: Path = Path()) -> Rows:
    """Ingests taxi, whatever the splits are."""
    from components.bridge.job import Job
    from components.drift.build import Plan
    from components.drift.kinds import kinds_of
    from components.examples_table import read_serialized
    from components.ingest.ingest import ingest
    from components.validate.measured import Columns

    job = Job.load("taxi", root)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        ingest(job.params.data, job.reviewed_schema, out / "examples", out / "report")
        splits = ("train", "eval", "test")
        records = [record for split in splits for batch in read_serialized(out / "examples", split) for record in batch]
    label = job.params.data.label
    return Rows(records, Plan(kinds_of(job.reviewed_schema, Columns(label)), label))


def false_alarms(rows: Rows, num_rows: int, num_draws: int, seed: int) -> Iterator[list[str]]:
    """Yields the features called drifted in each draw."""
    generator = np.random.default_rng(seed)
    for _ in range(num_draws):
        yield [each.feature for each in rows.halves(generator, num_rows) if each.drifted]


def found(rows: Rows, name: str, num_rows: int, num_draws: int, seed: int) -> int:
    """In how many draws the shift of a feature is found."""
    generator, change = np.random.default_rng(seed), rows.shift(name)
    draws = (rows.halves(generator, num_rows, change) for _ in range(num_draws))
    return sum(any(each.drifted and each.feature == name for each in results) for results in draws)


def main(num_draws: int = 100) -> int:
    """Prints both tables; returns the exit code."""
    rows = taxi_rows()
    for num_rows in (100, 1_000, 7_000):
        alarms = [names for names in false_alarms(rows, num_rows, num_draws, seed=num_rows) if names]
        called = ", ".join(sorted({name for names in alarms for name in names})) or "–"
        print(
            f"no drift, {num_rows:>5,} rows: {num_draws - len(alarms)} of {num_draws} draws without an alarm ({called})",
            flush=True,
        )
    for index, name in enumerate(rows.numeric):
        print(
            f"{name} + {SHIFT_SD} sd, 1,000 rows: found in {found(rows, name, 1_000, num_draws, index)} of {num_draws}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))

"""What 100 GB and 10 TB would take, worked out from measured rates: `python -m benchmarks.scale [--measured]`.

Prints the tables that docs/scale.md shows between its marks, and with `--write` puts them there. The rates stand in
benchmarks/rates.json; `--measured` takes them anew from benchmarks/results.json (benchmarks growth and training).
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import ROOT, read, results_of
from components.ingest.shards import BYTES_A_SHARD, MANY
from components.params.models import MAX_SHARDS

RATES = Path(__file__).with_name("rates.json")
PAGE = ROOT / "docs" / "scale.md"
STAGES = ("ingest", "validate", "transform", "train", "evaluate")
SIZES_BYTES = {"100 GB": 100e9, "10 TB": 10e12}
CSV_BYTES_A_ROW = 128.2
"""Of data/taxi/trips.csv: 1,922,600 bytes in 15,002 rows."""
EXAMPLE_BYTES_A_ROW = 482.2
"""The same as framed tf.Examples: what ingest writes, and statistics, transform and evaluate read."""
CORES_A_MACHINE = 16
PRICE_A_CORE_HOUR = 0.048
"""Dollars. An assumption: about what a vCPU of a general machine costs on demand by the price lists of the large clouds."""
PRICE_A_TB_MONTH = 23.0
"""Dollars. An assumption: object storage, by the same lists."""
DISK_BYTES_A_S = 200e6
"""Of one machine's disk when it is read or written in large pieces: an assumption, for hashing and copying."""
_MARKS = re.compile(r"(?s)(<!-- benchmarks\.scale: .*?-->\n).*?(<!-- end -->)")


@dataclass(frozen=True)
class Rates:
    """What was measured.

    Attributes:
        core_s_a_million_rows: Stage → seconds of processors for a million rows more.
        peak_bytes: Stage → memory at the most rows that were measured.
        source: Where the rates come from, in words for the page.
    """

    core_s_a_million_rows: Mapping[str, float]
    peak_bytes: Mapping[str, int]
    source: str


def measured(benchmarks: Mapping[str, Any]) -> Rates:
    """The rates in what `results.read` gives: of each stage what the last rows cost more than the first, starting left out.

    Of `train`, whose steps in benchmark growth are the same for any number of rows, the rate is that of benchmark training.

    Raises: ValueError if growth was not measured at two numbers of rows, or training not at all.
    """
    growth, training = results_of(benchmarks, "growth"), results_of(benchmarks, "training")
    sizes = sorted({each["num_rows"] for each in growth})
    rows_per_s = [each["rows_per_cpu_s"] for each in training if "rows_per_cpu_s" in each]
    if len(sizes) < 2 or not rows_per_s:
        raise ValueError(
            f"benchmarks growth (at {len(sizes)} sizes) and training ({len(rows_per_s)} results): expected two sizes or more, "
            "and one result. Run python -m benchmarks --only growth training."
        )
    # The smallest is mostly starting; from about a tenth of the most rows on, what is measured is work.
    most = sizes[-1]
    few = max((size for size in sizes[:-1] if size <= most / 5), default=sizes[0])
    found = {(each["stage"], each["num_rows"]): each for each in growth}
    rates, peaks = {}, {}
    for stage in STAGES:
        more = found[stage, most]["stage_cpu_s"] - found[stage, few]["stage_cpu_s"]
        rates[stage] = 1e6 * max(more, 0.0) / (most - few) if stage != "train" else 1e6 / rows_per_s[0]
        peaks[stage] = found[stage, most]["ours_bytes"]
    entry = benchmarks["growth"]
    cores = entry["machine"]["cores"]
    return Rates(rates, peaks, f"Measured on {cores} cores, between {few:,} and {most:,} rows, commit {entry['commit']}.")


def load(path: Path = RATES) -> Rates:
    """The rates that are kept."""
    return Rates(**json.loads(path.read_text(encoding="utf-8")))


def save(rates: Rates, path: Path = RATES) -> None:
    """Keeps them, rounded to three digits."""
    content = asdict(rates)
    content["core_s_a_million_rows"] = {name: float(f"{rate:.3g}") for name, rate in rates.core_s_a_million_rows.items()}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def tables(rates: Rates) -> str:
    """All tables, in Markdown."""
    parts = (_rate_lines(rates), _work_lines(rates), _size_lines(rates))
    return "\n\n".join([rates.source, *("\n".join(lines) for lines in parts)])


def _rate_lines(rates: Rates) -> Iterator[str]:
    yield "| stage | core-seconds a million rows | rows a second and core | MB of CSV a second and core | memory at most |"
    yield "| --- | --- | --- | --- | --- |"
    for stage in STAGES:
        rate = rates.core_s_a_million_rows[stage]
        per_s = 1e6 / rate if rate else math.inf
        memory = rates.peak_bytes[stage] / 1e9
        yield f"| {stage} | {rate:.3g} | {_three(per_s)} | {per_s * CSV_BYTES_A_ROW / 1e6:.3g} | {memory:.1f} GB |"


def _work_lines(rates: Rates) -> Iterator[str]:
    yield f"| stage | {' | '.join(f'{size}: core-hours | on {CORES_A_MACHINE} cores' for size in SIZES_BYTES)} |"
    yield f"| --- | {' | '.join('--- | ---' for _ in SIZES_BYTES)} |"
    totals = dict.fromkeys(SIZES_BYTES, 0.0)
    for stage in STAGES:
        cells = []
        for size, num_bytes in SIZES_BYTES.items():
            hours = core_hours(rates, stage, num_bytes)
            totals[size] += hours
            cells.append(f"{_three(hours)} | {_hours(hours / CORES_A_MACHINE)}")
        yield f"| {stage} | {' | '.join(cells)} |"
    yield f"| all | {' | '.join(f'{_three(hours)} | {_hours(hours / CORES_A_MACHINE)}' for hours in totals.values())} |"
    yield f"| price of the cores | {' | '.join(f'{_dollars(hours * PRICE_A_CORE_HOUR)} | ' for hours in totals.values())} |"


def _size_lines(rates: Rates) -> Iterator[str]:
    yield f"| what | {' | '.join(SIZES_BYTES)} |"
    yield f"| --- | {' | '.join('---' for _ in SIZES_BYTES)} |"

    def line(what: str, cell: Any) -> str:
        return f"| {what} | {' | '.join(cell(num_bytes) for num_bytes in SIZES_BYTES.values())} |"

    yield line("rows", lambda size: _three(rows(size)))
    yield line("examples", lambda size: _bytes(example_bytes(size)))
    yield line("files a split", lambda size: _three(num_shards(size)))
    yield line("a file of split train (70%)", lambda size: _bytes(0.7 * example_bytes(size) / num_shards(size)))
    yield line(
        f"DVC's hash of the CSV and the examples, at {DISK_BYTES_A_S / 1e6:.0f} MB/s",
        lambda size: _hours((size + example_bytes(size)) / DISK_BYTES_A_S / 3600),
    )
    yield line(
        "storage of CSV and examples, a month",
        lambda size: _dollars((size + example_bytes(size)) / 1e12 * PRICE_A_TB_MONTH),
    )
    for hours in (1, 8):
        yield line(
            f"machines of {CORES_A_MACHINE} cores that ingest, validate, transform and evaluate in {hours} h",
            lambda size, hours=hours: str(machines(rates, size, hours)),
        )


def rows(num_bytes: float) -> float:
    """Of a CSV of so many bytes."""
    return num_bytes / CSV_BYTES_A_ROW


def example_bytes(num_bytes: float) -> float:
    """Of the examples of a CSV of so many bytes."""
    return rows(num_bytes) * EXAMPLE_BYTES_A_ROW


def num_shards(num_bytes: float) -> int:
    """Files a split, as `components.ingest.shards` has it for inputs so large."""
    return min(MAX_SHARDS, max(MANY, math.ceil(num_bytes / BYTES_A_SHARD)))


def core_hours(rates: Rates, stage: str, num_bytes: float) -> float:
    """Of processors, for a CSV of so many bytes."""
    return rows(num_bytes) / 1e6 * rates.core_s_a_million_rows[stage] / 3600


def machines(rates: Rates, num_bytes: float, within_hours: float) -> int:
    """How many do all but training in that time, if their cores were all busy."""
    hours = sum(core_hours(rates, stage, num_bytes) for stage in STAGES if stage != "train")
    return math.ceil(hours / CORES_A_MACHINE / within_hours)


def with_tables(page: str, rates: Rates) -> str:
    """The page with the tables between its marks. Raises: ValueError if it has no marks."""
    text, count = _MARKS.subn(lambda found: f"{found[1]}{tables(rates)}\n{found[2]}", page)
    if count != 1:
        raise ValueError(f"expected one pair of marks {_MARKS.pattern}, found {count}")
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument(
        "--measured", action="store_true", help=f"takes the rates from results.json, and keeps them in {RATES.name}"
    )
    parser.add_argument("--write", action="store_true", help="puts the tables into docs/scale.md")
    arguments = parser.parse_args(argv)
    if arguments.measured:
        save(measured(read()))
    rates = load()
    if arguments.write:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), rates), encoding="utf-8")
    print(tables(rates))
    return 0


def _three(value: float) -> str:
    """With three digits, and commas: 780,000,000."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def _hours(hours: float) -> str:
    return f"{hours / 24:.3g} days" if hours >= 48 else f"{hours:.3g} h" if hours >= 1 else f"{60 * hours:.2g} min"


def _bytes(num_bytes: float) -> str:
    unit, size = next((each for each in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)) if num_bytes >= each[1]), ("kB", 1e3))
    return f"{num_bytes / size:.3g} {unit}"


def _dollars(value: float) -> str:
    return f"${_three(value)}" if value >= 1 else f"${value:.2f}"


if __name__ == "__main__":
    sys.exit(main())

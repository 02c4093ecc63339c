"""What 100 GB and 10 TB would take: the arithmetic, and that docs/scale.md shows what it gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.scale import Rates, core_hours, load, machines, measured, num_shards, save, tables, with_tables
from benchmarks.stock.repository import NUM_ROWS, ROOT
from tests.benchmarks.sample import CORE_S_A_MILLION_ROWS, benchmarks

RATES = Rates(dict.fromkeys(scale.STAGES, 36.0), dict.fromkeys(scale.STAGES, 10**9), "Made up.")


def test_rates_leave_starting_out() -> None:
    rates = measured(benchmarks())
    assert rates.core_s_a_million_rows == pytest.approx({**CORE_S_A_MILLION_ROWS, "train": 1e6 / 50_000})
    assert rates.source == "Measured on 2 cores, between 300,000 and 3,000,000 rows, commit abc1234."
    assert rates.peak_bytes["ingest"] == 10**9


def test_rates_need_two_sizes() -> None:
    found = benchmarks()
    found["growth"]["results"] = [each for each in found["growth"]["results"] if each["num_rows"] == 10_000]
    with pytest.raises(ValueError, match=r"^benchmarks growth \(at 1 sizes\) and training \(1 results\): expected two sizes"):
        measured(found)


def test_rates_are_kept(tmp_path: Path) -> None:
    save(RATES, tmp_path / "rates.json")
    assert load(tmp_path / "rates.json") == RATES


def test_arithmetic() -> None:
    num_bytes = 1e6 * scale.CSV_BYTES_A_ROW * 100  # a hundred million rows: a core-hour a stage
    assert core_hours(RATES, "ingest", num_bytes) == pytest.approx(1.0)
    assert machines(RATES, 64 * num_bytes, 1.0) == 16  # of 16 cores each, for 256 core-hours
    assert (num_shards(1e6), num_shards(100e9), num_shards(10e12)) == (16, 2981, 10_000)


def test_bytes_a_row_are_those_of_taxi() -> None:
    assert (ROOT / "data/taxi/trips.csv").stat().st_size / NUM_ROWS == pytest.approx(scale.CSV_BYTES_A_ROW, rel=0.01)


def test_the_page_shows_what_the_rates_give() -> None:
    page = scale.PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page, load()), "run python -m benchmarks.scale --write"
    assert tables(load()) in page


def test_a_page_without_marks() -> None:
    with pytest.raises(ValueError, match="expected one pair of marks"):
        with_tables("# Scale\n", RATES)

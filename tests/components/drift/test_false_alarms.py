"""What docs/drift.md promises of false alarms and of shifts, in a smaller form; `python -m benchmarks.drift` measures all."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.drift import Rows, false_alarms, found, taxi_rows
from tests.conftest import ROOT, working_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows() -> Rows:
    with working_in(ROOT):
        return taxi_rows(Path(ROOT))


@pytest.mark.parametrize(("num_rows", "num_draws"), [(100, 40), (1_000, 20), (7_000, 3)])
def test_halves_of_the_same_data_have_not_drifted(rows: Rows, num_rows: int, num_draws: int) -> None:
    alarms = [names for names in false_alarms(rows, num_rows, num_draws, seed=1) if names]
    assert len(alarms) <= num_draws * 0.05


@pytest.mark.parametrize("name", ["trip_start_timestamp", "fare"])
def test_a_shift_of_0_3_standard_deviations_is_found(rows: Rows, name: str) -> None:
    assert found(rows, name, 1_000, 10, seed=2) == 10

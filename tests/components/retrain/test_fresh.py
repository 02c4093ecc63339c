"""The champion on freshly labelled records, with the model that the pipeline penguins trained."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import binomtest

from components.bridge.job import Job
from components.errors import UserError
from components.predict.model import Model
from components.predict.predict import Name, predict
from components.retrain.fresh import Fresh, _loss, _widened, measure_fresh
from components.tracking.attempts import ChampionFacts


@pytest.mark.parametrize(
    ("sign", "fresh", "recorded", "expected"),
    [
        # Of d = recorded - fresh: d - sqrt((r - r_low)² + (f_high - f)²) to d + sqrt((r_high - r)² + (f - f_low)²).
        (1, (0.80, 0.76, 0.83), (0.90, 0.86, 0.92), (0.10, 0.10 - 0.05, 0.10 + math.hypot(0.02, 0.04))),
        # Of an error, d = fresh - recorded.
        (-1, (2.5, 2.1, 2.8), (2.0, 1.6, 2.3), (0.5, 0.5 - 0.5, 0.5 + math.hypot(0.3, 0.4))),
        (1, (0.80, None, None), (0.90, 0.86, 0.92), (0.10, None, None)),
        (1, (0.80, 0.76, 0.83), (0.90, None, None), (0.10, None, None)),
    ],
)
def test_the_interval_of_the_loss(sign: int, fresh: tuple, recorded: tuple, expected: tuple) -> None:
    found = _loss(sign, fresh, recorded)
    assert [each is None for each in found] == [each is None for each in expected]
    assert [each for each in found if each is not None] == pytest.approx([each for each in expected if each is not None])


def test_where_all_resamples_agree() -> None:
    for right in (0, 54):
        exact = binomtest(right, 54).proportion_ci(0.95, "exact")
        share = right / 54
        found = _widened("accuracy", (share, share, share), 54, 0.95)
        assert found == (share, pytest.approx(exact.low), pytest.approx(exact.high))
    assert _widened("accuracy", (1.0, 1.0, 1.0), None, 0.95) == (1.0, None, None)
    assert _widened("mae", (0.5, 0.5, 0.5), 54, 0.95) == (0.5, None, None)
    assert _widened("accuracy", (0.9, 0.8, 1.0), 54, 0.95) == (0.9, 0.8, 1.0)


@pytest.fixture
def birds(penguins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Job, list[str], list[list[str]]]:
    monkeypatch.chdir(tmp_path)
    with (penguins / "data" / "penguins" / "penguins.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    return Job.load("penguins", penguins), header, rows


def measure(job: Job, header: list[str], rows: list[list[str]], **recorded: float) -> Fresh:
    with Path("fresh.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return measure_fresh(job, job.artifact("model"), ChampionFacts("3", "", None, recorded), "fresh.csv")


@pytest.mark.slow  # of the pipeline that it needs
def test_it_measures_what_predict_predicts(birds: tuple) -> None:
    job, header, rows = birds
    rows[3] = rows[3][:-1]  # ragged: it is left out
    fresh = measure(job, header, rows, accuracy=0.95, accuracy_low=0.9, accuracy_high=1.0, num_examples=54)
    model = Model(job.artifact("model"))
    predict(job.params.data, job.reviewed_schema, model, Name("penguins", "3"), "fresh.csv", Path("out.parquet"), ["species"])
    answers = pd.read_parquet("out.parquet")
    assert (fresh.num_examples, fresh.num_rejects) == (343, 1) == (len(answers), 1)
    assert fresh.value == pytest.approx((answers["label"] == answers["species"]).mean(), abs=1e-12)
    assert fresh.low < fresh.value < fresh.high
    assert not fresh.is_worse

    species = header.index("species")
    turned = [
        [*row[:species], rows[(index + 150) % len(rows)][species], *row[species + 1 :]] for index, row in enumerate(rows)
    ]
    worse = measure(job, header, turned, accuracy=0.95, accuracy_low=0.9, accuracy_high=1.0, num_examples=54)
    assert worse.value < 0.5
    assert worse.is_worse
    assert worse.told.endswith(f"worse (95% interval of the loss {worse.loss_low:+.4f} to {worse.loss_high:+.4f})")
    assert not measure(job, header, turned[:29], accuracy=0.95, accuracy_low=0.9, accuracy_high=1.0).is_worse


@pytest.mark.slow  # of the pipeline that it needs
def test_what_can_not_be_measured(birds: tuple) -> None:
    job, header, rows = birds
    with pytest.raises(UserError, match=r"^retrain.fresh: version 3 has no recorded accuracy to compare with. Expected what "):
        measure(job, header, rows, log_loss=0.1)
    with pytest.raises(UserError, match=r"^fresh.csv: no column 'species', which the model takes. Did you mean"):
        measure(job, ["specie", *header[1:]], rows, accuracy=0.95)
    with pytest.raises(UserError, match=r"^fresh.csv: the model refuses a record: the label 'Emperor' is no class of"):
        measure(job, header, [*rows[:4], ["Emperor", *rows[4][1:]], *rows[5:20]], accuracy=0.95)
    with pytest.raises(UserError, match=r"^fresh.csv: none of 2 records is good. tensorline ingest-check 'fresh.csv' tells"):
        measure(job, header, [row[:-1] for row in rows[:2]], accuracy=0.95)

"""Through Beam the same answers come in the same order, and what a runner loses is noticed."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.bridge.beam import new_pipeline
from components.bridge.job import Job
from components.errors import AccountingError, UserError
from components.ingest.csv_source import CsvSource
from components.params.models import DataParams
from components.predict import beam as module
from components.predict.beam import OnBeam
from components.predict.model import Model
from components.predict.predict import Name, Predicted, predict


@pytest.fixture
def birds(penguins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The job and its model, with new birds in a.csv and b.csv of the working directory, some of them no birds."""
    monkeypatch.chdir(tmp_path)
    with (penguins / "data" / "penguins" / "penguins.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    rows[3], rows[40] = rows[3][:2], [*rows[40][:2], "long", *rows[40][3:]]
    for name, some in (("a.csv", rows[:30]), ("b.csv", rows[30:90])):
        with Path(name).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *some])
    job = Job.load("penguins", penguins)
    return SimpleNamespace(job=job, folder=job.artifact("model"), model=Model(job.artifact("model")))


def ask(birds: SimpleNamespace, output: str, *, through_beam: bool, explain: bool = False, **data: object) -> Predicted:
    on_beam = OnBeam(partial(new_pipeline, birds.job.shared.beam), birds.folder, Path()) if through_beam else None
    params = DataParams.model_validate({**birds.job.params.data.model_dump(), **data})
    name, schema = Name("penguins", "1"), birds.job.reviewed_schema
    return predict(params, schema, birds.model, name, "?.csv", Path(output), ["island"], explain=explain, on_beam=on_beam)


def test_the_same_as_in_threads(birds: SimpleNamespace) -> None:
    streamed = ask(birds, "streamed.csv", through_beam=False, explain=True)
    beamed = ask(birds, "beamed.csv", through_beam=True, explain=True)
    assert Path("beamed.csv").read_text() == Path("streamed.csv").read_text()
    assert Path("beamed.rejects.csv").read_text() == Path("streamed.rejects.csv").read_text()
    assert (beamed.num_records, beamed.num_predictions, beamed.by_rule) == (90, 88, {"ragged": 1, "type": 1})
    assert (streamed.num_records, streamed.num_predictions, streamed.by_rule) == (90, 88, beamed.by_rule)
    assert not list(Path().glob(".*"))  # the parts are gone


def test_a_lost_block_and_a_lost_file(tmp_path: Path) -> None:
    source = CsvSource(tmp_path / "new.csv", ",", "utf-8", [])
    with pytest.raises(AccountingError) as raised:
        module._read(tmp_path, 0, source)
    assert str(raised.value) == (
        f"predict: the runner answered nothing of {source.path}. Expected every file's answers in {tmp_path}, which all of "
        "its workers must see. Run it again, or without --beam."
    )
    (tmp_path / "000000.json").write_text('{"num_blocks": 2, "malformed": []}')
    with pytest.raises(AccountingError) as raised:
        list(module._read(tmp_path, 0, source)[1])
    assert str(raised.value) == (
        f"predict: the runner lost block 1 of 2 of {source.path}. Expected all of them. Run it again, or without --beam."
    )


def test_no_time_series(birds: SimpleNamespace) -> None:
    for name in ("a.csv", "b.csv"):
        Path(name).write_text("date,bill_length_mm\n2012-01-01,1.0\n")
    columns = ["bill_length_mm"]
    windows = {"time": ["date"], "step": "1d", "inputs": columns, "targets": columns, "input_width": 1}
    data = {"path": "old.csv", "label": "ahead", "windows": windows, "split": {"by": "calendar"}}
    params = DataParams.model_validate(data)
    on_beam = OnBeam(partial(new_pipeline, birds.job.shared.beam), birds.folder, Path())
    with pytest.raises(UserError) as raised:
        predict(params, None, birds.model, Name("penguins", "1"), "?.csv", Path("out.csv"), on_beam=on_beam)
    assert str(raised.value) == (
        "--beam: a window's rows may begin in one block and end in the next, so a time series is read from its beginning to "
        "its end. Leave --beam out."
    )

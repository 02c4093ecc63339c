"""`data.thin`: which records stay, that the others are counted, and the mistakes that can be made."""

import json
from pathlib import Path

import pytest

from components.errors import AccountingError, ParamsError
from components.ingest.records import Converter
from components.ingest.summary import summary
from tests.components.ingest.test_ingest import ROOT, all_records, digests, run

SHUTTLE = {"path": "data/shuttle/shuttle.csv.gz", "label": "anomaly"}
RARE = {**SHUTTLE, "thin": {"anomaly == 1": 0.026}}


def readings(folder: Path, out: str) -> list[tuple]:
    return [tuple(record.values()) for record in all_records(folder, out)]


def test_what_is_kept_is_chosen_by_the_records_and_the_rest_is_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    whole = run(tmp_path, SHUTTLE, out="whole")
    thin = run(tmp_path, RARE, out="thin")
    assert "num_thinned" not in whole
    (counts,) = thin["by_file"].values()
    assert thin["num_examples"] == {"train": 32065, "eval": 6817, "test": 6797}
    assert (thin["num_records_in"], thin["num_rejects"], thin["num_thinned"]) == (49097, 0, 3418)
    assert counts == {"num_records_in": 49097, "num_examples": thin["num_examples"], "num_rejects": 0, "num_thinned": 3418}
    assert thin["thinned_by_condition"] == {"anomaly == 1": 3418}
    assert summary(thin).splitlines()[2] == "left out by data.thin: 3,418 records (anomaly == 1 3,418)"
    # Nothing else has changed, and the anomalies that stay are spread over the splits, in which they were.
    normal = [row for row in readings(tmp_path, "whole") if row[0] == 0]
    assert [row for row in readings(tmp_path, "thin") if row[0] == 0] == normal
    assert {row for row in readings(tmp_path, "thin") if row[0] == 1} < set(readings(tmp_path, "whole"))
    run(tmp_path, RARE, out="again")
    assert digests(tmp_path / "again") == digests(tmp_path / "thin")


def write(rows: int = 400) -> None:
    lines = [f"{number},{number % 4},{['train', 'eval', 'test'][number % 3]}" for number in range(rows)]
    Path("x.csv").write_text("x,kind,part\n" + "\n".join(lines) + "\n")


PARTS = {"path": "x.csv", "label": "kind", "split": {"by": "column", "column": "part"}}


def test_the_first_condition_that_is_true_decides(folder):
    write()
    derive = {"even": "kind % 2 == 0", "nothing": "x / 0"}  # what is missing is not true
    thin = {"even == 1": 0.0, "kind <= 1": 1.0, "kind > 0": 0.5, "nothing == 1": 0.0}
    report = run(folder, {**PARTS, "derive": derive, "drop": ["even", "nothing"], "thin": thin})
    kinds = [record["kind"] for record in all_records(folder)]
    left = kinds.count(3)
    assert 30 < left < 70
    assert {kind: kinds.count(kind) for kind in range(4)} == {0: 0, 1: 100, 2: 0, 3: left}
    assert report["thinned_by_condition"] == {"even == 1": 200, "kind <= 1": 0, "kind > 0": 100 - left, "nothing == 1": 0}
    assert json.loads(Path("out/report/ingest.json").read_text()) == report


def test_bad_records_are_rejects_and_not_thinned(folder):
    write(30)
    Path("x.csv").write_text(Path("x.csv").read_text() + "31,,train\n32,3,nowhere\n")
    report = run(folder, {**PARTS, "on_bad_record": "quarantine", "max_reject_fraction": 1.0, "thin": {"x > 29": 0.0}})
    assert (report["num_rejects"], report["num_thinned"], report["by_rule"]) == (2, 0, {"label": 1, "split": 1})


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (
            "kind + 1",
            "data.thin: 'kind + 1' gives integer, which is no condition. Compare with a value, as in 'kind + 1 == 1'.",
        ),
        ("knd == 1", "data.thin: no column 'knd', at character 1 of 'knd == 1'. Did you mean 'kind'?"),
        ("kind = 1", "data.thin: cannot read '=', at character 6 of 'kind = 1'. Compare with '=='."),
        (
            "kind == 'a'",
            "data.thin: == takes two values of one kind, got 'kind' is an integer and a string, at character 6 of "
            "'kind == 'a''. Set data.cast for the column, or choose another operation.",
        ),
    ],
)
def test_mistakes(folder, condition, message):
    write()
    with pytest.raises(ParamsError) as error:
        run(folder, {**PARTS, "thin": {condition: 0.5}})
    assert str(error.value) == message


def test_lost_records_are_noticed(folder, monkeypatch):
    write()
    thin = Converter._thin
    monkeypatch.setattr(Converter, "_thin", lambda *args: dict.fromkeys(thin(*args), 1))
    with pytest.raises(AccountingError) as error:
        run(folder, {**PARTS, "thin": {"kind == 1": 0.0}})
    assert str(error.value) == (
        "ingest: x.csv: 400 records in, 300 examples and 0 rejects out, 1 left out by data.thin. Expected as many out as in. "
        "Please report it with the file."
    )

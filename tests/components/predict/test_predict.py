"""New birds, predicted by the model that the pipeline penguins trained."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from components.bridge.job import Job
from components.cli import predict as predict_command
from components.errors import ParamsError, UserError
from components.params.models import DataParams
from components.predict.model import Model
from components.predict.predict import Name, Predicted, predict
from components.tracking.registry import Candidate, register_candidate
from components.tracking.store import Store
from tests.conftest import working_in

NAME = Name("penguins", "7")
PROBABILITIES = ["probability_Adelie", "probability_Chinstrap", "probability_Gentoo"]


@pytest.fixture(scope="session")
def birds(penguins: Path) -> SimpleNamespace:
    """The pipeline's parameters, its model and its raw data."""
    job = Job.load("penguins", penguins)
    with (penguins / "data" / "penguins" / "penguins.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    return SimpleNamespace(job=job, model=Model(job.artifact("model")), header=header, rows=rows)


@pytest.fixture
def ask(birds: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Predicted]:
    """Predicts `new.csv` of the test's own folder, the working directory, into `out.parquet`."""
    monkeypatch.chdir(tmp_path)

    def run(path: str = "new.csv", output: str = "out.parquet", keep: Sequence[str] = (), **data: Any) -> Predicted:
        params = DataParams.model_validate({**birds.job.params.data.model_dump(), **data})
        return predict(params, birds.job.reviewed_schema, birds.model, NAME, path, Path(output), keep)

    return run


def write(path: str, header: list[str], rows: list[list[str]]) -> None:
    with Path(path).open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def test_as_the_evaluation_says(birds: SimpleNamespace, ask: Callable[..., Predicted]) -> None:
    write("new.csv", birds.header, birds.rows)
    done = ask(keep=["island", "sex"])
    assert (done.num_records, done.num_predictions, done.by_rule, done.num_nonfinite) == (344, 344, {}, 0)
    found = pd.read_parquet("out.parquet")
    assert list(found) == ["file", "row", "island", "sex", "label", *PROBABILITIES, "model", "model_version"]
    assert found["row"].tolist() == list(range(1, 345))
    assert found[["file", "model", "model_version"]].drop_duplicates().values.tolist() == [["new.csv", "penguins", "7"]]
    evaluated = pd.read_parquet(birds.job.artifact("report") / "predictions.parquet")
    assert len(evaluated) > 20
    expected = np.stack(evaluated["probabilities"].tolist())
    distances = np.abs(found[PROBABILITIES].to_numpy()[np.newaxis] - expected[:, np.newaxis]).max(axis=2)
    nearest = distances.argmin(axis=1)
    assert distances.min(axis=1).max() < 1e-6
    assert len(set(nearest)) == len(evaluated)
    assert found["label"].to_numpy()[nearest].tolist() == evaluated["prediction"].tolist()
    assert [birds.rows[row][0] for row in nearest] == evaluated["label"].tolist()


def test_without_a_label_and_with_bad_records(birds: SimpleNamespace, ask: Callable[..., Predicted]) -> None:
    header = ["tag", *birds.header[1:]]
    rows = [[f"00{number}", *row[1:]] for number, row in enumerate(birds.rows[:6])]
    rows[1] = rows[1][:2]
    rows[3][header.index("bill_length_mm")] = "long"
    write("new.csv", header, rows)
    done = ask(keep=["tag"])
    assert (done.num_records, done.num_predictions, done.by_rule) == (6, 4, {"ragged": 1, "type": 1})
    found = pd.read_parquet("out.parquet")
    assert found[["row", "tag"]].values.tolist() == [[1, "000"], [3, "002"], [5, "004"], [6, "005"]]
    with done.rejects.open(newline="") as file:
        rejects = list(csv.reader(file))
    assert done.rejects == Path("out.rejects.csv")
    assert [row[:5] for row in rejects] == [
        ["file", "line", "column", "value", "rule"],
        ["new.csv", "3", "", "", "ragged"],
        ["new.csv", "5", "bill_length_mm", "long", "type"],
    ]
    assert sorted(path.name for path in Path().iterdir()) == ["new.csv", "out.parquet", "out.rejects.csv"]


def test_several_files_and_formats_answer_the_same(birds: SimpleNamespace, ask: Callable[..., Predicted]) -> None:
    write("b.csv", birds.header, birds.rows[2:5])
    write("a.csv", birds.header, birds.rows[:2])
    ask("?.csv", "out.csv")
    expected = pd.read_csv("out.csv", float_precision="round_trip")
    assert expected[["file", "row"]].values.tolist() == [["a.csv", 1], ["a.csv", 2], ["b.csv", 1], ["b.csv", 2], ["b.csv", 3]]
    table = pd.concat([pd.read_csv("a.csv"), pd.read_csv("b.csv")], ignore_index=True)
    table.to_parquet("new.parquet")
    table.to_json("new.jsonl", orient="records", lines=True)
    with gzip.open("new.csv.gz", "wt") as file:
        table.to_csv(file, index=False)
    for path in ("new.parquet", "new.jsonl", "new.csv.gz"):
        ask(path, "out.jsonl")
        found = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
        assert [row["label"] for row in found] == expected["label"].tolist()
        np.testing.assert_allclose(
            [[row[name] for name in PROBABILITIES] for row in found], expected[PROBABILITIES], atol=1e-6
        )


def test_derived_and_renamed_columns(birds: SimpleNamespace, ask: Callable[..., Predicted]) -> None:
    """What the label alone is made of may be lacking; what the model takes is derived, and renamed, as at training."""
    header = [{"island": "Island", "body_mass_g": "body_mass_kg"}.get(name, name) for name in birds.header[1:]]
    mass = header.index("body_mass_kg")
    rows = [row[1:] for row in birds.rows[:8] if row[3] != "NA"]
    write("new.csv", birds.header[1:], rows)
    ask()
    expected = pd.read_parquet("out.parquet")
    write("new.csv", header, [[*row[:mass], str(float(row[mass]) / 1000), *row[mass + 1 :]] for row in rows])
    ask(
        rename={"Island": "island", "kind": "species_name"},
        derive={"species": "lower(species_name)", "body_mass_g": "body_mass_kg * 1000"},
        drop=["species_name", "body_mass_kg"],
        cast={"species_name": "string"},
    )
    found = pd.read_parquet("out.parquet")
    np.testing.assert_allclose(found[PROBABILITIES], expected[PROBABILITIES], atol=1e-5)


def test_an_empty_file(birds: SimpleNamespace, ask: Callable[..., Predicted]) -> None:
    write("new.csv", birds.header, [])
    done = ask()
    found = pd.read_parquet("out.parquet")
    assert (done.num_records, len(found)) == (0, 0)
    assert list(found) == ["file", "row", "label", *PROBABILITIES, "model", "model_version"]
    assert done.rejects.read_text() == "file,line,column,value,rule,record\n"


def test_keys_that_json_lines_lack_are_missing(birds: SimpleNamespace, ask: Callable[..., Predicted]) -> None:
    record = dict(zip(birds.header, birds.rows[0], strict=True))
    Path("new.jsonl").write_text(json.dumps({"island": record["island"], "bill_length_mm": 39.1}) + "\nno JSON\n")
    done = ask("new.jsonl")
    assert (done.num_predictions, done.by_rule) == (1, {"json": 1})
    assert set(done.absent) == set(birds.model.inputs) - {"island", "bill_length_mm"}


@pytest.mark.parametrize(
    ("mend", "path", "output", "keep", "error", "message"),
    [
        (
            lambda header, rows: header.__setitem__(2, "bill_lenght_mm"),
            "new.csv",
            "out.csv",
            [],
            UserError,
            "new.csv: no column 'bill_length_mm', which the model takes. Did you mean 'bill_lenght_mm'?\nExpected the columns "
            "{inputs}. Add what is lacking; a value that is not known may be missing.",
        ),
        (
            lambda header, rows: None,
            "old.csv",
            "out.csv",
            [],
            ParamsError,
            "--input: no file matches 'old.csv', from the repository's root. In . there are: new.csv.",
        ),
        (
            lambda header, rows: None,
            "new.csv",
            "out.xlsx",
            [],
            UserError,
            "--output: out.xlsx ends in '.xlsx'. Expected one of: .parquet, .csv, .jsonl.",
        ),
        (
            lambda header, rows: None,
            "new.csv",
            "new.csv",
            [],
            UserError,
            "--output: new.csv is among the files to predict. Expected another place; name another file.",
        ),
        (
            lambda header, rows: None,
            "new.csv",
            "out.csv",
            ["iland"],
            UserError,
            "--keep: no column 'iland' in new.csv. Did you mean 'island'?",
        ),
        (
            lambda header, rows: [row.pop() for row in rows],
            "new.csv",
            "out.csv",
            [],
            UserError,
            "new.csv: none of 2 records is good; they are in out.rejects.csv. The first:\nnew.csv:2: 7 fields. Expected 8, "
            "as the header has. Fix the file.",
        ),
    ],
)
def test_mistakes(
    birds: SimpleNamespace,
    ask: Callable[..., Predicted],
    mend: Callable[[list[str], list[list[str]]], None],
    path: str,
    output: str,
    keep: list[str],
    error: type[Exception],
    message: str,
) -> None:
    header, rows = list(birds.header), [list(row) for row in birds.rows[:2]]
    mend(header, rows)
    write("new.csv", header, rows)
    before = Path("new.csv").read_bytes()
    with pytest.raises(error) as raised:
        ask(path, output, keep)
    assert str(raised.value) == message.format(inputs=", ".join(sorted(birds.model.inputs)))
    assert Path("new.csv").read_bytes() == before
    assert {each.name for each in Path().iterdir()} <= {"new.csv", "out.rejects.csv"}


def test_the_champion_or_a_version(
    birds: SimpleNamespace, penguins: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    output = tmp_path / "out.csv"

    def run(*options: str) -> Any:
        arguments = ["penguins", "--input", "data/penguins/penguins.csv", "--output", str(output), *options]
        with working_in(penguins):
            return CliRunner().invoke(predict_command.command, arguments)

    def register(digest: str, compared_with: str | None, *, promote: bool) -> None:
        folder = tmp_path / digest / "model"
        shutil.copytree(birds.job.artifact("model"), folder)
        register_candidate(store, Candidate("penguins", "penguins", folder, digest, promote, "why", {}, compared_with, ""))

    assert str(run().exception).startswith("model 'penguins' has no champion in ")
    register("d1", None, promote=True)
    register("d2", "d1", promote=False)
    for options, version in (((), 1), (("--version", "2"), 2)):
        done = run(*options)
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f"penguins, version {version}: 344 records, 344 predictions in {output}, 0 rejects in ")
        assert pd.read_csv(output)["model_version"].unique().tolist() == [version]
    done = run("--explain", "--beam")
    assert done.exit_code == 0, done.output
    explained = pd.read_csv(output)
    assert explained["explained"].tolist() == explained["label"].tolist()
    assert explained["model_version"].unique().tolist() == [1]
    failed = run("--version", "3").exception
    assert isinstance(failed, UserError)
    assert str(failed) == f"model 'penguins': version 3 does not exist in {store.shown}. Expected one of: 1, 2."

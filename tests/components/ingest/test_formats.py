"""The same tables in every format give the same examples, and bad records are told alike."""

import csv
import gzip
import hashlib
import json
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import ParamsError, RecordError, UserError
from components.ingest.ingest import ingest
from components.params.models import DataParams

ROOT = Path(__file__).parents[3]
FORMATS = ["jsonl", "parquet", "npz"]
SET_ASIDE = "set data.on_bad_record: quarantine to set such rows aside."
TAXI = {
    "derive": {"big_tipper": "tips > 0.2 * fare"},
    "rename": {"trip_start_month": "month"},
    "drop": ["tips"],
    "label": "big_tipper",
    "split": {"by": "time", "column": "trip_start_timestamp", "eval_from": 1_400_000_000, "test_from": 1_440_000_000},
}
PENGUINS = {
    "derive": {"part": "if(year == 2007, 'train', if(year == 2008, 'eval', 'test'))", "heavy": "body_mass_g > 4000"},
    "label": "species",
    "split": {"by": "column", "column": "part"},
}


def run(folder, params, schema=None, out="out"):
    return ingest(DataParams.model_validate(params), schema, folder / out / "examples", folder / out / "report")


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.tfrecord"))
    }


def write(frame, extension, name="x"):
    """The table in a file of this format; what is missing is null, and NaN in arrays."""
    path = Path(f"{name}.{extension}")
    if extension == "jsonl":
        with path.open("w", encoding="utf-8") as file:
            for record in frame.to_dict("records"):
                file.write(json.dumps({name: None if pd.isna(value) else value for name, value in record.items()}) + "\n")
    elif extension == "parquet":
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, row_group_size=1000)
    elif extension == "npz":
        arrays = {name: frame[name].to_numpy() for name in frame.columns}
        is_number = {name: array.dtype.kind in "biuf" for name, array in arrays.items()}
        arrays = {name: array if is_number[name] else array.astype(str) for name, array in arrays.items()}
        np.savez_compressed(path, **arrays)
    return str(path)


def reviewed(report):
    """The schema that says what the CSV was inferred to be."""
    types = {"integer": schema_pb2.INT, "number": schema_pb2.FLOAT, "string": schema_pb2.BYTES}
    features = [schema_pb2.Feature(name=name, type=types[kind]) for name, kind in report["columns"].items()]
    return schema_pb2.Schema(feature=features)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize(
    ("sample", "params", "without"),
    [("taxi/trips.csv", TAXI, ["company"]), ("penguins/penguins.csv", PENGUINS, ["sex"])],
    ids=["taxi", "penguins"],
)
def test_the_same_table_gives_the_same_examples(folder, sample, params, without, extension):
    frame = pd.read_csv(ROOT / "data" / sample)
    if extension == "npz":  # whose strings are never missing
        frame = frame.drop(columns=without)
    frame.to_csv("x.csv", index=False)
    expected = run(folder, {**params, "path": "x.csv"}, out="csv")
    schema = reviewed(expected)  # pandas has made numbers of integers, where some are missing
    found = run(folder, {**params, "path": write(frame, extension), "format": extension}, schema)
    for key in ("num_records_in", "num_examples", "num_rejects", "by_rule", "columns", "num_values", "empty_columns"):
        assert found[key] == expected[key]
    assert digests(folder / "out") == digests(folder / "csv")
    run(folder, {**params, "path": f"x.{extension}", "format": extension}, schema, out="again")
    assert digests(folder / "again") == digests(folder / "csv")


def test_jsonl_needs_no_schema_to_be_read_as_its_csv(folder):
    with (ROOT / "data/penguins/penguins.csv").open(newline="") as file:
        rows = [{name: value for name, value in row.items() if value != "NA"} for row in csv.DictReader(file)]
    texts = {"species", "island", "sex"}
    records = [
        [
            f"{json.dumps(name)}: {json.dumps(value) if name in texts else value}"
            for name, value in row.items()
            if value != "NA"
        ]
        for row in rows
    ]
    lines = ["{" + ", ".join(record) + "}" for record in records]
    Path("x.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    expected = run(folder, {**PENGUINS, "path": str(ROOT / "data/penguins/penguins.csv")}, out="csv")
    found = run(folder, {**PENGUINS, "format": "jsonl", "path": "*.gz"})
    assert found["columns"] == expected["columns"]
    assert digests(folder / "out") == digests(folder / "csv")


def test_strings_hash_alike(folder):
    """Where a table has strings only, and a key is given, a record has the same split in every format."""
    users, texts = zip(*((f"user {number % 50}", str(number)) for number in range(500)), strict=True)
    frame = pd.DataFrame({"user": users, "x": texts})
    frame.to_csv("x.csv", index=False)
    params = {"label": "x", "split": {"key": ["user"]}, "cast": {"x": "string"}}
    run(folder, {**params, "path": "x.csv"}, out="csv")
    for extension in FORMATS:
        run(folder, {**params, "path": write(frame, extension), "format": extension}, out=extension)
        assert digests(folder / extension) == digests(folder / "csv")


@pytest.mark.parametrize("extension", FORMATS)
def test_a_record_keeps_its_split(folder, extension):
    """Whatever the order, the number of files, and how wide their types are."""
    names = ["fare", "trip_miles", "trip_seconds", "payment_type", "trip_start_timestamp"]
    frame = pd.read_csv(ROOT / "data/taxi/trips.csv", usecols=names)
    frame = frame.dropna().drop_duplicates().head(3000)
    frame["trip_seconds"] = frame["trip_seconds"].astype(int)
    params = {"label": "fare", "format": extension, "num_shards": 1}
    write(frame, extension, "whole")
    whole = run(folder, {**params, "path": f"whole.{extension}"}, out="whole")
    shuffled = frame.sample(frac=1.0, random_state=1)
    write(shuffled[:1000], extension, "a")
    second = shuffled[1000:]
    if extension == "parquet":
        second = second.astype({"trip_seconds": float, "fare": "float64"})
    write(second, extension, "b")
    parts = run(folder, {**params, "path": f"[ab].{extension}"}, reviewed(whole), out="parts")
    assert parts["num_examples"] == whole["num_examples"]
    assert min(parts["num_examples"].values()) > 300
    for split in ("train", "eval", "test"):
        assert records(folder, split, "parts") == records(folder, split, "whole")


def records(folder, split, out):
    """The framed examples of a split, counted."""
    found = Counter()
    for path in sorted((folder / out / "examples" / f"Split-{split}").iterdir()):
        content, offset = path.read_bytes(), 0
        while offset < len(content):
            length = int.from_bytes(content[offset : offset + 8], "little")
            found[content[offset + 12 : offset + 12 + length]] += 1
            offset += length + 16
    return found


def test_a_new_key_moves_no_record_that_lacks_it(folder):
    lines = [json.dumps({"x": number, "y": f"text {number}"}) for number in range(1000)]
    random.Random(1).shuffle(lines)  # noqa: S311
    Path("a.jsonl").write_text("\n".join(lines))
    params = {"label": "x", "format": "jsonl"}
    before = run(folder, {**params, "path": "a.jsonl"}, out="before")
    Path("b.jsonl").write_text('{"a": 1, "x": 5000}\n{"x": 5001, "z": null}\n')
    after = run(folder, {**params, "path": "[ab].jsonl"}, out="after")
    assert after["columns"] == {"a": "integer", "x": "integer", "y": "string"}
    assert after["empty_columns"] == ["z"]
    assert sum(after["num_examples"].values()) == sum(before["num_examples"].values()) + 2
    for split in ("train", "eval", "test"):
        assert records(folder, split, "before") <= records(folder, split, "after")


def test_records_of_which_nothing_is_present(folder):
    lines = [f'{{"x": {number}}}' for number in range(100)]
    Path("x.jsonl").write_text("\n".join(["{}", *lines, '{"x": null}']))
    report = run(folder, {"path": "x.jsonl", "format": "jsonl", "label": "x", "on_bad_record": "quarantine"})
    assert (report["num_records_in"], report["num_rejects"], report["by_rule"]) == (102, 2, {"label": 2})
    assert sum(report["num_examples"].values()) == 100


# --- types


def test_columns_without_a_type_take_any(folder):
    """As pandas writes a column that is wholly missing."""
    pq.write_table(pa.table({"x": list(range(100)), "a": pa.nulls(100), "b": pa.nulls(100), "c": pa.nulls(100)}), "x.parquet")
    features = {"a": schema_pb2.FLOAT, "b": schema_pb2.BYTES, "x": schema_pb2.BYTES}
    schema = schema_pb2.Schema(feature=[schema_pb2.Feature(name=name, type=kind) for name, kind in features.items()])
    report = run(folder, {"path": "x.parquet", "format": "parquet", "label": "x"}, schema)
    assert report["columns"] == {"a": "number", "b": "string", "x": "string"}
    assert report["empty_columns"] == ["a", "b", "c"]


@pytest.mark.parametrize("extension", FORMATS)
def test_a_split_column_may_be_a_number(folder, extension):
    write(pd.DataFrame({"x": [1.5, 2.5, 3.5], "fold": [0, 1, 2]}), extension)
    split = {"by": "column", "column": "fold", "train": ["0"], "eval": ["1"], "test": ["2"]}
    report = run(folder, {"path": f"x.{extension}", "format": extension, "label": "x", "split": split})
    assert report["num_examples"] == {"train": 1, "eval": 1, "test": 1}
    assert report["columns"] == {"x": "number"}


def test_files_of_unlike_types(folder):
    """What one file has as integers and another as strings is a string, as in a CSV."""
    write(pd.DataFrame({"x": [1, 2], "t": [1, 2]}), "parquet", "a")
    write(pd.DataFrame({"x": ["three"], "t": [3.0]}), "parquet", "b")
    split = {"by": "time", "column": "t", "eval_from": 2, "test_from": 3}
    report = run(folder, {"path": "*.parquet", "format": "parquet", "label": "x", "split": split})
    assert report["columns"] == {"t": "number", "x": "string"}


def test_json_types(folder):
    Path("x.jsonl").write_text(
        '{"s": "12", "b": true, "i": 1, "n": 1, "m": 1, "e": null, "part": "train"}\n'
        '{"s": "NA", "b": false, "i": -2, "n": 2.5, "m": "x", "part": "eval"}\n'
        '{"s": "", "b": null, "i": 3, "n": 1e3, "m": false, "part": "test"}\n'
    )
    params = {"path": "x.jsonl", "format": "jsonl", "label": "i", "split": {"by": "column", "column": "part"}}
    report = run(folder, params)
    assert report["columns"] == {"b": "integer", "i": "integer", "m": "string", "n": "number", "s": "string"}
    assert report["num_values"] == {"b": 2, "e": 0, "i": 3, "m": 3, "n": 3, "s": 3}
    run(folder, {**params, "cast": {"m": "string"}}, out="cast")
    assert digests(folder / "cast") == digests(folder / "out")
    with pytest.raises(RecordError) as error:
        run(folder, {**params, "cast": {"s": "number"}})
    assert str(error.value) == (
        "x.jsonl:2: column 's': cannot read 'NA' as a number. Expected a number with a decimal point, such as 12.45. "
        f"Fix the file, or {SET_ASIDE}"
    )


def test_dates_become_iso_8601(folder):
    times = pd.to_datetime(["2024-05-01 10:00", "2024-05-02 10:00:00.25", "2024-06-01"], format="ISO8601")
    pq.write_table(pa.table({"at": times, "x": [1, 2, 3]}), "x.parquet")
    np.savez("x.npz", at=times.to_numpy(), x=np.array([1, 2, 3]))
    Path("x.csv").write_text("at,x\n2024-05-01T10:00:00,1\n2024-05-02T10:00:00.25,2\n2024-06-01T00:00:00,3\n")
    split = {"by": "time", "column": "at", "eval_from": "2024-05-02", "test_from": "2024-06-01"}
    for extension in ("csv", "parquet", "npz"):
        params = {"path": f"x.{extension}", "format": extension, "label": "x", "split": split}
        assert run(folder, params, out=extension)["columns"] == {"at": "string", "x": "integer"}
        assert digests(folder / extension) == digests(folder / "csv")


@pytest.mark.parametrize("extension", FORMATS)
def test_nan_is_a_value_only_where_allowed(folder, extension):
    frame = pd.DataFrame({"x": [1, 2, 3], "y": [math.nan, math.inf, 0.5], "z": [math.nan, 1.0, 2.0]})
    if extension == "jsonl":
        records = ['{"x": 1, "y": NaN, "z": NaN}', '{"x": 2, "y": Infinity, "z": 1}', '{"x": 3, "y": 0.5, "z": 2}']
        Path("x.jsonl").write_text("\n".join(records))
    elif extension == "parquet":
        pq.write_table(pa.table({name: pa.array(frame[name].to_numpy()) for name in frame}), "x.parquet")
    else:
        write(frame, "npz")
    params = {
        "path": f"x.{extension}",
        "format": extension,
        "label": "x",
        "rename": {"y": "renamed"},
        "split": {"by": "time", "column": "x", "eval_from": 2, "test_from": 3},
    }
    report = run(folder, {**params, "allow_nonfinite": ["renamed"]})
    assert report["num_values"] == {"renamed": 3, "x": 3, "z": 2}
    with pytest.raises(RecordError) as error:
        run(folder, params)
    where = "x.jsonl:2" if extension == "jsonl" else f"x.{extension}, row 2"
    value = "Infinity" if extension == "jsonl" else "inf"
    assert str(error.value) == (
        f"{where}: column 'y': '{value}' is not finite. Expected a number within 32-bit floats. "
        f"Fix the file, or name the column in data.allow_nonfinite, or {SET_ASIDE}"
    )


# --- bad records


@pytest.mark.parametrize("extension", FORMATS)
def test_bad_records_are_set_aside_and_counted(folder, extension):
    frame = pd.DataFrame({"x": ["1", "2", "oops", "4", "5.5", "6"], "part": ["train", "eval", "test", "dev", "test", "test"]})
    path = write(frame, extension)
    params = {
        "path": path,
        "format": extension,
        "label": "x",
        "cast": {"x": "integer"},
        "split": {"by": "column", "column": "part"},
    }
    with pytest.raises(RecordError) as error:
        run(folder, params)
    where = f"{path}:3" if extension == "jsonl" else f"{path}, row 3"
    assert str(error.value) == (
        f"{where}: column 'x': cannot read 'oops' as an integer. Expected a whole number of at most 64 bits. "
        f"Fix the file, or {SET_ASIDE}\n… and 2 more bad records (in all: type 2, split 1)."
    )
    report = run(folder, {**params, "on_bad_record": "quarantine", "max_reject_fraction": 0.5})
    counts = {"num_records_in": 6, "num_examples": {"train": 1, "eval": 1, "test": 1}, "num_rejects": 3}
    assert report["by_file"] == {path: counts}
    assert report["by_rule"] == {"type": 2, "split": 1}
    with (folder / "out/report/rejects.csv").open(newline="") as file:
        assert list(csv.reader(file))[1:] == [
            [path, "3", "x", "oops", "type", '{"x": "oops", "part": "test"}'],
            [path, "4", "part", "dev", "split", '{"x": "4", "part": "dev"}'],
            [path, "5", "x", "5.5", "type", '{"x": "5.5", "part": "test"}'],
        ]


def test_values_that_no_integer_holds(folder):
    table = pa.table({"x": pa.array([1, 2, 2**63], pa.uint64()), "y": [1.0, 2.0, 2.5], "t": [1, 2, 3]})
    pq.write_table(table, "x.parquet")
    params = {
        "path": "x.parquet",
        "format": "parquet",
        "label": "x",
        "split": {"by": "time", "column": "t", "eval_from": 2, "test_from": 3},
    }
    for changes, column, value in (
        ({}, "x", "9223372036854775808"),
        ({"cast": {"y": "integer"}, "drop": ["x"], "label": "y"}, "y", "2.5"),
    ):
        with pytest.raises(RecordError) as error:
            run(folder, {**params, **changes})
        assert str(error.value) == (
            f"x.parquet, row 3: column '{column}': cannot read '{value}' as an integer. "
            f"Expected a whole number of at most 64 bits. Fix the file, or {SET_ASIDE}"
        )


def test_malformed_lines_obey_on_bad_record(folder):
    Path("x.jsonl").write_bytes(
        b'{"x": 1}\n\n{"x": 2\n{"x": 3}\n[1]\n{"x": {"y": 1}}\n{"x": 1, "x": 2}\n'
        b'{"x": "\xff"}\n{"x": "\\ud800"}\n{"y": 1}\n{"x": 4}'
    )
    params = {
        "path": "x.jsonl",
        "format": "jsonl",
        "label": "x",
        "split": {"by": "time", "column": "x", "eval_from": 3, "test_from": 4},
    }
    with pytest.raises(RecordError) as error:
        run(folder, params)
    assert str(error.value) == (
        "x.jsonl:3: is no JSON: Expecting ',' delimiter, at character 8. Expected one JSON object a line. Fix the file, or "
        f"{SET_ASIDE}\n… and 6 more bad records (in all: json 3, nested 1, encoding 2, label 1)."
    )
    report = run(folder, {**params, "on_bad_record": "quarantine", "max_reject_fraction": 0.7})
    assert (report["num_records_in"], report["num_examples"], report["num_rejects"]) == (
        10,
        {"train": 1, "eval": 1, "test": 1},
        7,
    )
    with (folder / "out/report/rejects.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1:] == [
            ["x.jsonl", "3", "", "", "json", '{"x": 2'],
            ["x.jsonl", "5", "", "", "json", "[1]"],
            ["x.jsonl", "6", "x", "", "nested", '{"x": {"y": 1}}'],
            ["x.jsonl", "7", "x", "", "json", '{"x": 1, "x": 2}'],
            ["x.jsonl", "8", "", "", "encoding", '{"x": "\\xff"}'],
            ["x.jsonl", "9", "x", "", "encoding", '{"x": "\\ud800"}'],
            ["x.jsonl", "10", "x", "", "label", '{"y": 1}'],
        ]


def test_files_must_have_the_same_columns(folder):
    write(pd.DataFrame({"x": [1], "y": [2]}), "parquet", "a")
    write(pd.DataFrame({"x": [1], "z": [2]}), "parquet", "b")
    with pytest.raises(UserError) as error:
        run(folder, {"path": "*.parquet", "format": "parquet", "label": "x"})
    assert str(error.value) == (
        "b.parquet: no column 'y', which a.parquet has. Expected the same columns in every file, in any order. "
        "The columns are x, z. Add the column, or remove the file."
    )


def test_a_missing_label_column(folder):
    write(pd.DataFrame({"x": [1]}), "parquet")
    with pytest.raises(ParamsError) as error:
        run(folder, {"path": "x.parquet", "format": "parquet", "label": "y"})
    assert str(error.value) == "data.label: no column 'y'. The columns are x."


# --- params


@pytest.mark.parametrize(("key", "value"), [("delimiter", ";"), ("encoding", "cp1252"), ("null_values", ["-"])])
def test_keys_of_csv_alone(key, value):
    with pytest.raises(ValidationError) as error:
        DataParams.model_validate({"path": "x.parquet", "format": "parquet", "label": "x", key: value})
    problem = error.value.errors()[0]
    assert problem["loc"] == (key,)
    owners = "CSV and text files have" if key == "encoding" else "CSV has"
    assert problem["msg"] == f"Value error, only {owners} it, and data.format is parquet; remove the key"


def test_params_go_through_json():
    data = DataParams.model_validate({"path": "x.parquet", "format": "parquet", "label": "x"})
    assert DataParams.model_validate_json(data.model_dump_json()) == data

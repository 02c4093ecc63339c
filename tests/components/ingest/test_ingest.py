"""Whole files: the three samples of the repository, and small ones with everything that can be wrong."""

import csv
import gzip
import hashlib
import json
import math
import random
from collections import Counter
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import AccountingError, ParamsError, RecordError, UserError
from components.ingest import ingest as ingest_module
from components.ingest.ingest import ingest
from components.params.models import DataParams

ROOT = Path(__file__).parents[3]
TAXI = {
    "path": "data/taxi/trips.csv",
    "derive": {"big_tipper": "tips > 0.2 * fare"},
    "drop": ["tips"],
    "label": "big_tipper",
}
SET_ASIDE = "set data.on_bad_record: quarantine to set such rows aside."


def run(folder, params, schema=None, out="out"):
    if isinstance(schema, str):
        schema = text_format.Parse(schema, schema_pb2.Schema())
    return ingest(DataParams.model_validate(params), schema, folder / out / "examples", folder / out / "report")


def records(folder, split, out="out"):
    """The examples of a split in the input's order, as dicts."""
    import tensorflow as tf

    files = sorted((folder / out / "examples" / f"Split-{split}").iterdir())
    shards = [list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator()) for file in files]
    found = []
    for index in range(sum(map(len, shards))):
        features = tf.train.Example.FromString(shards[index % len(shards)][index // len(shards)]).features.feature
        values = {name: getattr(features[name], features[name].WhichOneof("kind")).value for name in sorted(features)}
        assert all(len(value) == 1 for value in values.values())
        found.append({name: value[0].decode() if isinstance(value[0], bytes) else value[0] for name, value in values.items()})
    return found


def all_records(folder, out="out"):
    return [record for split in ("train", "eval", "test") for record in records(folder, split, out)]


def rejects(folder):
    with (folder / "out" / "report" / "rejects.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- the samples


def test_taxi(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    report = run(tmp_path, TAXI)
    counts = {"train": 10479, "eval": 2262, "test": 2261}
    integers = [
        "big_tipper",
        "dropoff_census_tract",
        "dropoff_community_area",
        "pickup_census_tract",
        "pickup_community_area",
        "trip_seconds",
        "trip_start_day",
        "trip_start_hour",
        "trip_start_month",
        "trip_start_timestamp",
    ]
    strings = ["company", "payment_type"]
    numbers = ["dropoff_latitude", "dropoff_longitude", "fare", "pickup_latitude", "pickup_longitude", "trip_miles"]
    num_values = report.pop("num_values")
    assert report == {
        "num_records_in": 15002,
        "num_examples": counts,
        "num_rejects": 0,
        "by_file": {"data/taxi/trips.csv": {"num_records_in": 15002, "num_examples": counts, "num_rejects": 0}},
        "by_rule": {},
        "columns": {
            **dict.fromkeys(integers, "integer"),
            **dict.fromkeys(strings, "string"),
            **dict.fromkeys(numbers, "number"),
        },
        "empty_columns": [],
        "label": "big_tipper",
        "data_digest": "63f174dc4276d233cef952b2196e91ffe9e2e0debcd8129636867c53a4c28d93",
    }
    assert list(report["columns"]) == sorted(report["columns"])
    assert num_values["pickup_census_tract"] == 1
    assert num_values["big_tipper"] == 15002
    assert json.loads((tmp_path / "out/report/ingest.json").read_text()) == {**report, "num_values": num_values}
    assert rejects(tmp_path) == [["file", "line", "column", "value", "rule", "record"]]
    assert [path.name for path in sorted((tmp_path / "out/examples/Split-eval").iterdir())] == [
        f"data-0000{shard}-of-00004.tfrecord" for shard in range(4)
    ]

    with (ROOT / "data/taxi/trips.csv").open(newline="") as file:
        raw = [expected_taxi(row) for row in csv.DictReader(file)]
    assert Counter(map(str, all_records(tmp_path))) == Counter(map(str, raw))


def expected_taxi(row):
    import numpy as np

    values = {}
    for name, text in sorted({**row, "big_tipper": str(int(float(row["tips"]) > 0.2 * float(row["fare"])))}.items()):
        if text and name != "tips":
            if name in ("company", "payment_type"):
                values[name] = text
            elif name in ("fare", "trip_miles") or "itude" in name:
                values[name] = float(np.float32(text))
            else:
                values[name] = int(text)
    return values


def test_the_same_input_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for out in ("one", "two"):
        run(tmp_path, TAXI, out=out)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_a_record_keeps_its_split(folder):
    lines = (ROOT / "data/taxi/trips.csv").read_text().splitlines(keepends=True)
    header, rows = lines[0], lines[1:3001]
    Path("a.csv").write_text(header + "".join(rows[:2000]))
    run(folder, {**TAXI, "path": "a.csv"}, out="before")
    random.Random(1).shuffle(rows)  # noqa: S311
    Path("a.csv").write_text(header + "".join(rows[:1700]))
    Path("b.csv").write_text(header + "".join(rows[1700:]))
    # Neither other rows, other files, another order, nor another derived column, cast or name move a record.
    changes = {"derive": {"big_tipper": "tips > 1"}, "cast": {"trip_miles": "string"}, "rename": {"company": "firm"}}
    run(folder, {**TAXI, **changes, "path": "[ab].csv"}, out="after")
    key = ("trip_start_timestamp", "fare", "trip_seconds", "payment_type")

    def splits(out):
        found = {}
        for split in ("train", "eval", "test"):
            for record in records(folder, split, out):
                found.setdefault(tuple(record.get(name) for name in key), set()).add(split)
        return found

    before, after = splits("before"), splits("after")
    assert len(before) > 1900
    assert all(before[record] <= after[record] for record in before)


def test_penguins_keep_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    report = run(
        tmp_path, {"path": "data/penguins/*.csv", "label": "species", "split": {"train": 0.6, "eval": 0.2, "test": 0.2}}
    )
    assert report["num_records_in"] == sum(report["num_examples"].values()) == 344
    assert report["columns"] == {
        "bill_depth_mm": "number",
        "bill_length_mm": "number",
        "body_mass_g": "integer",
        "flipper_length_mm": "integer",
        "island": "string",
        "sex": "string",
        "species": "string",
        "year": "integer",
    }
    assert report["num_values"] == {
        "bill_depth_mm": 342,
        "bill_length_mm": 342,
        "body_mass_g": 342,
        "flipper_length_mm": 342,
        "island": 344,
        "sex": 333,
        "species": 344,
        "year": 344,
    }
    assert Counter(record.get("sex") for record in all_records(tmp_path)) == {"male": 168, "female": 165, None: 11}


def test_mpg_with_its_schema(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    schema = """
        feature {name: 'mpg' type: FLOAT} feature {name: 'cylinders' type: BYTES} feature {name: 'weight' type: INT}
        feature {name: 'horsepower' type: FLOAT} feature {name: 'light' type: FLOAT}
    """
    params = {
        "path": "data/mpg/auto_mpg.csv",
        "label": "mpg",
        "drop": ["car_name"],
        "derive": {"light": "weight < 2000"},
        "split": {"by": "time", "column": "model_year", "eval_from": 79, "test_from": 81},
    }
    report = run(tmp_path, params, schema)
    assert report["num_examples"] == {"train": 278, "eval": 56, "test": 58}
    assert report["columns"] == {
        "acceleration": "number",
        "cylinders": "string",
        "displacement": "number",
        "horsepower": "number",
        "light": "number",
        "model_year": "integer",
        "mpg": "number",
        "origin": "integer",
        "weight": "integer",
    }
    first = records(tmp_path, "train")[0]
    assert first == {
        "acceleration": 12.0,
        "cylinders": "8",
        "displacement": 307.0,
        "horsepower": 130.0,
        "light": 0.0,
        "model_year": 70,
        "mpg": 18.0,
        "origin": 1,
        "weight": 3504,
    }
    assert {record["model_year"] for record in records(tmp_path, "eval")} == {79, 80}


# --- other ways to split


def test_split_column_is_no_feature(folder):
    Path("x.csv").write_text("x,part\n1,train\n2,dev\n3,test\n4,train\n")
    params = {"path": "x.csv", "label": "x", "split": {"by": "column", "column": "part", "eval": ["dev"]}}
    report = run(folder, params)
    assert report["columns"] == {"x": "integer"}
    assert {split: records(folder, split) for split in ("train", "eval", "test")} == {
        "train": [{"x": 1}, {"x": 4}],
        "eval": [{"x": 2}],
        "test": [{"x": 3}],
    }


def test_split_column_can_be_derived(folder):
    Path("x.csv").write_text("x\n1\n2\n3\n")
    params = {
        "path": "x.csv",
        "label": "x",
        "derive": {"part": "if(x == 1, 'train', if(x == 2, 'eval', 'test'))"},
        "split": {"by": "column", "column": "part"},
    }
    assert run(folder, params)["columns"] == {"x": "integer"}


def test_split_files(folder):
    for name, values in {"train-1": "1\n2", "train-2": "3", "dev": "4", "held out": "5.5"}.items():
        Path(f"{name}.csv").write_text(f"x\n{values}\n")
    params = {"label": "x", "split": {"by": "files", "train": "train-*.csv", "eval": "dev.csv", "test": "held out.csv"}}
    report = run(folder, params)
    assert report["columns"] == {"x": "number"}
    assert report["by_file"]["train-1.csv"] == {
        "num_records_in": 2,
        "num_examples": {"train": 2, "eval": 0, "test": 0},
        "num_rejects": 0,
    }
    assert [record["x"] for record in all_records(folder)] == [1.0, 2.0, 3.0, 4.0, 5.5]


def test_key_columns_stay_together(folder):
    rows = [f"{number % 40},{number}" for number in range(400)]
    Path("x.csv").write_text("user,x\n" + "\n".join(rows))
    for out, key in (("column", ["user"]), ("derived", ["group"])):
        run(folder, {"path": "x.csv", "label": "x", "derive": {"group": "user % 20"}, "split": {"key": key}}, out=out)
        users = {split: {record[key[0]] for record in records(folder, split, out)} for split in ("train", "eval", "test")}
        assert not users["train"] & users["eval"]
        assert not users["train"] & users["test"]
        assert not users["eval"] & users["test"]


def test_an_empty_split(folder):
    Path("x.csv").write_text("x\n1\n1\n1\n")
    with pytest.raises(UserError) as error:
        run(folder, {"path": "x.csv", "label": "x"})
    assert str(error.value) == (
        "data.split: no examples for eval and test (train 3, eval 0, test 0). Expected some in train, eval and test. "
        "Change data.split, or add data."
    )


# --- formats


@pytest.mark.parametrize(
    ("name", "content", "changes"),
    [
        ("x.csv", b'\xef\xbb\xbfname,x\r\n"a\nb",1\r\n"c ""q""",2.5\r\n\r\n\xc3\xa9,\r\n', {}),
        ("x.csv.gz", gzip.compress(b'name,x\n"a\nb",1\n"c ""q""",2.5\n\xc3\xa9,NA\n', mtime=0), {}),
        ("x.csv", 'x;name\n1;"a\nb"\n2.5;"c ""q"""\n;é\n'.encode("cp1252"), {"encoding": "cp1252", "delimiter": ";"}),
        ("x.csv", 'x\tname\n1\t"a\nb"\n 2.5\t"c ""q"""\n\té\n'.encode("utf-16"), {"encoding": "utf-16", "delimiter": "\t"}),
    ],
)
def test_spellings_of_the_same_data(folder, name, content, changes):
    Path(name).write_bytes(content)
    params = {
        "path": name,
        "label": "name",
        "derive": {"part": "if(x is missing, 'test', if(x == 1, 'train', 'eval'))"},
        "split": {"by": "column", "column": "part"},
        **changes,
    }
    report = run(folder, params)
    assert report["columns"] == {"name": "string", "x": "number"}
    assert all_records(folder) == [{"name": "a\nb", "x": 1.0}, {"name": 'c "q"', "x": 2.5}, {"name": "é"}]


def write_parts(*rows, header="x,part"):
    """A file whose rows fill all three splits, then these."""
    Path("x.csv").write_text("\n".join([header, "1,train", "2,eval", "3,test", *rows, ""]), encoding="utf-8")


PARTS = {"path": "x.csv", "label": "x", "split": {"by": "column", "column": "part"}}


def test_files_with_their_columns_in_other_orders(folder):
    write_parts()
    Path("y.csv").write_text("part,x\ntrain,4.5\n")
    run(folder, {**PARTS, "path": "*.csv"})
    assert records(folder, "train") == [{"x": 1.0}, {"x": 4.5}]


def test_types_come_from_the_whole_file(folder):
    Path("x.csv").write_text("x,part\n" + "1,train\n2,eval\n3,test\n" * 200_000 + "x,train\n")
    assert run(folder, PARTS)["columns"] == {"x": "string"}


def test_wholly_empty_columns(folder):
    write_parts("4,train,,,", header="x,part,a,b,c")
    Path("x.csv").write_text("x,part,a,b,c\n1,train,,,\n2,eval,,NA,\n3,test,,,\n")
    report = run(folder, {**PARTS, "derive": {"d": "a > 1", "e": "coalesce(a, x)"}}, "feature {name: 'b' type: FLOAT}")
    assert report["columns"] == {"b": "number", "d": "integer", "e": "integer", "x": "integer"}
    assert report["empty_columns"] == ["a", "b", "c", "d"]
    assert records(folder, "train") == [{"e": 1, "x": 1}]


def test_nan_is_a_value_only_where_allowed(folder):
    Path("x.csv").write_text("x,part,y,z\n1,train,nan,nan\n2,eval,inf,\n3,test,NaN,1.5\n")
    report = run(folder, {**PARTS, "allow_nonfinite": ["y"]})
    assert report["num_values"] == {"x": 3, "y": 3, "z": 1}
    found = all_records(folder)
    assert math.isnan(found[0].pop("y"))
    assert math.isnan(found[2].pop("y"))
    assert found == [{"x": 1}, {"x": 2, "y": math.inf}, {"x": 3, "z": 1.5}]


# --- bad records

BAD = [
    (
        {"cast": {"x": "number"}},
        "12,45",
        '"12,45",train',
        "type",
        "x.csv:5: column 'x': cannot read '12,45' as a number. Expected a number with a decimal point, such as 12.45. "
        f"Fix the file, or {SET_ASIDE}",
    ),
    (
        {"cast": {"x": "integer"}},
        "1.5",
        "1.5,train",
        "type",
        "x.csv:5: column 'x': cannot read '1.5' as an integer. Expected a whole number of at most 64 bits. "
        f"Fix the file, or {SET_ASIDE}",
    ),
    (
        {"rename": {"x": "y"}, "label": "y"},
        "",
        ",train",
        "label",
        f"x.csv:5: column 'x': the label is missing. Expected a label in every record. Fix the file, or {SET_ASIDE}",
    ),
    (
        {},
        "inf",
        "inf,train",
        "nonfinite",
        "x.csv:5: column 'x': 'inf' is not finite. Expected a number within 32-bit floats. "
        f"Fix the file, or name the column in data.allow_nonfinite, or {SET_ASIDE}",
    ),
    (
        {},
        "1e300",
        "1e300,train",
        "nonfinite",
        "x.csv:5: column 'x': '1e300' is not finite. Expected a number within 32-bit floats. "
        f"Fix the file, or name the column in data.allow_nonfinite, or {SET_ASIDE}",
    ),
    (
        {},
        None,
        "4",
        "ragged",
        f"x.csv:5: 1 fields. Expected 2, as the header has. Fix the file, or {SET_ASIDE}",
    ),
    (
        {},
        None,
        "4,train,x",
        "ragged",
        f"x.csv:5: 3 fields. Expected 2, as the header has. Fix the file, or {SET_ASIDE}",
    ),
    (
        {},
        ("part", "dev"),
        "4,dev",
        "split",
        f"x.csv:5: column 'part': 'dev' tells no split. Expected one of train, eval, test. "
        f"Fix the file or data.split, or {SET_ASIDE}",
    ),
    (
        {"split": {"by": "time", "column": "x", "eval_from": 2, "test_from": 3}, "label": "part"},
        "",
        ",train",
        "split",
        f"x.csv:5: column 'x': '' tells no split. Expected a number. Fix the file or data.split, or {SET_ASIDE}",
    ),
    (
        {"derive": {"y": "if(x == 6, 4 / 0, 1)"}, "label": "y"},
        ("y", ""),
        "6,train",
        "label",
        f"x.csv:5: column 'y': the label is missing. Expected a label in every record. Fix the file, or {SET_ASIDE}",
    ),
    (
        {"derive": {"y": "if(x == 6, 6e38, 1)"}},
        ("y", "6e+38"),
        "6,train",
        "nonfinite",
        "x.csv:5: column 'y': '6e+38' is not finite. Expected a number within 32-bit floats. "
        f"Fix the file, or name the column in data.allow_nonfinite, or {SET_ASIDE}",
    ),
]


@pytest.mark.parametrize(("changes", "value", "row", "rule", "message"), BAD)
def test_bad_records(folder, changes, value, row, rule, message):
    write_parts(row, "7,train")
    with pytest.raises(RecordError) as error:
        run(folder, {**PARTS, **changes})
    assert str(error.value) == message

    report = run(folder, {**PARTS, **changes, "on_bad_record": "quarantine", "max_reject_fraction": 0.2})
    assert (report["num_records_in"], sum(report["num_examples"].values()), report["num_rejects"]) == (5, 4, 1)
    assert report["by_rule"] == {rule: 1}
    column, value = value if isinstance(value, tuple) else ("", "") if value is None else ("x", value)
    assert rejects(folder)[1:] == [["x.csv", "5", column, value, rule, row]]


def test_wrong_encoding(folder):
    Path("x.csv").write_bytes(b"x,part\n1,train\n2,eval\n3,test\ncaf\xe9,train\n\xc3\xa9,train\n")
    with pytest.raises(RecordError) as error:
        run(folder, PARTS)
    assert str(error.value) == (
        r"x.csv:5: column 'x': 'caf\\xe9' is not valid utf-8. Expected utf-8. "
        f"Fix the file, or set data.encoding to its own, or {SET_ASIDE}"
    )
    report = run(folder, {**PARTS, "on_bad_record": "quarantine", "max_reject_fraction": 0.2})
    assert report["by_rule"] == {"encoding": 1}
    assert rejects(folder)[1:] == [["x.csv", "5", "x", r"caf\xe9", "encoding", r"caf\xe9,train"]]
    assert [record["x"] for record in records(folder, "train")] == ["1", "é"]


def test_all_bad_records_of_all_files_are_told(folder):
    write_parts('"4\n4",train', ",train", "5", "oh,train", "6,train")
    Path("y.csv").write_text("part,x\r\n\r\ntrain,7\r\nnone,\r\ntrain,8,9\r\n")
    params = {**PARTS, "path": "?.csv", "cast": {"x": "integer"}}
    with pytest.raises(RecordError) as error:
        run(folder, params)
    first = (
        "x.csv:5: column 'x': cannot read '4\\n4' as an integer. Expected a whole number of at most 64 bits. "
        f"Fix the file, or {SET_ASIDE}"
    )
    assert str(error.value) == f"{first}\n… and 5 more bad records (in all: ragged 2, type 2, label 2)."

    params |= {"on_bad_record": "quarantine", "max_reject_fraction": 0.5}
    with pytest.raises(RecordError) as error:
        run(folder, params)
    assert str(error.value) == (
        "6 of 11 records are bad (ragged 2, type 2, label 2). Expected at most the fraction 0.5, data.max_reject_fraction. "
        f"Fix the files, or raise it. The first:\n{first}"
    )

    report = run(folder, {**params, "max_reject_fraction": 0.6})
    assert rejects(folder)[1:] == [
        ["x.csv", "5", "x", "4\n4", "type", '"4\n4",train'],
        ["x.csv", "7", "x", "", "label", ",train"],
        ["x.csv", "8", "", "", "ragged", "5"],
        ["x.csv", "9", "x", "oh", "type", "oh,train"],
        ["y.csv", "4", "x", "", "label", "none,"],
        ["y.csv", "5", "", "", "ragged", "train,8,9"],
    ]
    assert report["by_file"] == {
        "x.csv": {"num_records_in": 8, "num_examples": {"train": 2, "eval": 1, "test": 1}, "num_rejects": 4},
        "y.csv": {"num_records_in": 3, "num_examples": {"train": 1, "eval": 0, "test": 0}, "num_rejects": 2},
    }
    assert records(folder, "train") == [{"x": 1}, {"x": 6}, {"x": 7}]


def test_quarantine_leaves_the_good_ones_as_they_are(folder):
    lines = (ROOT / "data/taxi/trips.csv").read_text().splitlines(keepends=True)
    Path("x.csv").write_text("".join(lines))
    good = run(folder, {**TAXI, "path": "x.csv"}, out="good")
    rng = random.Random(3)  # noqa: S311
    for _ in range(100):
        lines.insert(rng.randint(1, len(lines)), rng.choice(["1,2\n", ",oops" * 17 + "\n", ",".join(["9"] * 19) + "\n"]))
    Path("x.csv").write_text("".join(lines))
    cast = {"fare": "number", "tips": "number", **dict.fromkeys(("trip_seconds", "trip_start_day"), "integer")}
    types = {"integer": "INT", "number": "FLOAT", "string": "BYTES"}
    schema = "".join(f"feature {{name: '{name}' type: {types[kind]}}}" for name, kind in good["columns"].items())
    report = run(folder, {**TAXI, "path": "x.csv", "cast": cast, "on_bad_record": "quarantine"}, schema)
    assert (report["num_records_in"], report["num_examples"], report["num_rejects"]) == (15102, good["num_examples"], 100)
    assert digests(folder / "out" / "examples") == digests(folder / "good" / "examples")
    bad_lines = [int(row[1]) for row in rejects(folder)[1:]]
    assert bad_lines == [
        number for number, line in enumerate(lines, start=1) if line in ("1,2\n",) or "oops" in line or "9,9,9,9" in line
    ]


def test_no_records(folder):
    Path("x.csv").write_text("x,part\n")
    with pytest.raises(UserError, match=r"^data\.split: no examples for train and eval and test"):
        run(folder, PARTS)


def test_mistakes_in_params_come_before_reading(folder):
    write_parts()
    with pytest.raises(ParamsError) as error:
        run(folder, {**PARTS, "label": "y", "drop": ["pat"]})
    assert str(error.value) == (
        "data.drop: no column 'pat'. Did you mean 'part'?\ndata.label: no column 'y'. The columns are x, part."
    )


def test_lost_records_are_noticed(folder, monkeypatch):
    write_parts("4,train")
    write = ingest_module.ShardWriter.write_dealt

    def lose(self, parts, num_records):
        write(self, [parts[0][:0], *parts[1:]], num_records - 1)

    monkeypatch.setattr(ingest_module.ShardWriter, "write_dealt", lose)
    with pytest.raises(AccountingError) as error:
        run(folder, PARTS)
    assert str(error.value) == (
        "ingest: all files: 4 records in, 1 examples and 0 rejects out. Expected as many out as in. "
        "Please report it with the file."
    )

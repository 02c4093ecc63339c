"""Windows over the two series of the repository, and over ones with everything that can be wrong."""

import csv
import hashlib
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import ParamsError, RecordError, UserError
from components.ingest.ingest import ingest
from components.ingest.summary import summary
from components.ingest.windows import Series, WindowMaker
from components.params.models import DataParams, WindowParams

ROOT = Path(__file__).parents[3]
WEATHER = {
    "path": str(ROOT / "data/weather/greensboro_hourly_tmy.csv"),
    "label": "ahead",
    "derive": {"wind_x": "wind_speed_m_s * cos(radians(wind_direction_deg))"},
    "windows": {
        "time": ["date", "time"],
        "time_format": "%m/%d/%Y %H:%M",
        "step": "1h",
        "segments": "month",
        "inputs": ["temperature_c", "relative_humidity_pct", "wind_x"],
        "targets": ["temperature_c"],
        "input_width": 24,
        "label_width": 3,
        "shift": 5,
    },
    "split": {"by": "calendar"},
}
SEATTLE = {
    "path": str(ROOT / "data/weather/seattle_daily.csv"),
    "label": "ahead",
    "windows": {"time": ["date"], "step": "1d", "inputs": ["temp_max"], "targets": ["temp_max"], "input_width": 7},
    "split": {"by": "time", "column": "date", "eval_from": "2014-01-01", "test_from": "2015-01-01"},
}
SET_ASIDE = "set data.on_bad_record: quarantine to set such rows aside."


def run(folder, params, schema=None):
    return ingest(DataParams.model_validate(params), schema, folder / "examples", folder / "report")


def windows_of(folder, split):
    """The examples of a split in the input's order, as lists by feature."""
    import tensorflow as tf

    shards = [
        list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
        for file in sorted((folder / f"examples/Split-{split}").iterdir())
    ]
    found = []
    for index in range(sum(map(len, shards))):
        features = tf.train.Example.FromString(shards[index % len(shards)][index // len(shards)]).features.feature
        found.append({name: list(getattr(each, each.WhichOneof("kind")).value) for name, each in features.items()})
    return found


def rows_of(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tmy_time(row):
    """Seconds since 1970; 24:00 by hand."""
    day = datetime.strptime(row["date"], "%m/%d/%Y").replace(tzinfo=timezone.utc)
    return int((day + timedelta(hours=int(row["time"][:2]))).timestamp())


def floats(values):
    return np.array(values, np.float32).tolist()


def test_every_window_is_what_the_rows_say(tmp_path):
    report = run(tmp_path, WEATHER)
    rows = rows_of(WEATHER["path"])
    by_time = {tmy_time(row): number for number, row in enumerate(rows)}
    assert len(by_time) == len(rows) == 8760
    seen, num_windows = {}, 0
    for split in ("train", "eval", "test"):
        seen[split] = set()
        windows = windows_of(tmp_path, split)
        assert len(windows) == report["num_examples"][split]
        num_windows += len(windows)
        for window in windows:
            first = by_time[window["window_time"][0]]
            covered = rows[first : first + 29]
            times = [tmy_time(row) for row in covered]
            assert times == list(range(times[0], times[0] + 29 * 3600, 3600))
            assert {row["date"][:2] for row in covered} == {covered[0]["date"][:2]}
            ahead = covered[26:]
            assert window == {
                "temperature_c": floats([float(row["temperature_c"]) for row in covered[:24]]),
                "relative_humidity_pct": floats([float(row["relative_humidity_pct"]) for row in covered[:24]]),
                "wind_x": pytest.approx(
                    [
                        float(r["wind_speed_m_s"]) * math.cos(math.radians(float(r["wind_direction_deg"])))
                        for r in covered[:24]
                    ],
                    abs=1e-5,
                ),
                "ahead": floats([float(row["temperature_c"]) for row in ahead]),
                "window_time": times[:24],
                "window_month": [int(ahead[0]["date"][:2])],
                "window_hour": [int(ahead[0]["time"][:2]) % 24],
            }
            seen[split].update(times)
    # What a model is judged on is nowhere in what it learned from.
    assert not seen["train"] & seen["eval"] | seen["train"] & seen["test"] | seen["eval"] & seen["test"]
    # Of each month the windows that fit into its first 70%, the next 15%, and the rest; 24:00 belongs to the day before.
    # February is that of a leap year, of which the file has 28 days.
    expected = np.zeros(3, int)
    for days, of_calendar in ((31, 31), (28, 29), *((days, days) for days in (31, 30, 31, 30, 31, 31, 30, 31, 30, 31))):
        places = np.array([hour - 0.001 * (hour % 24 == 0) for hour in range(1, 24 * days + 1)]) / (24 * of_calendar)
        expected += [np.sum(places < 0.7), np.sum((places >= 0.7) & (places < 0.85)), np.sum(places >= 0.85)]
    assert list(report["num_examples"].values()) == (expected - 12 * 28).tolist()
    assert report["windows"] == {
        "num_rows": 8760,
        "num_windows": num_windows,
        "num_rows_per_window": 29,
        "skipped": {"segment": 11 * 28, "split": 24 * 28, "end": 28},
        "num_rows_used": 8760,
        "unused": {},
        "num_gaps": 0,
        "first_gaps": [],
    }
    assert summary(report).splitlines() == [
        "8,760 records in 1 file → 7,752 examples (5,807 train, 980 eval, 965 test), 0 rejects",
        "7 columns (3 integers, 4 numbers), label ahead",
        "windows of 29 rows: 8,760 of 8,760 rows used, 0 gaps",
        "rows that begin no window: segment 308, split 672, end 28",
    ]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    def digests(folder):
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()]

    run(tmp_path / "one", SEATTLE)
    run(tmp_path / "two", SEATTLE)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def with_gaps(folder):
    """The daily series without some days, and with some values missing; returns its file."""
    lines = Path(SEATTLE["path"]).read_text(encoding="utf-8").splitlines()
    for row in (100, 101, 400, 404):  # data rows, from 0
        fields = lines[1 + row].split(",")
        lines[1 + row] = ",".join([*fields[:2], "", *fields[3:]])
    for row in (1000, 300, 290, 50):
        del lines[1 + row]
    file = folder / "gaps.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("stride", [1, 5, 20])
def test_no_window_crosses_a_gap_or_lacks_a_value(tmp_path, stride):
    file = with_gaps(tmp_path)
    windows = {**SEATTLE["windows"], "label_width": 2, "shift": 3, "stride": stride}
    report = run(tmp_path, {**SEATTLE, "path": str(file), "windows": windows})
    rows = rows_of(file)
    days = [datetime.fromisoformat(row["date"]).toordinal() for row in rows]
    splits = [(row["date"] >= "2014") + (row["date"] >= "2015") for row in rows]
    skipped, used, near, expected, run_start = {}, set(), set(), [], 0
    for first in range(len(rows)):
        covered = range(first, min(first + 10, len(rows)))
        if first and (days[first] != days[first - 1] + 1 or splits[first] != splits[first - 1]):
            run_start = first
        needed = [*covered[:7], *covered[8:]]
        if any(days[b] != days[b - 1] + 1 for b in covered[1:]):
            reason = "gap"
        elif len({splits[row] for row in covered}) > 1:
            reason = "split"
        elif any(not rows[row]["temp_max"] for row in needed):
            reason = "missing"
        elif len(covered) < 10:
            reason = "end"
        else:
            near.update(covered)
            if (first - run_start) % stride:
                reason = "stride"
            else:
                expected.append((splits[first], rows[first]["date"]))
                used.update(covered)
                continue
        skipped[reason] = skipped.get(reason, 0) + 1
    unused = {"missing": 0, "stride": 0, "short": 0}
    for row in set(range(len(rows))) - used:
        unused["stride" if row in near else "short" if rows[row]["temp_max"] else "missing"] += 1
    found = [
        (index, datetime.fromtimestamp(window["window_time"][0], tz=timezone.utc).date().isoformat())
        for index, split in enumerate(("train", "eval", "test"))
        for window in windows_of(tmp_path, split)
    ]
    assert found == expected
    assert report["windows"] == {
        "num_rows": 1457,
        "num_windows": len(expected),
        "num_rows_per_window": 10,
        "skipped": skipped,
        "num_rows_used": len(used),
        "unused": {reason: count for reason, count in unused.items() if count},
        "num_gaps": 4,
        "first_gaps": [
            ["2012-02-19T00:00:00", "2012-02-21T00:00:00"],
            ["2012-10-16T00:00:00", "2012-10-18T00:00:00"],
            ["2012-10-26T00:00:00", "2012-10-28T00:00:00"],
            ["2014-09-26T00:00:00", "2014-09-28T00:00:00"],
        ],
    }
    assert report["num_records_in"] == 1457


@pytest.mark.parametrize("size", [1, 7, 60])
def test_blocks_make_no_difference(size):
    params = WindowParams.model_validate({**SEATTLE["windows"], "segments": "month", "stride": 3, "input_width": 5})
    random = np.random.default_rng(1)
    times = np.datetime64("2012-01-01", "ms") + np.cumsum(random.choice([1, 1, 1, 1, 1, 2], 300)) * np.timedelta64(1, "D")
    values = random.normal(size=(300, 1)).astype(np.float32)
    values[random.choice(300, 12)] = np.nan
    splits = (np.arange(300) // 100).astype(np.int8)

    def cut(size):
        maker = WindowMaker(params, "ahead")
        chunks = []
        for start in range(0, 300, size):
            part = slice(start, start + size)
            chunks += maker.add(Series(times[part], times[part], splits[part], values[part]))
        maker.end()
        names = sorted(chunks[0].features)
        columns = {name: [each for chunk in chunks for each in chunk.features[name].to_pylist()] for name in names}
        return columns, [split for chunk in chunks for split in chunk.splits.tolist()], maker.account()

    assert cut(size) == cut(300)


def test_windows_go_on_from_file_to_file(tmp_path):
    header, *lines = Path(SEATTLE["path"]).read_text(encoding="utf-8").splitlines()
    for name, part in (("a", lines[:500]), ("b", lines[500:])):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *part]) + "\n", encoding="utf-8")
    parts = run(tmp_path, {**SEATTLE, "path": str(tmp_path / "*.csv")})
    assert parts["windows"] == run(tmp_path / "whole", SEATTLE)["windows"]
    assert [counts["num_examples"]["train"] for counts in parts["by_file"].values()] == [493, 231]


def test_ready_split_files_are_series_of_their_own(tmp_path):
    header, *lines = Path(SEATTLE["path"]).read_text(encoding="utf-8").splitlines()
    # The test file comes before the others in time.
    for name, part in (("test", lines[:100]), ("train", lines[100:300]), ("eval", lines[300:420])):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *part]) + "\n", encoding="utf-8")
    files = {split: str(tmp_path / f"{split}.csv") for split in ("train", "eval", "test")}
    report = run(tmp_path, {"label": "ahead", "windows": SEATTLE["windows"], "split": {"by": "files", **files}})
    assert report["num_examples"] == {"train": 193, "eval": 113, "test": 93}
    assert report["windows"]["skipped"] == {"end": 21}


def test_the_reviewed_schema_says_what_columns_are(tmp_path):
    schema = text_format.Parse(
        'feature { name: "temp_max" type: FLOAT } feature { name: "ahead" type: FLOAT }', schema_pb2.Schema()
    )
    assert run(tmp_path, SEATTLE, schema)["columns"] == {
        "ahead": "number",
        "temp_max": "number",
        "window_hour": "integer",
        "window_month": "integer",
        "window_time": "integer",
    }


def edited(folder, *changes):
    text = Path(SEATTLE["path"]).read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    file = folder / "edited.csv"
    file.write_text(text, encoding="utf-8")
    return {**SEATTLE, "path": str(file)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "2012-01-05,",
            "2012-01-04,",
            "{file}:6: column 'date': the time '2012-01-04' is not later than that of a row before. Expected each time once, "
            "in order. Fix the file, or " + SET_ASIDE,
        ),
        (
            "2012-01-05,",
            "5 January,",
            "{file}:6: column 'date': cannot read '5 January' as a time. Expected an ISO 8601 date or time. Fix "
            "data.windows, or " + SET_ASIDE,
        ),
        (
            "2012-01-05,1.3,8.9",
            "2012-01-05,1.3,inf",
            "{file}:6: column 'temp_max': 'inf' is not finite. Expected a number within 32-bit floats. Fix the file, "
            "or " + SET_ASIDE,
        ),
    ],
)
def test_a_row_that_cannot_be_placed_is_told_or_set_aside(tmp_path, old, new, message):
    params = edited(tmp_path, (old, new))
    with pytest.raises(RecordError) as raised:
        run(tmp_path, params)
    assert str(raised.value) == message.format(file=params["path"])
    report = run(tmp_path / "aside", {**params, "on_bad_record": "quarantine"})
    assert (report["num_records_in"], report["num_rejects"], report["windows"]["num_rows"]) == (1461, 1, 1460)
    assert report["windows"]["first_gaps"] == [["2012-01-04T00:00:00", "2012-01-06T00:00:00"]]


def test_no_window_at_all(tmp_path):
    with pytest.raises(UserError) as raised:
        run(tmp_path, {**SEATTLE, "windows": {**SEATTLE["windows"], "step": "1h"}})
    assert str(raised.value) == (
        "data.windows: not one window of 8 rows, 3,600 s apart, in 1,461 rows (none begins at: gap 1,460, end 1). Most often, "
        "from row to row, time goes on by 86400 s (1,460 times). Expected some. Change step, input_width, shift or "
        "data.split, or add data."
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": ["temp"]}, "data.windows.inputs: no column 'temp'. Did you mean 'temp_min'?"),
        (
            {"inputs": ["temp_max", "weather"]},
            "data.windows.inputs: column 'weather' is of the kind string. Expected numbers. Name another column, or cast it.",
        ),
        ({"time": ["dates"]}, "data.windows.time: no column 'dates'. Did you mean 'date'?"),
    ],
)
def test_columns_that_do_not_suit(tmp_path, changes, message):
    with pytest.raises(ParamsError) as raised:
        run(tmp_path, {**SEATTLE, "windows": {**SEATTLE["windows"], **changes}})
    assert str(raised.value) == message


BAD_PARAMS = [
    (
        {"split": {"by": "hash"}},
        "split: by the hash of each row no two rows would stand together in a split, and so no window; split by: "
        "calendar or by: time, or give the key of whole stretches",
    ),
    ({"label": "temp_max"}, "label: expected a name for what windows forecast, other than its columns', as temperature_ahead"),
    ({"label": None}, "label: expected a name for what windows forecast, other than its columns', as temperature_ahead"),
    ({"drop": ["wind"]}, "drop: windows take the columns that they name, and numbers alone; remove the key"),
    ({"format": "npz"}, "windows: only tables have them, and data.format is npz; remove the key"),
    (
        {"windows": None, "split": {"by": "calendar"}},
        "split: only windows are split by: calendar; give data.windows, or split by: time",
    ),
    (
        {"windows": {**SEATTLE["windows"], "label_width": 7, "shift": 3}},
        "expected at least label_width, 7, so that nothing to forecast is seen, got 3",
    ),
    ({"windows": {**SEATTLE["windows"], "inputs": ["wind", "wind"]}}, "expected different columns, got wind, wind"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_PARAMS)
def test_params_that_do_not_suit_each_other(changes, message):
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as raised:
        DataParams.model_validate({**SEATTLE, **changes})
    (error,) = raised.value.errors()
    assert str(error["ctx"]["error"]) == message


def test_a_split_by_the_year():
    from components.ingest.split import split_by_calendar
    from components.params.models import CalendarSplit

    split = CalendarSplit(by="calendar", period="year", train=0.5, eval=0.25, test=0.25)
    places = np.array(["2013-01-01", "2013-07-02", "2013-07-03", "2013-10-01", "2013-10-02", "NaT"], "datetime64[ms]")
    assert split_by_calendar(places, split).tolist() == [0, 0, 1, 1, 2, -1]


@pytest.mark.parametrize("name", ["weather", "seattle"])
def test_the_reviewed_schemas_have_the_shapes_that_are_cut(name):
    from ruamel.yaml import YAML

    params = YAML(typ="safe", pure=True).load((ROOT / f"pipelines/{name}/params.yaml").read_text(encoding="utf-8"))
    schema = text_format.Parse((ROOT / f"schemas/{name}.pbtxt").read_text(encoding="utf-8"), schema_pb2.Schema())
    shapes = {each.name: [dim.size for dim in each.shape.dim] for each in schema.feature if each.HasField("shape")}
    assert shapes == DataParams.model_validate(params["data"]).window_shapes

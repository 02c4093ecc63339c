"""Spans: found and ordered by their names, read once, and the same to the byte as an ingest of all from the beginning."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import progress
from components.errors import AccountingError, ParamsError, RecordError, UserError
from components.ingest import csv_source, sources, spanned
from components.ingest.check import check, describe
from components.ingest.image_batch import Task
from components.ingest.image_pool import ImagePool
from components.ingest.ingest import ingest
from components.ingest.spans import find_spans
from components.ingest.summary import summary
from components.new.place import Place, find_place
from components.params.models import DataParams
from components.predict.feed import Feed
from tests.components.ingest.image_files import png

ROOT = Path(__file__).parents[3]
LINES = (ROOT / "data" / "taxi" / "trips.csv").read_text(encoding="utf-8").splitlines(keepends=True)
TAXI = {
    "path": "data/taxi/{span}/*.csv",
    "derive": {"big_tipper": "tips > 0.2 * fare"},
    "drop": ["tips"],
    "label": "big_tipper",
    "num_shards": 2,
}
MONTHS = [f"2024-{month:02d}" for month in range(1, 13)]


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What is told while the test runs."""
    lines: list[str] = []
    with progress.hearing(lines.append):
        yield lines


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The CSV files whose content was parsed, whether by Arrow or by Python."""
    files: list[str] = []
    open_arrow, records = csv_source.CsvSource._open_arrow, csv_source.CsvSource._records

    def note(method: Any) -> Any:
        def noted(self: csv_source.CsvSource, *args: Any, **options: Any) -> Any:
            if self.path.as_posix() not in files:
                files.append(self.path.as_posix())
            return method(self, *args, **options)

        return noted

    monkeypatch.setattr(csv_source.CsvSource, "_open_arrow", note(open_arrow))
    monkeypatch.setattr(csv_source.CsvSource, "_records", note(records))
    return files


def trips(month: str, number: int = 150) -> list[str]:
    """Rows of real trips; other ones for each month, those of one month sharing no row with those of another."""
    return LINES[1 + MONTHS.index(month) :: len(MONTHS)][:number]


def put(month: str, rows: Sequence[str] | None = None, header: str = LINES[0], file: str = "trips.csv") -> None:
    """Has the span hold these rows."""
    path = Path("data/taxi", month, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(trips(month) if rows is None else rows), encoding="utf-8")


def run(out: str, state: str | None = "state", **params: Any) -> dict[str, Any]:
    """Ingests to a fresh folder; returns the report."""
    shutil.rmtree(out, ignore_errors=True)
    data = DataParams.model_validate({**TAXI, **params})
    return ingest(data, None, Path(out, "examples"), Path(out, "report"), None if state is None else Path(state))


def files(folder: str) -> dict[str, bytes]:
    """Every file with its content, but for the one key of ingest.json that tells what was read anew."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    report = json.loads(found["report/ingest.json"])
    del report["spans"]["ingested"]
    return {**found, "report/ingest.json": json.dumps(report).encode()}


def assert_as_from_scratch(out: str, **params: Any) -> None:
    run("scratch", None, **params)
    assert files(out) == files("scratch")


def splits(out: str) -> dict[bytes, str]:
    """Serialized example → its split."""
    from components.examples_table import read_serialized

    return {
        record: split
        for split in ("train", "eval", "test")
        for batch in read_serialized(Path(out, "examples"), split)
        for record in batch
    }


# --- one more span


def test_a_new_span_is_read_alone_and_the_rest_is_as_from_scratch(folder: Path, parsed: list[str], told: list[str]) -> None:
    for month in MONTHS[:-1]:
        put(month)
    first = run("out")
    assert first["spans"] == {"found": MONTHS[:-1], "used": MONTHS[:-1], "ingested": MONTHS[:-1]}
    before = splits("out")
    assert len(parsed) == 11

    parsed.clear()
    put("2024-12")
    report = run("out")
    assert parsed == ["data/taxi/2024-12/trips.csv"]
    assert report["spans"] == {"found": MONTHS, "used": MONTHS, "ingested": ["2024-12"]}
    assert report["num_records_in"] == sum(counts["num_records_in"] for counts in report["by_span"].values()) == 12 * 150
    assert report["by_span"]["2024-12"] == report["by_file"]["data/taxi/2024-12/trips.csv"]
    assert told == []
    assert summary(report).splitlines()[2] == (
        "spans: 12 (2024-01, 2024-02, … 2024-12); read anew: 2024-12; taken as they were: 11"
    )
    # Taken, not written again: the examples are the files that were kept.
    kept = Path("state").glob("2024-03-*/read/examples/Split-train/data-span-2024-03-0000*-of-00002.tfrecord")
    assert [path.samefile(Path("out/examples/Split-train", path.name)) for path in kept] == [True, True]
    assert_as_from_scratch("out")

    after = splits("out")
    assert len(before) == 11 * 150
    assert {record: after[record] for record in before} == before  # no record moved

    parsed.clear()
    assert run("out")["spans"]["ingested"] == []
    assert parsed == []


def test_spans_change_nothing_of_what_is_read(folder: Path) -> None:
    for month in MONTHS[:3]:
        put(month)
    with_spans = run("out")
    without = run("plain", path="data/taxi/*/*.csv")
    assert splits("out") == splits("plain")
    assert {key: with_spans[key] for key in without} == without  # the digest of the data among them
    assert set(with_spans) - set(without) == {"spans", "by_span"}


def test_the_window_rolls(folder: Path, parsed: list[str]) -> None:
    for month in MONTHS[:5]:
        put(month)
    assert run("out", last_spans=2)["spans"] == {
        "found": MONTHS[:5],
        "used": ["2024-04", "2024-05"],
        "ingested": ["2024-04", "2024-05"],
    }
    put("2024-06")
    parsed.clear()
    report = run("out", last_spans=2)
    assert report["spans"]["used"] == ["2024-05", "2024-06"]
    assert parsed == ["data/taxi/2024-06/trips.csv"]
    assert list(report["by_span"]) == ["2024-05", "2024-06"]
    assert summary(report).splitlines()[2] == "spans: 2 of 6 (2024-05, 2024-06); read anew: 2024-06; taken as they were: 1"
    assert_as_from_scratch("out", last_spans=2)
    # What left the window is still there, and so is what is kept of it.
    assert run("out", last_spans=3)["spans"]["ingested"] == []
    assert run("out", last_spans=100)["spans"]["ingested"] == MONTHS[:3]


def test_a_span_that_changes_or_goes_is_noticed(folder: Path, parsed: list[str], told: list[str]) -> None:
    for month in MONTHS[:4]:
        put(month)
    run("out")
    put("2024-02", trips("2024-02")[:100])
    put("2024-03", trips("2024-12"), file="late.csv")
    parsed.clear()
    report = run("out")
    assert report["spans"]["ingested"] == ["2024-02", "2024-03"]
    assert parsed == ["data/taxi/2024-02/trips.csv", "data/taxi/2024-03/late.csv", "data/taxi/2024-03/trips.csv"]
    assert told == ["span 2024-02 is read anew: its files changed", "span 2024-03 is read anew: its files changed"]
    assert_as_from_scratch("out")
    assert len(list(Path("state").iterdir())) == 4  # what was kept of their former files is gone

    shutil.rmtree("data/taxi/2024-01")
    report = run("out")
    assert report["spans"] == {"found": MONTHS[1:4], "used": MONTHS[1:4], "ingested": []}
    assert_as_from_scratch("out")
    assert not list(Path("state").glob("2024-01-*"))


def test_the_order_is_that_of_numbers(folder: Path) -> None:
    for number in (9, 10, 100):
        put("2024-01", trips(MONTHS[number % 12]), file=f"{number}.csv")
    report = run("out", path="data/taxi/2024-01/{span}.csv")
    assert report["spans"]["used"] == ["9", "10", "100"]
    assert list(report["by_file"]) == [f"data/taxi/2024-01/{number}.csv" for number in (9, 10, 100)]


# --- what all spans decide together


def test_kinds_are_decided_by_all_spans(folder: Path, parsed: list[str], told: list[str]) -> None:
    def numbers(month: str, cell: str) -> None:
        put(month, [f"{number}{cell},{number % 2}\n" for number in range(10, 60)], "x,y\n")

    params = {"derive": {}, "drop": [], "label": "y"}
    numbers("2024-01", "")
    numbers("2024-02", "")
    assert run("out", **params)["columns"] == {"x": "integer", "y": "integer"}
    numbers("2024-03", ".5")
    report = run("out", **params)
    assert report["columns"] == {"x": "number", "y": "integer"}
    assert report["spans"]["ingested"] == MONTHS[:3]
    why = "is read anew: column 'x' is of the kind number now, for all spans together, and was of the kind integer"
    assert told == [f"span 2024-01 {why}", f"span 2024-02 {why}"]
    assert_as_from_scratch("out", **params)

    shutil.rmtree("data/taxi/2024-03")
    assert run("out", **params)["columns"] == {"x": "integer", "y": "integer"}
    assert_as_from_scratch("out", **params)


def test_a_new_key_of_json_lines(folder: Path, told: list[str]) -> None:
    def write(span: int, **more: int) -> None:
        lines = [json.dumps({"x": 100 * span + number, "y": number % 2, **more}) for number in range(40)]
        Path(f"{span}.jsonl").write_text("\n".join(lines))

    params = {"format": "jsonl", "path": "{span}.jsonl", "derive": {}, "drop": [], "label": "y"}
    write(1)
    run("out", **params)
    Path("2.jsonl").touch()  # a day without a record
    assert run("out", **params)["by_span"]["2"]["num_records_in"] == 0
    assert told == []
    write(3, z=7)
    assert run("out", **params)["columns"] == {"x": "integer", "y": "integer", "z": "integer"}
    assert told == ["span 1 is read anew: column 'z' is new", "span 2 is read anew: column 'z' is new"]
    assert_as_from_scratch("out", **params)


def test_a_renamed_column_is_located_and_costs_nothing(folder: Path, parsed: list[str]) -> None:
    put("2024-01")
    run("out")
    put("2024-02", header=LINES[0].replace("fare", "fares"))
    with pytest.raises(UserError) as raised:
        run("out")
    assert str(raised.value) == (
        "data/taxi/2024-02/trips.csv:1: no column 'fare', which data/taxi/2024-01/trips.csv has. Expected the same columns in "
        "every file, in any order. Did you mean 'fares'? Mend the header, or remove the file."
    )
    put("2024-02")
    parsed.clear()
    assert run("out")["spans"]["ingested"] == ["2024-02"]
    assert parsed == ["data/taxi/2024-02/trips.csv"]


def test_bad_records_count_over_all_spans(folder: Path, parsed: list[str]) -> None:
    def with_bad(month: str, number: int) -> None:
        rows = trips(month)
        put(month, [row.rstrip("\n") + ",more\n" if index < number else row for index, row in enumerate(rows)])

    put("2024-01")
    with_bad("2024-02", 20)
    lax = {"on_bad_record": "quarantine", "max_reject_fraction": 0.05}
    with pytest.raises(RecordError) as raised:
        run("out", **lax)
    message = (
        "data/taxi/2024-02/trips.csv:2: ragged: 19 fields. Expected 18, as the header has. Fix the file, or set "
        "data.on_bad_record: quarantine to set such rows aside."
    ).replace("ragged: ", "")
    assert str(raised.value) == (
        "20 of 300 records are bad (ragged 20). Expected at most the fraction 0.05, data.max_reject_fraction. Fix the files, "
        f"or raise it. The first:\n{message}"
    )
    parsed.clear()
    with_bad("2024-03", 1)
    put("2024-04")
    report = run("out", **lax)  # 21 of 600: what was refused was kept all the same
    assert parsed == ["data/taxi/2024-03/trips.csv", "data/taxi/2024-04/trips.csv"]
    assert {span: counts["num_rejects"] for span, counts in report["by_span"].items()} == {
        "2024-01": 0,
        "2024-02": 20,
        "2024-03": 1,
        "2024-04": 0,
    }
    with Path("out/report/rejects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["data/taxi/2024-02/trips.csv"] * 20 + ["data/taxi/2024-03/trips.csv"]
    assert_as_from_scratch("out", **lax)
    with pytest.raises(RecordError) as raised:
        run("strict")
    assert str(raised.value) == f"{message}\n… and 20 more bad records (in all: ragged 21)."


# --- images


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The image files that were decoded."""
    names: list[str] = []
    submit = ImagePool.submit

    def noted(self: ImagePool, task: Task) -> Any:
        names.extend(task.paths)
        return submit(self, task)

    monkeypatch.setattr(ImagePool, "submit", noted)
    return names


def put_images(span: int, seeds: Sequence[int]) -> None:
    for number, seed in enumerate(seeds):
        path = Path(f"pets/{span}/{'cat' if number % 2 else 'dog'}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(seed))


IMAGES = {"format": "images", "path": "pets/{span}", "label": "label", "derive": {}, "drop": []}


def test_copies_of_images_are_counted_over_all_spans(folder: Path, decoded: list[str], told: list[str]) -> None:
    put_images(1, range(40))
    put_images(2, [100, 3, 101, 5, *range(200, 230)])
    run("out", **IMAGES)
    put_images(3, [3, 102, 3, *range(300, 330)])
    decoded.clear()
    report = run("out", **IMAGES)
    assert {Path(name).parts[1] for name in decoded} == {"3"}
    assert report["spans"]["ingested"] == ["3"]
    assert report["images"]["num_copies"] == 4  # 3 and 5 in span 2, 3 twice in span 3
    assert_as_from_scratch("out", **IMAGES)

    # Without span 1 the images of span 2 are copies of none; span 3 has one copy less of each.
    report = run("out", last_spans=2, **IMAGES)
    assert report["spans"]["ingested"] == ["2", "3"]
    why = "is read anew: images of earlier spans are other ones now"
    assert told == [f"span 2 {why}", f"span 3 {why}"]
    assert_as_from_scratch("out", last_spans=2, **IMAGES)


def test_a_window_rolls_over_images_that_nothing_asks_for_copies_of(folder: Path, decoded: list[str]) -> None:
    params = {**IMAGES, "drop": ["image_copies"]}
    put_images(1, range(40))
    put_images(2, [100, 3, *range(200, 240)])
    run("out", **params)
    assert run("out", last_spans=1, **params)["spans"]["ingested"] == []
    assert_as_from_scratch("out", last_spans=1, **params)


def test_a_rejected_copy_names_the_image_of_a_span_that_was_taken(folder: Path, decoded: list[str]) -> None:
    params = {**IMAGES, "images": {"image": {"duplicates": "reject"}}, "on_bad_record": "quarantine"}
    put_images(1, range(40))
    Path("pets/1/dog/aaa.png").write_bytes(b"no image")
    run("out", **params)
    put_images(2, [100, 3, *range(200, 240)])
    Path("pets/2/cat/zzz.png").write_bytes(b"no image either")
    decoded.clear()
    report = run("out", **params)
    assert {Path(name).parts[1] for name in decoded} == {"2"}
    assert report["by_rule"] == {"image": 2, "duplicate": 1}
    with Path("out/report/rejects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["value"], row["rule"]) for row in rows] == [
        ("pets/1/dog/aaa.png", "", "image"),
        ("pets/2/cat/1.png", "pets/1/cat/3.png", "duplicate"),
        ("pets/2/cat/zzz.png", "", "image"),
    ]
    assert sorted(path.name for path in Path("out/report/rejected").iterdir()) == [
        "001_image.bin",
        "002_duplicate.png",
        "003_image.bin",
    ]
    assert_as_from_scratch("out", **params)


# --- every format


def put_format(name: str, span: int) -> dict[str, Any]:
    """Writes a span of 60 records, some of which repeat those of other spans; returns what `data` says."""
    folder = Path("raw", str(span))
    folder.mkdir(parents=True)
    numbers = range(40 * span, 40 * span + 60)
    texts = [f"text {number} é" for number in numbers]
    if name == "parquet":
        pq.write_table(pa.table({"x": list(numbers), "y": [number % 2 for number in numbers]}), folder / "a.parquet")
        return {"path": "raw/{span}/*.parquet", "label": "y"}
    if name == "npz":
        pixels = np.zeros((60, 4, 4), np.uint8) + np.array(numbers, np.uint8)[:, np.newaxis, np.newaxis]
        np.savez(folder / "a.npz", image=pixels, y=np.array(numbers) % 2)
        return {"path": "raw/{span}/a.npz", "label": "y", "images": {"image": {}}}
    if name == "lines":
        for author in ("homer", "virgil"):
            (folder / f"{author}.txt").write_text("\n".join(f"{author} {text}" for text in texts), encoding="cp1252")
        return {"path": "raw/{span}/*.txt", "label": "label", "encoding": "auto"}
    if name == "documents":
        for number, text in zip(numbers, texts, strict=True):
            (folder / f"class{number % 2}").mkdir(exist_ok=True)
            (folder / f"class{number % 2}" / f"{number}.txt").write_text(text, encoding="utf-8")
        return {"path": "raw/{span}", "label": "label"}
    # A table of paths: the folder of each span holds its images.
    for number in numbers:
        (folder / f"{number}.png").write_bytes(png(number))
    rows = [f"{number}.png,{number % 2}\n" for number in numbers]
    (folder / "table.csv").write_text("".join(["photo,y\n", *rows, "none.png,1\n"]))
    return {"format": "csv", "path": "raw/{span}/*.csv", "label": "y", "images": {"photo": {}}, "on_bad_record": "quarantine"}


@pytest.mark.parametrize("name", ["parquet", "npz", "lines", "documents", "table of images"])
def test_every_format_has_spans(folder: Path, name: str) -> None:
    put_format(name, 1)
    params = {"format": name, "derive": {}, "drop": [], **put_format(name, 2)}
    run("out", **params)
    put_format(name, 3)
    report = run("out", **params)
    assert report["spans"]["ingested"] == ["3"]
    assert_as_from_scratch("out", **params)
    without = run("plain", **{**params, "path": params["path"].replace("{span}", "*")})
    assert {key: report[key] for key in without} == without
    assert splits("out") == splits("plain")
    assert Path("out/report/rejects.csv").read_bytes() == Path("plain/report/rejects.csv").read_bytes()


@pytest.mark.parametrize("path", ["raw/{span}.zip", "raw/{span}/*/*.txt"])
def test_a_span_may_be_an_archive_or_a_pattern_of_files(folder: Path, path: str) -> None:
    params = {"format": "documents", "path": path, "label": "label", "derive": {}, "drop": []}

    def put_span(span: int) -> None:
        put_format("documents", span)
        shutil.make_archive(f"raw/{span}", "zip", f"raw/{span}")

    put_span(1)
    run("out", **params)
    put_span(2)
    report = run("out", **params)
    assert report["spans"] == {"found": ["1", "2"], "used": ["1", "2"], "ingested": ["2"]}
    assert report["num_records_in"] == 120
    assert {label for record in splits("out") for label in re.findall(rb"class\d", record)} == {b"class0", b"class1"}
    assert_as_from_scratch("out", **params)


def test_json_lines_that_lack_a_column_of_images_in_a_whole_span(folder: Path) -> None:
    for span in (1, 2):
        Path(str(span)).mkdir()
        Path(f"{span}/a.png").write_bytes(png())
        record = {"photo": "a.png", "y": 1} if span == 1 else {"y": 1}
        Path(f"{span}/t.jsonl").write_text(json.dumps(record))
    with pytest.raises(UserError) as raised:
        run("out", format="jsonl", path="{span}/*.jsonl", label="y", images={"photo": {}}, derive={}, drop=[])
    assert str(raised.value) == (
        "2/t.jsonl: no column 'photo', nor has any file of its span. Expected the images of data.images.photo in every span. "
        "Add them, or move the span elsewhere."
    )


# --- what is kept


@pytest.mark.parametrize("file", ["read/examples/Split-train/data-span-2024-01-00000-of-00002.tfrecord", "read/read.json"])
@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_what_is_kept_and_damaged_is_read_anew(folder: Path, told: list[str], file: str, damage: str) -> None:
    for month in MONTHS[:2]:
        put(month)
    run("out")
    (path,) = Path("state").glob(f"2024-01-*/{file}")
    shutil.rmtree("out")
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-1])
    assert run("out")["spans"]["ingested"] == ["2024-01"]
    assert told == ["span 2024-01 is read anew: what was kept of it is damaged"]
    assert_as_from_scratch("out")


def test_a_killed_ingest_goes_on_at_the_span_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for month in MONTHS[:3]:
        put(month)
    convert = spanned.convert_file

    def killed(reading: Any, source: Any, *args: Any, **options: Any) -> Any:
        result = convert(reading, source, *args, **options)
        if "2024-03" in source.path.as_posix():
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(spanned, "convert_file", killed)
        with pytest.raises(KeyboardInterrupt):
            run("out")
    assert run("out")["spans"]["ingested"] == ["2024-03"]
    assert_as_from_scratch("out")
    assert not list(Path("state").rglob(".partial*"))


def test_a_span_that_lost_records_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for month in MONTHS[:2]:
        put(month)
    write = spanned.ShardWriter.write_dealt
    with monkeypatch.context() as patch:
        patch.setattr(spanned.ShardWriter, "write_dealt", lambda self, parts, num_records: write(self, parts, num_records - 1))
        with pytest.raises(AccountingError) as raised:
            run("out")
    assert str(raised.value) == (
        "ingest: span 2024-01: 150 records in, 147 examples and 0 rejects out. Expected as many out as in. Please report it "
        "with the file."
    )
    assert run("out")["spans"]["ingested"] == MONTHS[:2]
    assert_as_from_scratch("out")


def test_thinned_records_are_counted_by_span(folder: Path) -> None:
    params = {"thin": {'payment_type == "Cash"': 0.5}}
    put("2024-01")
    run("out", **params)
    put("2024-02")
    report = run("out", **params)
    thinned = [counts["num_thinned"] for counts in report["by_span"].values()]
    assert min(thinned) > 20
    assert sum(thinned) == report["num_thinned"] == 300 - sum(report["num_examples"].values())
    assert_as_from_scratch("out", **params)


def test_links_or_copies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put("2024-01")
    run("out")

    def refuse(*args: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    run("copied")
    assert files("copied") == files("out")
    kept = next(Path("state").rglob("*.tfrecord"))
    assert kept.stat().st_nlink == 2  # the kept one and that of the first run


# --- names


@pytest.mark.parametrize(
    ("path", "names", "expected"),
    [
        ("s-{span}.csv", ["s-10.csv", "s-9.csv", "s-08.csv"], ["8", "9", "10"]),
        ("{span}/a*.csv", ["20231231/a.csv", "20240101/ab.csv", "20240101/b.csv"], ["20231231", "20240101"]),
        ("{span}.csv", ["2024-02-01.csv", "2023-12-31.csv"], ["2023-12-31", "2024-02-01"]),
        ("t-{span}-*.csv", ["t-2024-01-15-a.csv", "t-2024-01-15-b-1.csv", "t-2024-01-16-c.csv"], ["2024-01-15", "2024-01-16"]),
        ("*-{span}.csv", ["a-2-1.csv", "a-b-3.csv", "x-2.csv"], ["1", "2", "3"]),
        ("**/{span}/*.csv", ["a/1/2/x.csv", "3/x.csv"], ["2", "3"]),
        ("[ab]{span}?.csv", ["a1x.csv", "b2y.csv", "c3z.csv"], ["1", "2"]),
    ],
)
def test_spans_are_found_in_their_order(folder: Path, path: str, names: list[str], expected: list[str]) -> None:
    for name in names:
        Path("root", name).parent.mkdir(parents=True, exist_ok=True)
        Path("root", name).touch()
    found = find_spans(Path("root"), path)
    assert [span.name for span in found] == expected
    for span in found:
        assert sorted(Path("root").glob(span.path)) >= [Path("root", file) for file in span.files] > []


def test_a_span_has_its_files(folder: Path) -> None:
    for name in ("01/b.csv", "01/a.csv", "2/a.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    first, second = find_spans(Path(), "{span}/*.csv")
    assert (first.name, first.path, first.files) == ("1", "01/*.csv", (Path("01/a.csv"), Path("01/b.csv")))
    assert (second.name, second.path, second.files) == ("2", "2/*.csv", (Path("2/a.csv"),))


EXPECTED = "a number or a date, as 7, 20240131, 2024-01-31 or 2024-01"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            [],
            "data.path: no file matches 'in/{span}.csv', from the repository's root, so there is no span. Folder in holds "
            f"nothing. Expected {EXPECTED}, in place of {{span}}.",
        ),
        (
            ["1.txt", "2.tsv"],
            "data.path: no file matches 'in/{span}.csv', from the repository's root, so there is no span. In in there are: "
            f"1.txt, 2.tsv. Expected {EXPECTED}, in place of {{span}}.",
        ),
        (
            ["1.csv", "old.csv", "2024-02-30.csv"],
            "data.path: no span can be told from in/2024-02-30.csv: '2024-02-30'; in/old.csv: 'old'. "
            f"Expected {EXPECTED}, where 'in/{{span}}.csv' has {{span}}. Rename it, or move it elsewhere.",
        ),
        (
            [f"x{number}.csv" for number in range(7)],
            "data.path: no span can be told from in/x0.csv: 'x0'; in/x1.csv: 'x1'; in/x2.csv: 'x2'; in/x3.csv: 'x3'; "
            f"in/x4.csv: 'x4'; and 2 more. Expected {EXPECTED}, where 'in/{{span}}.csv' has {{span}}. Rename it, or move it "
            "elsewhere.",
        ),
        (
            ["1.csv", "2024-01.csv", "2024-01-01.csv"],
            "data.path: the spans are named by numbers (in/1.csv), dates (in/2024-01-01.csv), months (in/2024-01.csv). "
            "Expected all spans by numbers, by dates or by months, so that they have an order. Rename some of them.",
        ),
        (
            ["1.csv", "01.csv"],
            "data.path: in/01.csv and in/1.csv are both of the span 1. Expected each span under one name. Rename one of them.",
        ),
    ],
)
def test_names_that_are_no_spans(folder: Path, names: list[str], message: str) -> None:
    for name in names:
        Path("in").mkdir(exist_ok=True)
        Path("in", name).touch()
    with pytest.raises(ParamsError) as raised:
        find_spans(Path(), "in/{span}.csv")
    assert str(raised.value) == message


def test_a_folder_is_no_table(folder: Path) -> None:
    put("2024-01")
    with pytest.raises(ParamsError) as raised:
        run("out", path="data/taxi/{span}")
    assert str(raised.value) == ("data.path: data/taxi/2024-01 is a folder. Expected files, as data/taxi/2024-01/*.csv.")


def test_finding_spans_loads_nothing_heavy() -> None:
    code = "import sys, components.ingest.spans; assert not {'tensorflow', 'pyarrow', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# --- the commands that read data without an ingest


def test_ingest_check_takes_a_path_with_spans(folder: Path) -> None:
    for month in MONTHS[:2]:
        put(month)
    text = describe(check("data/taxi/{span}/*.csv", label="tips"))
    assert text.splitlines()[:2] == ["data/taxi/{span}/*.csv: csv, 2 files", "300 records: 300 good, 0 rejected"]
    assert "  path: data/taxi/{span}/*.csv" in text.splitlines()


def test_sources_come_span_by_span(folder: Path) -> None:
    for number in (2, 10):
        put("2024-01", file=f"{number}.csv")
    data = DataParams.model_validate({**TAXI, "path": "data/taxi/2024-01/{span}.csv", "last_spans": 2})
    assert [source.path.name for source, _ in sources.find_sources(data)] == ["2.csv", "10.csv"]


def test_predict_takes_other_files(folder: Path) -> None:
    put("2024-01")
    Path("new.csv").write_text(LINES[0] + LINES[1], encoding="utf-8")
    data = DataParams.model_validate({**TAXI, "last_spans": 1})
    with ThreadPoolExecutor(1) as pool:
        feed = Feed(data, "new.csv", {"fare": "number"}, None, pool)
        assert [source.path.name for source in feed.sources] == ["new.csv"]


def test_new_puts_data_with_spans_into_their_folder(folder: Path) -> None:
    put("2024-01")
    root, inside = Path.cwd(), find_place("trips", "data/taxi/{span}/*.csv", Path.cwd())
    assert inside == Place("data/taxi", "data/taxi/{span}/*.csv")
    outside = find_place("trips", f"{root}/data/taxi/{{span}}/*.csv", root / "repository")
    assert outside == Place("data/trips", "data/trips/{span}/*.csv", (root / "data/taxi/2024-01/trips.csv",))

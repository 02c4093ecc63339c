"""Tables that name images: one column or several, in folders and archives."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from components.errors import ParamsError, RecordError
from components.ingest.ingest import ingest
from components.params.models import DataParams
from tests.components.ingest.image_files import encoded, picture, png
from tests.components.ingest.test_archive import make_tar, make_zip
from tests.components.ingest.test_image_source import examples, rejects, write_folder

IMAGES = {f"pics/{number:02d}.png": png(number) for number in range(30)}
MASKS = {f"masks/{number:02d}.png": encoded(picture(number % 2, mode="1")) for number in range(30)}
ROWS = [
    {"image": f"pics/{number:02d}.png", "mask": f"./masks/{number:02d}.png", "age": number, "label": "ab"[number % 2]}
    for number in range(30)
]


def write_table(path: Path, rows: list[dict] = ROWS) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return str(path)


def run(**params) -> dict:
    data = DataParams.model_validate({"label": "label", "images": {"image": {}}, **params})
    return ingest(data, None, Path("examples"), Path("report"))


@pytest.mark.parametrize("data_format", ["csv", "jsonl", "parquet"])
def test_images_stand_in_place_of_their_paths(folder, data_format):
    write_folder(Path("data"), {**IMAGES, **MASKS})
    path = write_table(Path(f"data/table.{data_format}"))
    report = run(path=path, format=data_format, images={"image": {}, "mask": {}})
    found = {example["image"]: (example["mask"], example["age"], example["label"]) for example in examples()}
    assert found == {IMAGES[row["image"]]: (MASKS[row["mask"][2:]], row["age"], row["label"].encode()) for row in ROWS}
    assert {name: kind for name, kind in report["columns"].items() if not name.startswith(("image_", "mask_"))} == {
        "age": "integer",
        "image": "bytes",
        "label": "string",
        "mask": "bytes",
    }
    assert {"image_width", "mask_copies"} < set(report["columns"])
    assert report["by_rule"] == {}  # masks that are alike make no copies of different images
    assert report["images"] == {"num_converted": {}, "num_copies": 28, "ignored_files": 0}


@pytest.mark.parametrize("root", ["elsewhere", "images.zip", "images.tar"])
def test_the_root_may_be_another_folder_or_an_archive(folder, root):
    if root == "elsewhere":
        write_folder(Path(root), IMAGES)
    else:
        (make_zip if root.endswith("zip") else make_tar)(Path(root), {**IMAGES, "unused.txt": b"x"})
    run(path=write_table(Path("data/table.csv")), images={"image": {"root": root}}, drop=["mask"])
    assert {example["image"] for example in examples()} == set(IMAGES.values())


def test_the_split_is_by_the_image_alone(folder):
    write_folder(Path("data"), IMAGES)
    splits = []
    for ages in (0, 100):
        rows = [{**row, "age": row["age"] + ages} for row in ROWS]
        run(path=write_table(Path("data/table.csv"), rows), drop=["mask"])
        splits.append({split: {example["image"] for example in examples(split)} for split in ("train", "eval", "test")})
    assert splits[0] == splits[1]


def test_bad_images_are_located_in_the_table(folder):
    write_folder(Path("data"), {**IMAGES, "pics/bad.png": png()[:-12]})
    Path("secret.png").write_bytes(png(99))
    paths = ["pics/bad.png", "../secret.png", str(Path("secret.png").resolve()), "pics/none.png", "", "pics"]
    rows = [{"image": path, "age": 1, "label": "a"} for path in paths]
    path = write_table(Path("data/table.csv"), [*ROWS_WITHOUT_MASKS[:7], *rows, *ROWS_WITHOUT_MASKS[7:]])
    with pytest.raises(RecordError) as error:
        run(path=path)
    assert str(error.value) == (
        "data/table.csv:9: column 'image': pics/bad.png: the file is truncated. Expected an image that decodes to its end. "
        "Mend or remove the file, or set data.on_bad_record: quarantine to set such rows aside.\n"
        "… and 5 more bad records (in all: missing_file 5, image 1)."
    )
    report = run(path=path, on_bad_record="quarantine", max_reject_fraction=0.5)
    assert report["num_records_in"] == 36
    assert report["by_rule"] == {"missing_file": 5, "image": 1}
    assert [(int(reject["line"]), reject["value"], reject["rule"]) for reject in rejects()] == [
        (9, "pics/bad.png", "image"),
        (10, "../secret.png", "missing_file"),
        (11, str(Path("secret.png").resolve()), "missing_file"),
        (12, "pics/none.png", "missing_file"),
        (13, "", "missing_file"),
        (14, "pics", "missing_file"),
    ]
    assert [path.name for path in Path("report/rejected").iterdir()] == ["001_image.png"]


ROWS_WITHOUT_MASKS = [{name: value for name, value in row.items() if name != "mask"} for row in ROWS]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"image": "../x.png"}, "'../x.png' leads out of data. Expected the path of a file in data"),
        ({"image": "x.png"}, "no file 'x.png' in data. Expected an image's path"),
        ({"image": ""}, "there is no path. Expected the path of a file in data"),
    ],
)
def test_messages_about_paths(folder, row, problem):
    write_folder(Path("data"), IMAGES)
    path = write_table(Path("data/table.csv"), [*ROWS_WITHOUT_MASKS, {"age": 1, "label": "a", **row}])
    with pytest.raises(RecordError) as error:
        run(path=path)
    assert str(error.value) == (
        f"data/table.csv:32: column 'image': {problem}. Mend the path, or set root in data.images, or set "
        "data.on_bad_record: quarantine to set such rows aside."
    )


def test_malformed_records_of_the_table_keep_their_place(folder):
    write_folder(Path("data"), IMAGES)
    lines = Path(write_table(Path("data/table.csv"), ROWS_WITHOUT_MASKS)).read_text().splitlines()
    lines[3:3] = ["too,many,fields,here"]
    lines[9:9] = ["pics/none.png,1,a"]
    lines[20:20] = ["too few"]
    Path("data/table.csv").write_text("\n".join(lines))
    report = run(path="data/table.csv", on_bad_record="quarantine", max_reject_fraction=0.5)
    assert report["by_rule"] == {"ragged": 2, "missing_file": 1}
    assert [(int(reject["line"]), reject["rule"]) for reject in rejects()] == [
        (4, "ragged"),
        (10, "missing_file"),
        (21, "ragged"),
    ]


def test_a_copy_names_the_line_of_the_first(folder):
    write_folder(Path("data"), {**IMAGES, "pics/copy.png": png(3)})
    path = write_table(Path("data/table.csv"), [*ROWS_WITHOUT_MASKS, {"image": "pics/copy.png", "age": 3, "label": "b"}])
    with pytest.raises(RecordError) as error:
        run(path=path, images={"image": {"duplicates": "reject"}})
    assert str(error.value) == (
        "data/table.csv:32: column 'image': the image is the same as data/table.csv:5. Expected every image once, as "
        "duplicates: reject of data.images demands. Remove it, or set data.on_bad_record: quarantine to set such rows aside."
    )


def test_columns_and_roots_that_are_not_there(folder):
    write_folder(Path("data"), IMAGES)
    path = write_table(Path("data/table.csv"))
    with pytest.raises(ParamsError) as error:
        run(path=path, images={"imag": {}})
    assert str(error.value) == "data.images: no column 'imag'. Did you mean 'image'?"
    for root, found in (
        ("nowhere", "does not exist"),
        ("data/table.csv", "is neither"),
        (str(make_tar(Path("x.tgz"), IMAGES)), "is packed as a whole, so that no member can be read by itself"),
    ):
        with pytest.raises(ParamsError) as error:
            run(path=path, images={"image": {"root": root}}, drop=["mask"])
        assert str(error.value) == (
            f"data.images.image.root: {root} {found}. Expected a folder, a .zip or a .tar, from the repository's root."
        )


def test_no_cast_makes_an_image_something_else(folder):
    write_folder(Path("data"), IMAGES)
    with pytest.raises(ParamsError) as error:
        run(path=write_table(Path("data/table.csv"), ROWS_WITHOUT_MASKS), cast={"image": "string"})
    assert str(error.value) == "data.images.image: the column holds images; no cast or schema can make it string."

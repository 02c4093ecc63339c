"""`tensorline new`: on the project's data, on awkward ones, and whole outputs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

from components.cli.new import command
from components.errors import UserError
from components.new.write import with_pipeline
from components.params.load import load_pipeline, load_shared
from tests.components.ingest.image_files import encoded, picture, png
from tests.conftest import ROOT, copy_repository

PARAMS = """\
# Which pipelines.
pipelines:
  old: {data: data/old, recipe: recipes/tabular}
  # more: {data: x, recipe: y}

seed: 7
"""

PROPOSED = """\
data:
  path: data/shop/customers.csv
  # As in the first line.
  delimiter: ;
  label: churn ed
  # By a hash of each record, so that it keeps its split when data are added. As it falls: 191 train, 56 eval, 53 test.
  # So few records want larger eval and test splits to say anything.
  split: {train: 0.6, eval: 0.2, test: 0.2}
  # One file for so few records.
  num_shards: 1
  rename:
    # The model's inputs are named as the columns, and TensorFlow takes letters without marks, digits and _ there. What
    # follows uses the new names.
    spend (€): spend
  drop:
    # Another whole number in each record, or one after the other: it tells which one it is, not what kind.
    - customer id
    # The same value in every record: nothing to tell them apart by.
    - same
    # Each record has its own: it tells which one it is, not what kind.
    - token
    # Without any value.
    - nothing

validate:
  on_anomaly: fail

transform:
  ignore:
    # Dates and times. A moment never comes again. Derive from them what does, or put a column for the month or the hour
    # into the data. To judge by what came last, split: {by: time, column: …, eval_from: …, test_from: …}.
    - joined
    # Numbers with a decimal comma, which are text to ingest. Write decimal points in the data, then take them out here.
    - price
  features:
    # By their names, whole numbers that are codes: categories, of which 5 is not more than 4. Leave out those that are
    # amounts.
    area_code: {kind: vocabulary}
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    (folder / "data").mkdir(parents=True)
    (folder / "params.yaml").write_text(PARAMS)
    monkeypatch.chdir(folder)
    return folder


def new(*arguments: str) -> str:
    done = click.testing.CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refusal(*arguments: str) -> str:
    """The message; nothing may be written."""
    before = snapshot()
    with pytest.raises(UserError) as error:
        click.testing.CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert snapshot() == before
    return str(error.value)


def snapshot() -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(Path().rglob("*"))}


def write_csv(path: str, columns: dict[str, list[Any]], *, delimiter: str = ",", end: str = "\n", mark: str = "") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    text = mark + "".join(delimiter.join(map(str, row)) + end for row in rows)
    Path(path).write_bytes(text.encode("utf-8"))


def numbers(count: int, seed: int = 0) -> list[str]:
    draw = np.random.default_rng(seed)
    return [f"{draw.normal(10, 3):.3f}" for _ in range(count)]


def classes(count: int) -> list[str]:
    return ["yes" if float(value) > 10 else "no" for value in numbers(count)]


def test_the_awkward_table() -> None:
    count = 300
    draw = np.random.default_rng(1)
    write_csv(
        "data/shop/customers.csv",
        {
            "customer id": [1000 + 7 * row for row in range(count)],
            "joined": [f"2024-0{row % 9 + 1}-1{row % 9}" for row in range(count)],
            "plan": [draw.choice(["gold", '"free; plan"']) for _ in range(count)],
            "nothing": [""] * count,
            "same": ["x"] * count,
            "area_code": [draw.choice([30, 40, 89]) for _ in range(count)],
            "token": [f"t{row:x}q" for row in range(count)],
            "price": [f"{row},5" for row in range(count)],
            "spend (€)": numbers(count),
            "churn ed": ["yes, gone" if each == "yes" else "no" for each in classes(count)],
        },
        delimiter=";",
        end="\r\n",
        mark="\ufeff",
    )
    answer = new("churn", "--csv", "data/shop/customers.csv", "--label", "churn ed")
    why = (
        "The label has 2 classes, 'no', 'yes, gone'. Learned from 1 number and 2 categories ('area_code', 'plan'). The "
        "alternative for tables is forest.boosted_trees (its parameters are others: docs/forests.md)."
    )
    assert answer == (
        f"churn: tabular.classifier. {why}\n"
        "pipelines/churn/params.yaml: written\n"
        "pipelines/churn/dvc.yaml: written\n"
        "schemas/churn.pbtxt: written\n"
        "params.yaml: one line more\n"
        "\n"
        "Read the reasons in pipelines/churn/params.yaml, then:\n"
        "\n"
        "    dvc repro register@churn\n"
    )
    assert Path("params.yaml").read_text() == PARAMS.replace(
        "  # more", "  churn: {data: data/shop, recipe: recipes/tabular}\n  # more"
    )
    assert Path("schemas/churn.pbtxt").read_text() == (
        "# None yet: validate infers it. Review and adopt it: tensorline schema churn --accept\n"
    )
    text = Path("pipelines/churn/params.yaml").read_text()
    data = text[text.index("data:\n") : text.index("\nmodel:")]
    assert data == PROPOSED


@pytest.mark.parametrize(
    ("option", "path", "label", "recipe", "threshold"),
    [
        ("--csv", "penguins/penguins.csv", "species", "tabular.classifier", "accuracy"),
        ("--csv", "mpg/auto_mpg.csv", "mpg", "tabular.regressor", "mae"),
        ("--csv", "credit/german_credit.csv", "creditability", "tabular.classifier", "auc"),
        ("--csv", "taxi/*.csv", "payment_type", "tabular.classifier", "accuracy"),
        ("--csv", "shuttle/shuttle.csv.gz", "anomaly", "tabular.classifier", "auc_pr"),
        ("--csv", "weather/seattle_daily.csv", "weather", "tabular.classifier", "accuracy"),
        ("--data", "weather/greensboro_hourly_tmy.csv", "temperature_c", "tabular.regressor", "mae"),
        ("--text", "reviews/sentences.csv", "sentiment", "text.classifier", "auc"),
        ("--arrays", "fashion_npz/fashion_4k.npz", "label", "image.classifier", "accuracy"),
    ],
)
def test_the_data_of_the_project(option: str, path: str, label: str, recipe: str, threshold: str) -> None:
    field = path.partition("/")[0]
    shutil.copytree(ROOT / "data" / field, f"data/{field}")
    new("mine", option, f"data/{path}", "--label", label)
    params = load_pipeline("mine")  # what is written is valid
    assert params.recipe == recipe
    assert list(params.evaluate.thresholds) == [threshold]
    assert params.data.label == label
    assert load_shared().pipelines["mine"].data == f"data/{field}"


def test_images_in_class_folders_are_copied_when_they_lie_elsewhere(tmp_path: Path) -> None:
    for number in range(24):
        file = tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(number))
    answer = new("pets", "--images", str(tmp_path / "pets"), "--label", "animal")
    assert f"data/pets: copied from {tmp_path}/pets (0.0 MB), for DVC watches a folder of the repository.\n" in answer
    assert len(list(Path("data/pets").rglob("*.png"))) == 24
    params = load_pipeline("pets")
    assert (params.recipe, params.data.path, params.data.label) == ("image.classifier", "data/pets", "animal")
    assert (params.transform.height, params.transform.width, params.transform.channels) == (8, 12, 1)


def test_images_of_one_folder_have_no_classes() -> None:
    for number in range(24):
        Path("data/all/x").mkdir(parents=True, exist_ok=True)
        Path(f"data/all/x/{number}.png").write_bytes(encoded(picture()) if number else png(0))
    new("faces", "--images", "data/all")
    params = load_pipeline("faces")
    assert (params.recipe, params.data.label) == ("image.vae", None)


def test_pictures_that_belong_together_and_ready_splits_are_no_classes() -> None:
    for folder in ("image", "mask"):
        for number in range(3):
            Path("data/earth", folder).mkdir(parents=True, exist_ok=True)
            Path(f"data/earth/{folder}/{number}.png").write_bytes(png(number))
    assert refusal("earth", "--images", "data/earth") == (
        "data/earth: its folders 'image', 'mask' hold the same 3 names: pictures that belong together, not classes. No recipe "
        "learns one picture from another, yet. Expected a folder for each class, or a table with the paths of the pictures "
        "and a label."
    )
    Path("data/earth/image").rename("data/earth/train")
    Path("data/earth/mask").rename("data/earth/test")
    assert refusal("earth", "--images", "data/earth").startswith(
        "data/earth: its folders are splits, 'test', 'train'. Name one"
    )


def test_documents() -> None:
    for number in range(24):
        file = Path("data/mails", "ham" if number % 2 else "spam", f"{number}.txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"Hello number {number}")
    new("mails", "--text", "data/mails")
    params = load_pipeline("mails")
    assert (params.recipe, params.data.format, params.data.label) == ("text.classifier", "documents", "label")


def test_two_thousand_columns_and_many_values() -> None:
    count = 60
    columns: dict[str, list[Any]] = {"y": classes(count), **{f"c{number}": numbers(count, number) for number in range(1999)}}
    write_csv("data/wide/w.csv", {"y": classes(count), **columns})
    new("wide", "--csv", "data/wide/w.csv", "--label", "y")
    assert load_pipeline("wide").transform.numeric.kind == "zscore"
    count = 3000
    write_csv("data/many/m.csv", {"y": classes(count), "shop": [f"shop{number % 1200}" for number in range(count)]})
    new("many", "--csv", "data/many/m.csv", "--label", "y")
    assert load_pipeline("many").transform.features["shop"].kind == "hash"


@pytest.mark.parametrize(
    ("label", "cast", "recipe"),
    [
        ([1, 5, 9], "string", "tabular.classifier"),
        ([1, 2, 3], None, "tabular.classifier"),
        (["0.0", "1.0"], "integer", "tabular.classifier"),
        (["0.5", "1.0", "2.5"], None, "tabular.regressor"),
        (list(range(50)), None, "tabular.regressor"),
    ],
)
def test_kinds_of_labels(label: list[Any], cast: str | None, recipe: str) -> None:
    write_csv("data/x/x.csv", {"x": numbers(100), "y": [label[row % len(label)] for row in range(100)]})
    new("x", "--csv", "data/x/x.csv", "--label", "y")
    params = load_pipeline("x")
    assert (params.recipe, params.data.cast.get("y")) == (recipe, cast)


def test_bad_records_are_set_aside_and_told() -> None:
    labels = classes(100)
    labels[:10] = [""] * 10
    write_csv("data/x/x.csv", {"x": numbers(100), "y": labels})
    new("x", "--csv", "data/x/x.csv", "--label", "y")
    params = load_pipeline("x")
    assert (params.data.on_bad_record, params.data.max_reject_fraction) == ("quarantine", 0.105)
    assert "10 of 100 records can't be used (label 10): set aside. The first: data/x/x.csv:2:" in " ".join(
        line.strip().removeprefix("# ") for line in Path("pipelines/x/params.yaml").read_text().split("\n")
    )


def test_another_encoding_and_other_tables() -> None:
    Path("data/x").mkdir()
    words = ["Straße", "Köln", "Übergröße"]
    rows = enumerate(zip(numbers(60), classes(60), strict=True))
    text = "\n".join(f"{value};{words[row % 3]};{label}" for row, (value, label) in rows)
    Path("data/x/x.csv").write_bytes(f"größe;stadt;y\n{text}\n".encode("cp1252"))
    new("x", "--csv", "data/x/x.csv", "--label", "y")
    assert load_pipeline("x").data.encoding == "cp1252"
    np.savez("data/x/z.npz", a=np.arange(60) / 7, y=np.arange(60) % 2)
    new("z", "--arrays", "data/x/z.npz", "--label", "y")
    assert load_pipeline("z").recipe == "tabular.classifier"


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        (
            "a,y\n1,0\n2,1\n",
            "y",
            "data/x/x.csv: 2 good records. Expected 20 or more, so that train, eval and test each get some. Add",
        ),
        (
            "a,y\n" + "1,7\n" * 30,
            "y",
            "data/x/x.csv: the label 'y' is 7 in all 30 records. Expected two classes or more, or diff",
        ),
        ("a,y\n" + "1,no\n" * 30 + "1,yes\n", "y", "data/x/x.csv: 1 of 31 records have the label 'yes'. Expected 5 or more"),
        ("a,y\n" + "1,\n" * 30, "y", "data/x/x.csv: 0 good records. Expected 20 or more"),
        (
            "a,a,y\n1,2,3\n",
            "y",
            "data/x/x.csv:1: two columns are named 'a'. Expected a header with a name for each column, each d",
        ),
        (
            ",a,y\n1,2,3\n",
            "y",
            "data/x/x.csv:1: column 1 has no name. Expected a header with a name for each column, each diff",
        ),
        ("", "y", "data/x/x.csv: the file is empty. Expected a line with the names of the columns. Remove the file."),
        (
            "a b c\n1 2 3\n",
            "c",
            "data/x/x.csv: the header holds one column, 'a b c'. Expected at least two, the label and one",
        ),
        (
            "a,churned\n1,0\n",
            "churn",
            "--label: data/x/x.csv has no column 'churn'. Did you mean 'churned'? The columns are 'a', 'ch",
        ),
        (
            "a,my class\n1,0\n",
            None,
            "--label: which column is to be learned? The columns are 'a', 'my class'. Name it, as --label 'my",
        ),
        (
            "a,y\n" + "".join(f'{row},"{row},5"\n' for row in range(30)),
            "y",
            "data/x/x.csv: the label 'y' has 30 different strings in 30 records, as '0,5', '1,5', '10,5'. Expected at "
            "most 100 classes, each with several records, or numbers. They look like numbers with a decimal comma: write "
            "decimal points.",
        ),
        (
            "id,y\n" + "".join(f"{row},{row % 2}\n" for row in range(30)),
            "y",
            "data/x/x.csv: no column is left to learn 'y' from. Expected numbers or categories.\n  'id': Another whole number",
        ),
    ],
)
def test_data_that_teach_nothing(text: str, label: str | None, message: str) -> None:
    Path("data/x").mkdir()
    Path("data/x/x.csv").write_text(text)
    assert refusal("x", "--csv", "data/x/x.csv", *(("--label", label) if label else ())).startswith(message)


def test_one_long_text() -> None:
    Path("data/x").mkdir()
    Path("data/x/x.txt").write_text("To be or not to be. " * 200)
    assert refusal("x", "--text", "data/x/x.txt").startswith("data/x/x.txt: is one long text, 40 records of 100 characters")


def test_names() -> None:
    Path("pipelines/there").mkdir(parents=True)
    for name, message in (
        ("Churn", "'Churn': is no name of a pipeline. Expected small letters, digits and _, a letter first, as churn_2."),
        ("old", "params.yaml: a pipeline is named 'old' already. Choose another name, or remove that line."),
        ("there", "pipelines/there: is there already. Expected a new name. Choose another one, or remove what is there."),
    ):
        assert refusal(name, "--csv", "x.csv", "--label", "y") == message
    assert refusal("x") == "Expected one of --csv, --images, --text, --arrays and --data, with the path of the data; got none."


def test_data_are_never_copied_over_others(tmp_path: Path) -> None:
    write_csv(str(tmp_path / "x.csv"), {"x": numbers(50), "y": classes(50)})
    Path("data/x").mkdir()
    assert refusal("x", "--csv", str(tmp_path / "x.csv"), "--label", "y").startswith("data/x: is there already, and ")


def test_nothing_is_left_when_the_last_step_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(str(tmp_path / "x.csv"), {"x": numbers(50), "y": classes(50)})

    def fail(*_: object) -> None:
        raise OSError("no space left")

    before = snapshot()
    monkeypatch.setattr(shutil, "copymode", fail)
    with pytest.raises(OSError, match="no space left"):
        new("x", "--csv", str(tmp_path / "x.csv"), "--label", "y")
    after = snapshot()
    assert {path: content for path, content in after.items() if content} == {k: v for k, v in before.items() if v}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pipelines: {}\nseed: 1\n", "pipelines:\n  new: 1\nseed: 1\n"),
        ("pipelines:\n  a: 1\n  # b: 2\n\nseed: 1\n", "pipelines:\n  a: 1\n  new: 1\n  # b: 2\n\nseed: 1\n"),
        ("seed: 1\npipelines: # all\n  a:\n    b: 1", "seed: 1\npipelines: # all\n  a:\n    b: 1\n  new: 1\n"),
    ],
)
def test_one_line_more(before: str, after: str) -> None:
    assert with_pipeline(before, "  new: 1") == after


@pytest.mark.slow
def test_a_proposed_pipeline_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_stages: Callable[..., None]) -> None:
    clone = copy_repository(tmp_path / "clone", data=False)
    monkeypatch.chdir(clone)
    write_csv(
        "data/shop/shop.csv",
        {
            "id": list(range(400)),
            "plan name": [("gold", "free plan")[row % 2] for row in range(400)],
            "none": [""] * 400,
            "spend (€)": numbers(400),
            "churn ed": ["yes, gone" if each == "yes" else "no" for each in classes(400)],
        },
        delimiter=";",
        end="\r\n",
        mark="\ufeff",
    )
    new("churn", "--csv", "data/shop/shop.csv", "--label", "churn ed")
    run_stages(clone, "churn", ("ingest", "validate", "transform", "tune", "train", "evaluate"))
    import json

    metrics = json.loads((clone / "artifacts/churn/report/metrics.json").read_text())
    assert metrics["auc"] > 0.95  # the label is spend > 10

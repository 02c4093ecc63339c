"""Documents, lines, sequences, pairs, and columns of tables: from files to examples, rejects and the report."""

import csv
import gzip
import json
import random
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from pydantic import ValidationError

from components.errors import ParamsError, RecordError, UserError
from components.ingest.encodings import find_encoding
from components.ingest.ingest import ingest
from components.ingest.sequences_source import SequencesSource
from components.ingest.summary import summary
from components.params.models import DataParams, SequenceParams

REVIEWS = Path(__file__).parents[3] / "data" / "reviews" / "sentences.csv"
SET_ASIDE = "set data.on_bad_record: quarantine to set such rows aside."
QUARANTINE = {"on_bad_record": "quarantine", "max_reject_fraction": 1.0}


def run(**params):
    shutil.rmtree("out", ignore_errors=True)
    return ingest(DataParams.model_validate(params), None, Path("out/examples"), Path("out/report"))


def examples(split=None):
    """Examples as dicts; of one split, or of all with the split as `split`."""
    if split is None:
        return [{**record, "split": name} for name in ("train", "eval", "test") for record in examples(name)]
    found = []
    for file in sorted(Path(f"out/examples/Split-{split}").iterdir()):
        for content in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            features = tf.train.Example.FromString(content).features.feature
            values = {name: getattr(feature, feature.WhichOneof("kind")).value[0] for name, feature in features.items()}
            found.append({name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()})
    return found


def rejects():
    with Path("out/report/rejects.csv").open(newline="", encoding="utf-8") as file:
        return [list(row.values()) for row in csv.DictReader(file)]


def write(path, content):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def many(prefix, number=60):
    return [f"{prefix} {index}" for index in range(number)]


# --- columns of tables


def test_reviews(folder):
    report = run(path=str(REVIEWS), label="sentiment", texts={"text": {}})
    assert report["num_examples"] == {"train": 2065, "eval": 453, "test": 482}
    assert report["columns"] == {
        "sentiment": "string",
        "source": "string",
        "text": "string",
        "text_num_chars": "integer",
        "text_num_words": "integer",
        "text_script": "string",
    }
    with REVIEWS.open(encoding="utf-8", newline="") as file:
        texts = sorted(row["text"] for row in csv.DictReader(file))
    found = examples()
    assert sorted(record["text"] for record in found) == texts
    assert all(record["text_num_chars"] == len(record["text"]) for record in found)
    no_letters = [record["text"] for record in found if record["text_script"] == "Common"]
    assert [text for text in no_letters if any(map(str.isalpha, text))] == []
    assert {record["text_script"] for record in found} == {"Latin", "Common"}


def test_the_texts_can_be_the_key(folder):
    rows = [{"t": f"text {index % 40}", "y": "a" if index % 3 else "b"} for index in range(200)]
    write("a.jsonl", "\n".join(map(json.dumps, rows)))
    run(format="jsonl", path="a.jsonl", label="y", texts={"t": {}}, split={"key": ["t"]})
    splits = {}
    for record in examples():
        splits.setdefault(record["t"], set()).add(record["split"])
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())


def test_bad_texts_of_a_table(folder):
    write(
        "a.tsv.gz",
        gzip.compress("\n".join(["Text\ty", *(f"{text}\tx" for text in many("a")), " \ty", "long text\ty"]).encode(), mtime=0),
    )
    params = {"delimiter": "\t", "rename": {"Text": "t"}, "label": "y", "texts": {"t": {"max_chars": 6}}}
    report = run(path="a.tsv.gz", **params, **QUARANTINE)
    assert report["by_rule"] == {"empty": 1, "overlong": 1}
    assert rejects() == [
        ["a.tsv.gz", "62", "Text", " ", "empty", " \ty"],
        ["a.tsv.gz", "63", "Text", "long text", "overlong", "long text\ty"],
    ]
    with pytest.raises(RecordError) as error:
        run(path="a.tsv.gz", **params)
    assert str(error.value) == (
        "a.tsv.gz:62: column 'Text': the text is empty, or white space alone. Expected a text in every record. Fix the file, "
        f"set data.texts.t.empty: keep, or {SET_ASIDE}\n… and 1 more bad records (in all: empty 1, overlong 1)."
    )


def test_the_encoding_of_a_csv_is_found(folder):
    write("a.csv", "\n".join(["t,y", *(f"Größe {index} für süße Bären,x" for index in range(60))]).encode("cp1252"))
    write("b.csv", "\n".join(["t,y", *(f"Größe {index} in UTF-8,x" for index in range(60))]))
    report = run(path="*.csv", label="y", texts={"t": {}}, encoding="auto")
    assert report["encodings"] == {"a.csv": "cp1252", "b.csv": "utf-8"}
    assert summary(report).splitlines()[2] == "encodings found: cp1252 (a.csv), utf-8 (b.csv)"
    assert sum("Größe" in record["t"] for record in examples()) == 120


# --- lines


def test_labelled_lines(folder):
    write("poets/butler.txt", "\r\n".join(many("Sing, é")) + "\r\n\r\n")
    write("poets/cowper.txt.gz", gzip.compress(("\ufeff" + "\n\n".join(many("Achilles"))).encode(), mtime=0))
    report = run(format="lines", path="poets/*", label="label")
    assert report["by_file"]["poets/butler.txt"]["num_records_in"] == 60
    found = examples()
    assert sorted(record["text"] for record in found if record["label"] == "butler") == sorted(many("Sing, é"))
    assert sorted(record["text"] for record in found if record["label"] == "cowper") == sorted(many("Achilles"))
    assert all(record["source"] == record["label"] for record in found)


def test_lines_without_label(folder):
    write("a.txt", "\n".join(many("a")))
    report = run(format="lines", path="a.txt", label=None, rename={"text": "line"})
    assert (report["label"], list(report["columns"])) == (
        None,
        ["line", "line_num_chars", "line_num_words", "line_script", "source"],
    )
    assert summary(report).splitlines()[1] == "5 columns (2 integers, 3 strings), no label"


def test_a_line_keeps_its_split_whatever_its_label(folder):
    write("x/a.txt", "\n".join(many("a")))
    run(format="lines", path="x/*", label="label")
    before = {record["text"]: record["split"] for record in examples()}
    Path("x/a.txt").rename("x/b.txt")
    write("x/c.txt", "\n".join([*many("c"), *many("a", 9)]))
    run(format="lines", path="x/*", label="label")
    assert {record["text"]: record["split"] for record in examples() if record["text"].startswith("a")} == before


def test_undecodable_lines(folder):
    good = "\n".join(many("a"))
    write("a.txt", good.encode() + b"\ncaf\xe9 noir\n\nx\0y\nlast \xff")
    start = len(good) + 1
    report = run(format="lines", path="a.txt", label=None, **QUARANTINE)
    assert (report["num_records_in"], report["num_rejects"], report["by_rule"]) == (63, 3, {"encoding": 3})
    assert rejects() == [
        ["a.txt", "61", "text", "caf\ufffd noir", "encoding", "caf\ufffd noir"],
        ["a.txt", "63", "text", "x\0y", "encoding", "x\0y"],
        ["a.txt", "64", "text", "last \ufffd", "encoding", "last \ufffd"],
    ]
    with pytest.raises(RecordError) as error:
        run(format="lines", path="a.txt", label=None)
    assert str(error.value) == (
        f"a.txt:61: column 'text': 0xe9 at byte {start + 3} is not valid utf-8. Expected utf-8. Fix the file, or set "
        f"data.encoding to its own, or {SET_ASIDE}\n… and 2 more bad records (in all: encoding 3)."
    )


def test_lines_do_not_depend_on_chunks(folder, monkeypatch):
    rng = random.Random(4)  # noqa: S311
    text = "".join(rng.choice(["a", "é", "日本", "\n", "\r\n", "\r", "\xff", "x" * 30]) for _ in range(3000))
    write("a.txt", text.encode().replace("\xff".encode(), b"\xff"))
    first = run(format="lines", path="a.txt", label=None, **QUARANTINE)
    expected, expected_rejects = examples(), rejects()
    monkeypatch.setattr("components.ingest.encodings._CHUNK_BYTES", 7)
    assert run(format="lines", path="a.txt", label=None, **QUARANTINE) == first
    assert sorted(record["text"] for record in examples()) == sorted(record["text"] for record in expected)
    assert rejects() == expected_rejects
    assert first["by_rule"]["encoding"] == len(expected_rejects) > 100


def test_utf16_lines(folder):
    write("a.txt", "\r\n".join(many("日本")).encode("utf-16"))
    run(format="lines", path="a.txt", label=None, encoding="utf-16")
    assert sorted(record["text"] for record in examples()) == sorted(many("日本"))
    assert find_encoding(Path("a.txt")) == "utf-16"


# --- sequences


def pieces(path, **params):
    source = SequencesSource(Path(path), "utf-8", SequenceParams(**params))
    found = []
    for block in source.blocks():
        found += zip(*(block.columns[name].to_pylist() for name in ("block", "text")), strict=True)
    return [(number, text.decode()) for number, text in found]


def test_sequences_are_the_whole_text(folder):
    text = "".join(random.Random(5).choices("ab \né日", k=12_345))  # noqa: S311
    write("a.txt", text)
    found = pieces("a.txt", length=100, block=7)
    assert "".join(piece for _, piece in found) == text
    assert [len(piece) for _, piece in found] == [100] * 123 + [45]
    assert [number for number, _ in found] == [index // 7 for index in range(124)]


def test_overlapping_sequences_stay_in_their_block(folder):
    text = "".join(chr(0x4E00 + index) for index in range(1000))  # every character says where it stands
    write("a.txt", text)
    found = pieces("a.txt", length=20, stride=5, block=10)
    span = 9 * 5 + 20
    for number in range(1000 // span):
        starts = [number * span + 5 * place for place in range(10)]
        assert [piece for block, piece in found if block == number] == [text[start : start + 20] for start in starts]
    last = [piece for block, piece in found if block == 1000 // span]
    assert last[-1][-1] == text[-1]
    assert len({character for _, piece in found for character in piece}) == 1000


def test_a_stride_that_leaves_text_out(folder):
    write("a.txt", "0123456789" * 10)
    assert pieces("a.txt", length=3, stride=10, block=4) == [(index // 4, "012") for index in range(10)]


def test_sequences_are_cut_between_characters(folder):
    write("a.txt", "abc\r\nde\u0301fghi👨\u200d👩\u200d👧j")
    assert [piece for _, piece in pieces("a.txt", length=4)] == [
        "abc",
        "\r\nde\u0301",
        "fghi",
        "👨\u200d👩\u200d👧",
        "j",
    ]


def test_sequences_lose_nothing(folder):
    rng = random.Random(8)  # noqa: S311
    for _ in range(60):
        clusters = rng.choices(
            ["a", "\r\n", "e\u0301", "👨\u200d👩\u200d👧", "🇩🇪", "x" + "\u0301" * 12, "日"], k=rng.randint(1, 50)
        )
        text = "".join(clusters)
        write("a.txt", text)
        length, block = rng.randint(1, 9), rng.randint(1, 4)
        found = [piece for _, piece in pieces("a.txt", length=length, block=block)]
        assert "".join(found) == text
        overlapping = [piece for _, piece in pieces("a.txt", length=length, stride=rng.randint(1, length), block=block)]
        at = 0  # how much of the text is covered so far
        for piece in overlapping:
            place = text.rfind(piece, 0, at + len(piece))
            assert place >= 0
            at = max(at, place + len(piece))
        assert at == len(text)


def test_sequences_do_not_depend_on_chunks(folder, monkeypatch):
    text = "".join(random.Random(6).choices(["a", "\r\n", "e\u0301", "👍🏽", "🇩🇪", "日"], k=2000))  # noqa: S311
    write("a.txt", text)
    expected = pieces("a.txt", length=9, stride=4, block=3)
    monkeypatch.setattr("components.ingest.encodings._CHUNK_BYTES", 5)
    assert pieces("a.txt", length=9, stride=4, block=3) == expected


def test_sequences_keep_their_split_when_text_is_appended(folder):
    text = "".join(random.Random(7).choices("abcdefgh \n", k=60_000))  # noqa: S311
    params = {"format": "sequences", "path": "a.txt", "label": None, "sequences": {"length": 50, "block": 10}}
    write("a.txt", text)
    report = run(**params)
    assert (report["num_records_in"], list(report["columns"])) == (
        1200,
        ["block", "source", "text", "text_num_chars", "text_num_words", "text_script"],
    )
    before = {record["block"]: record["split"] for record in examples()}
    write("a.txt", text + "and more " * 500)
    run(**params)
    after = {}
    for record in examples():
        after.setdefault(record["block"], set()).add(record["split"])
    assert {block: after[block] for block in before} == {block: {split} for block, split in before.items()}
    assert all(len(splits) == 1 for splits in after.values())


def test_bad_sequences(folder):
    write("a.txt", b"0123456789" * 20 + b"\n\n01234\xff789\n2345678\0" + b"0123456789" * 300)
    params = {"format": "sequences", "path": "a.txt", "label": None, "sequences": {"length": 10, "block": 1}}
    assert run(**params, **QUARANTINE)["by_rule"] == {"encoding": 2}
    assert [row[:2] + row[4:5] for row in rejects()] == [["a.txt", "1", "encoding"], ["a.txt", "3", "encoding"]]
    with pytest.raises(RecordError) as error:
        run(**params)
    assert str(error.value).startswith("a.txt:1: column 'text': 0xff at byte 207 is not valid utf-8. Expected utf-8. ")


# --- pairs


def test_pairs(folder):
    write("en.txt", "\n".join(many("a verse")) + "\n")
    write("es.txt.gz", gzip.compress("\r\n".join(many("un verso, mañana")).encode(), mtime=0))
    report = run(format="pairs", pairs={"english": "en.txt", "spanish": "es.txt.gz"}, label=None)
    assert list(report["by_file"]) == ["en.txt + es.txt.gz"]
    found = {record["english"]: record["spanish"] for record in examples()}
    assert found == dict(zip(many("a verse"), many("un verso, mañana"), strict=True))
    assert {name for record in examples() for name in record} == {
        *("english", "english_num_chars", "english_num_words", "english_script", "split"),
        *("spanish", "spanish_num_chars", "spanish_num_words", "spanish_script"),
    }


def test_pairs_of_different_lengths(folder):
    write("en.txt", "\n".join(many("a")))
    write("es.txt", "\n".join(many("b", 57)))
    with pytest.raises(UserError) as error:
        run(format="pairs", pairs={"english": "en.txt", "spanish": "es.txt"}, label=None)
    assert str(error.value) == (
        "es.txt: ends with line 57, but en.txt has 60 lines. Expected as many in each, a line of one for a line of the other. "
        "The first without a partner is en.txt:58: 'a 57'. Find where they part, and add or remove lines."
    )


def test_bad_pairs(folder):
    write("en.txt", "\n".join([*many("a"), "", "x", "y"]))
    write("es.txt", "\n".join(many("b")).encode() + b"\nvac\xedo\ncaf\xe9\nz")
    report = run(format="pairs", pairs={"english": "en.txt", "spanish": "es.txt"}, label=None, **QUARANTINE)
    assert (report["num_records_in"], report["by_rule"]) == (63, {"encoding": 2})
    assert [row[:5] for row in rejects()] == [
        ["en.txt + es.txt", "61", "spanish", "vac\ufffdo", "encoding"],
        ["en.txt + es.txt", "62", "spanish", "caf\ufffd", "encoding"],
    ]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"format": "pairs", "path": "a.txt"},
            "give data.pairs with two columns and their files, and neither data.path nor by: files",
        ),
        (
            {"path": "a.csv", "pairs": {"a": "a.txt", "b": "b.txt"}},
            "only the format pairs has it, and data.format is csv; remove the key",
        ),
        (
            {"format": "jsonl", "path": "a", "encoding": "auto"},
            "only CSV and text files have it, and data.format is jsonl; remove the key",
        ),
        (
            {"path": "a.csv", "sequences": {"length": 3}},
            "only the format sequences has it, and data.format is csv; remove the key",
        ),
    ],
)
def test_parameters(params, message):
    with pytest.raises(ValidationError) as error:
        DataParams.model_validate({"label": None, **params})
    assert [problem["msg"] for problem in error.value.errors()] == [f"Value error, {message}"]


def test_a_missing_file_of_a_pair(folder):
    write("a.txt", "x")
    with pytest.raises(ParamsError) as error:
        run(format="pairs", pairs={"a": "a.txt", "b": "b.txt"}, label=None)
    assert str(error.value) == (
        "data.pairs.b: no file 'b.txt', from the repository's root. Expected a text file whose lines go with those of the "
        "others."
    )


# --- documents


def write_documents(root="docs"):
    for name in ("good", "bad"):
        for index in range(40):
            write(f"{root}/{name}/part {index % 2}/{index}.txt", f"{name} “{index}”\n")
    write(f"{root}/README.md", "no record")
    write(f"{root}/good/.hidden", "no record")


def expected_documents():
    return sorted((f"{name} “{index}”\n", name) for name in ("good", "bad") for index in range(40))


@pytest.mark.parametrize("path", ["docs", "docs/*/*/*.txt", "docs.zip", "docs.tar", "docs.tar.gz"])
def test_documents(folder, path):
    write_documents()
    if path.startswith("docs."):
        kind = {"docs.zip": "zip", "docs.tar": "tar", "docs.tar.gz": "gztar"}[path]
        shutil.make_archive("docs", kind, "docs")
        shutil.rmtree("docs")
    report = run(format="documents", path=path, label="label")
    found = examples()
    assert sorted((record["text"], record["label"]) for record in found) == expected_documents()
    assert {record["source"] for record in found if record["label"] == "bad"} == {
        f"bad/part {index % 2}/{index}" for index in range(40)
    }
    assert report["num_examples"] == {"train": 56, "eval": 11, "test": 13}  # by the text alone, wherever it lies


def test_documents_without_label(folder):
    write_documents()
    report = run(format="documents", path="docs/good", label=None, rename={"source": "name"})
    assert list(report["columns"]) == ["name", "text", "text_num_chars", "text_num_words", "text_script"]
    assert report["num_records_in"] == 40


def test_bad_documents(folder):
    write_documents()
    write("docs/bad/a.txt", b"caf\xe9 noir")
    write("docs/bad/b.txt", b"PK\x03\x04\0\0")
    write("docs/bad/c.txt", "")
    write("docs/good/d.txt", "good")
    write("docs/e.txt", "in no class")
    report = run(format="documents", path="docs", label="label", **QUARANTINE)
    assert (report["num_records_in"], report["by_rule"]) == (85, {"encoding": 2, "empty": 1, "label": 1})
    assert [[row[0], *row[2:5]] for row in rejects()] == [
        ["docs/bad/a.txt", "text", "caf\ufffd noir", "encoding"],
        ["docs/bad/b.txt", "text", "PK\x03\x04\0\0", "encoding"],
        ["docs/bad/c.txt", "text", "", "empty"],
        ["docs/e.txt", "label", "", "label"],
    ]
    with pytest.raises(RecordError) as error:
        run(format="documents", path="docs", label="label")
    assert str(error.value).splitlines()[0] == (
        "docs/bad/a.txt: column 'text': 0xe9 at byte 3 is not valid utf-8. Expected utf-8. Fix the file, or set data.encoding "
        f"to its own, or {SET_ASIDE}"
    )


def test_too_long_documents(folder, monkeypatch):
    write_documents()
    write("docs/bad/a.txt", "x" * 101)
    write("docs/good/z.txt", "x" * 102)
    monkeypatch.setattr("components.ingest.documents_source.MOST_TEXT_BYTES", 100)
    report = run(format="documents", path="docs", label="label", **QUARANTINE)
    assert (report["num_records_in"], report["by_rule"]) == (82, {"overlong": 2})
    assert [row[0] for row in rejects()] == ["docs/bad/a.txt", "docs/good/z.txt"]


def test_the_encodings_of_documents_are_found(folder):
    write_documents()
    write("docs/bad/a.txt", "Größe Häuser für süße Bären".encode("cp1252"))
    write("docs/bad/b.txt", "Größe".encode("utf-16"))
    report = run(format="documents", path="docs", label="label", encoding="auto")
    assert report["encodings"] == {"docs": "cp1252, utf-16, utf-8"}
    assert {record["text"] for record in examples() if record["source"] in ("bad/a", "bad/b")} == {
        "Größe Häuser für süße Bären",
        "Größe",
    }


def test_archives_that_lead_elsewhere_are_refused(folder):
    import zipfile

    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("good/a.txt", "a")
        archive.writestr("../b.txt", "b")
    with pytest.raises(UserError, match=r"^a\.zip: the member '\.\./b\.txt' leads out of the archive's folder\."):
        run(format="documents", path="a.zip", label="label")


def test_the_same_bytes_again(folder):
    write_documents()
    run(format="documents", path="docs", label="label")
    first = {path.name: path.read_bytes() for path in sorted(Path("out").rglob("*")) if path.is_file()}
    run(format="documents", path="docs", label="label")
    assert {path.name: path.read_bytes() for path in sorted(Path("out").rglob("*")) if path.is_file()} == first

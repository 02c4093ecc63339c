import gzip
import json
from pathlib import Path

import pytest

from components.errors import UserError
from components.ingest import jsonl_source
from components.ingest.jsonl_source import JsonlSource
from components.ingest.source import Located, indices_of


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def source(content, name="x.jsonl"):
    Path(name).write_bytes(content)
    return JsonlSource(Path(name), frozenset({"kept"}))


def rows(made):
    return [
        {name: values[row].as_py() for name, values in block.columns.items()}
        for block in made.blocks()
        for row in range(block.num_records)
    ]


@pytest.mark.parametrize(
    ("content", "kinds", "values"),
    [
        (b'{"a": 1.50, "b": "x"}\n', {"a": "number", "b": "string"}, [{"a": b"1.50", "b": b"x"}]),
        (
            b'\xef\xbb\xbf{"a": 1}\r\n \r\n{"b": null}',
            {"a": "integer", "b": "missing"},
            [{"a": b"1", "b": None}, {"a": None, "b": None}],
        ),
        (b'{"a": true}\n{"a": false}\n', {"a": "integer"}, [{"a": b"1"}, {"a": b"0"}]),
        (b'{"a": "caf\\u00e9"}\n', {"a": "string"}, [{"a": "café".encode()}]),
        (b'{"a": "2024-01-01"}\n', {"a": "string"}, [{"a": b"2024-01-01"}]),
        (b'{"a": "12"}\n{"a": 1}\n', {"a": "string"}, [{"a": b"12"}, {"a": b"1"}]),
        (b'{"a": true}\n{"a": "yes"}\n', {"a": "string"}, [{"a": b"1"}, {"a": b"yes"}]),
        (
            b'{"a": NaN, "kept": NaN}\n{"a": 1, "kept": 1}',
            {"a": "integer", "kept": "number"},
            [{"a": None, "kept": b"NaN"}, {"a": b"1", "kept": b"1"}],
        ),
        (b'{"a": 9223372036854775807}\n', {"a": "integer"}, [{"a": b"9223372036854775807"}]),
        (b'{"a": 9223372036854775808}\n', {"a": "string"}, [{"a": b"9223372036854775808"}]),
        (b"{}\n", {}, [{}]),
        (b"", {}, []),
    ],
)
def test_reads(content, kinds, values):
    for name, written in (("x.jsonl", content), ("x.jsonl.gz", gzip.compress(content, mtime=0))):
        made = source(written, name)
        assert made.kinds == kinds
        assert rows(made) == values
        assert made.malformed == []


def test_columns_can_be_chosen():
    made = source(b'{"a": 1, "b": 2, "c": 3}\n')
    assert [list(block.columns) for block in made.blocks(["c", "a"])] == [["a", "c"]]


@pytest.mark.parametrize("quick", [True, False])
def test_blocks_do_not_matter(monkeypatch, quick):
    """Kinds, values and lines are the same however the file is cut, and whether Arrow reads the keys or Python."""
    if not quick:
        monkeypatch.setattr(jsonl_source, "_quick_kinds", lambda lines: None)
    records = [{"a": number, "b": f"text {number}" * (number % 7)} for number in range(1000)]
    for record in records[901:]:
        record["c"] = record["a"] / 4
    lines = [json.dumps(record) for record in records]
    lines[500:500] = ["", "[1]", "{"]
    whole = source("\n".join(lines).encode())
    expected = rows(whole)
    monkeypatch.setattr(jsonl_source, "BLOCK_BYTES", 300)
    cut = source("\n".join(lines).encode())
    assert sum(1 for _ in cut.blocks()) > 50
    assert rows(cut) == expected
    assert cut.kinds == whole.kinds == {"a": "integer", "b": "string", "c": "number"}
    assert cut.malformed == whole.malformed
    assert [malformed.index for malformed in cut.malformed] == [500, 501]
    assert indices_of(cut, [499, 500]) == [499, 502]
    assert list(cut.locate([0, 500, 502])) == [
        Located(1, ["0", "", ""], '{"a": 0, "b": ""}'),
        Located(502, ["", "", ""], "[1]"),
        Located(504, ["500", "text 500" * 3, ""], lines[503]),
    ]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (
            b'\n[{"a": 1},\n {"a": 2}]\n',
            "x.jsonl",
            "x.jsonl:2: is no JSON: Expecting value, at character 11. Expected one JSON object a line. "
            "No line of the file is good. Fix the file.",
        ),
        (
            b'{"a": {"b": 1}}\n',
            "x.jsonl",
            "x.jsonl:1: column 'a': is an object. Expected a number, a string, true, false or null. "
            "No line of the file is good. Give what is in it keys of its own.",
        ),
        (
            b'{"": 1}\n',
            "x.jsonl",
            "x.jsonl: column 1 has no name. Expected a name for each column, each different. Mend the keys.",
        ),
        (
            b'{"a": 1}\n' + b" " * (9 << 20),
            "x.jsonl",
            "x.jsonl:2: the line is longer than 4 MiB. Expected one JSON object a line, each shorter. "
            "Write every record on a line of its own.",
        ),
        (
            b'{"a": 1}\n',
            "x.jsonl.gz",
            "x.jsonl.gz: cannot be read: Not a gzipped file (b'{\"'). Expected a file of JSON Lines. Mend or remove the file.",
        ),
        (
            gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:-12],
            "x.jsonl.gz",
            "x.jsonl.gz: cannot be read: Compressed file ended before the end-of-stream marker was reached. "
            "Expected a file of JSON Lines. Mend or remove the file.",
        ),
    ],
)
def test_unreadable(content, name, message):
    with pytest.raises(UserError) as error:
        rows(source(content, name))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a": 01}', "is no JSON: Expecting ',' delimiter, at character 8"),
        (b'{"a": 1} {"a": 2}', "is no JSON: Extra data, at character 10"),
        (b"12", "is a number"),
        (b'"a"', "is a string"),
        (b"null", "is null"),
        (b"true", "is true or false"),
        (b'{"a": []}', "is a list"),
        (b'{"a": {}}', "is an object"),
        (b'{"a": ' + b"[" * 100_000, "is nested too deep to be read"),
        (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "is nested too deep to be read"),
        (b'{"\xe9": 1}', r"'\xe9' is not valid utf-8"),
        (b'{"a": "\xe9"}', r"'\xe9' is not valid utf-8"),
        (b'{"\\udc00": 1}', "holds half a surrogate pair"),
    ],
)
def test_malformed(line, problem):
    made = source(b'{"a": 1}\n' + line + b'\n{"a": 2}')
    assert rows(made) == [{"a": b"1"}, {"a": b"2"}]
    assert [malformed.problem for malformed in made.malformed] == [problem]

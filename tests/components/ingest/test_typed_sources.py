"""Parquet and npz: types, and files that can't be taken."""

import datetime as dt
import decimal
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import UserError
from components.ingest import array_source, parquet_source
from components.ingest.npz_source import NpzSource
from components.ingest.parquet_source import ParquetSource
from components.ingest.source import Located
from components.ingest.values import key_text


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def columns(made):
    found = {name: [] for name in made.header}
    for block in made.blocks():
        for name, values in block.columns.items():
            assert len(values) == block.num_records
            found[name] += values.to_pylist()
    return found


MOMENT = dt.datetime(2024, 5, 6, 7, 8, 30, 250_000)  # noqa: DTZ001 (a naive one is meant)


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        (pa.array([1, None], pa.int8()), "integer", [1, None]),
        (pa.array([1, 2**64 - 1], pa.uint64()), "integer", [b"1", b"18446744073709551615"]),
        (pa.array([0.5, None, np.nan], pa.float32()), "number", [0.5, None, None]),
        (pa.array([np.float16(0.5)]), "number", [0.5]),
        (pa.array([decimal.Decimal("1.50")]), "number", [1.5]),
        (pa.array([True, None, False]), "integer", [1, None, 0]),
        (pa.array(["é", None, ""]), "string", ["é".encode(), None, b""]),
        (pa.array(["a"], pa.large_string()), "string", [b"a"]),
        (pa.array(["a", "b", "a", None]).dictionary_encode(), "string", [b"a", b"b", b"a", None]),
        (pa.array([7, None]).dictionary_encode(), "integer", [7, None]),
        (pa.array([dt.date(2024, 5, 6)]), "string", [b"2024-05-06"]),
        (pa.array([MOMENT, None]), "string", [b"2024-05-06T07:08:30.25", None]),
        (pa.array([MOMENT], pa.timestamp("ns", "America/Chicago")), "string", [b"2024-05-06T07:08:30.25Z"]),
        (pa.array([MOMENT.time()]), "string", [b"07:08:30.25"]),
        (pa.nulls(2), "missing", [None, None]),
    ],
    ids=str,
)
def test_parquet_types(values, kind, found):
    pq.write_table(pa.table({"x": values}), "x.parquet")
    made = ParquetSource(Path("x.parquet"), frozenset())
    assert made.kinds == {"x": kind}
    assert columns(made) == {"x": found}


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        (np.array([1, -2], np.int16), "integer", [1, -2]),
        (np.array([1, 2], ">i4"), "integer", [1, 2]),
        (np.array([2**64 - 1], np.uint64), "integer", [b"18446744073709551615"]),
        (np.array([0.5, np.nan]), "number", [0.5, None]),
        (np.array([0.5], np.float16), "number", [0.5]),
        (np.array([True, False]), "integer", [1, 0]),
        (np.array(["é", ""]), "string", ["é".encode(), b""]),
        (np.array(["", ""]), "string", [b"", b""]),
        (np.array(["é".encode(), b"a"]), "string", ["é".encode(), b"a"]),
        (np.array(["2024-05-06", "NaT"], "datetime64[D]"), "string", [b"2024-05-06", None]),
        (np.array(["2024-05", "NaT"], "datetime64[M]"), "string", [b"2024-05-01", None]),
        (np.array(["2024-05-06T07"], "datetime64[h]"), "string", [b"2024-05-06T07:00:00"]),
        (np.array([MOMENT]).astype("datetime64[ns]"), "string", [b"2024-05-06T07:08:30.25"]),
        (np.array([], np.int64), "integer", []),
    ],
    ids=str,
)
def test_npz_types(values, kind, found):
    np.savez("x.npz", x=values)
    made = NpzSource(Path("x.npz"), frozenset())
    assert made.kinds == {"x": kind}
    assert columns(made) == {"x": found}


@pytest.mark.parametrize(("source_class", "module"), [(ParquetSource, parquet_source), (NpzSource, array_source)])
def test_blocks_do_not_matter(monkeypatch, source_class, module):
    numbers, texts = np.arange(1000), np.array([f"text {number}" for number in range(1000)])
    path = Path("x.file")
    if source_class is ParquetSource:
        pq.write_table(pa.table({"a": numbers, "b": texts, "c": numbers / 4}), path, row_group_size=300)
    else:
        with path.open("wb") as file:
            np.savez_compressed(file, a=numbers, b=texts, c=numbers / 4)
    expected = columns(source_class(path, frozenset()))
    monkeypatch.setattr(module, "BLOCK_BYTES", 1000)
    made = source_class(path, frozenset())
    assert sum(1 for _ in made.blocks()) > 10
    assert columns(made) == expected
    assert expected["b"] == [text.encode() for text in texts.tolist()]
    assert list(next(made.blocks(["c", "a"])).columns) == ["a", "c"]
    assert list(made.locate([0, 998, 999])) == [
        Located(row, [str(row - 1), f"text {row - 1}", shown], f'{{"a": "{row - 1}", "b": "text {row - 1}", "c": "{shown}"}}')
        for row, shown in ((1, "0"), (999, "249.5"), (1000, "249.75"))
    ]


def test_keys_do_not_depend_on_the_width_of_a_type():
    integers, floats = pa.array([1, None, -3]), pa.array([1.0, None, -3.0])
    assert key_text(integers) == key_text(floats) == pa.array([b"1", None, b"-3"])
    assert key_text(pa.array([0.5])) == pa.array([b"4602678819172646912"])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pa.table({"x": [[1, 2]]}),
            "x.parquet: column 'x' is of the type list<element: int64>. Expected numbers, booleans, strings, dates or times. "
            "Write what is in it as columns of their own, or leave the column out of the file.",
        ),
        (
            pa.table({"x": [{"y": 1}]}),
            "x.parquet: column 'x' is of the type struct<y: int64>. Expected numbers, booleans, strings, dates or times. "
            "Write what is in it as columns of their own, or leave the column out of the file.",
        ),
        (
            pa.table({"x": [b"1"]}),
            "x.parquet: column 'x' is of the type binary. Expected numbers, booleans, strings, dates or times. "
            "Cast it before the file is written, or leave the column out of it.",
        ),
        (
            pa.table([[1], [2]], names=["x", "x"]),
            "x.parquet: two columns are named 'x'. Expected a name for each column, each different. Rename the columns.",
        ),
    ],
)
def test_parquet_that_cannot_be_taken(table, message):
    pq.write_table(table, "x.parquet")
    with pytest.raises(UserError) as error:
        columns(ParquetSource(Path("x.parquet"), frozenset()))
    assert str(error.value) == message


def test_no_parquet():
    Path("x.parquet").write_text("x,y\n1,2\n")
    with pytest.raises(UserError) as error:
        columns(ParquetSource(Path("x.parquet"), frozenset()))
    assert str(error.value).startswith("x.parquet: cannot be read: Parquet magic bytes not found in footer.")
    assert str(error.value).endswith(" Expected a Parquet file. Mend or remove the file.")


class Trap:
    """Leaves a trace if it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("sprung"),))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": np.array([Trap()], object)},
            "x.npz: array 'x' holds Python objects, which only unpickling reads. "
            "Expected numbers, booleans, strings or dates. Save it as strings or numbers, as by array.astype(str).",
        ),
        (
            {"x": np.array([1j])},
            "x.npz: array 'x' holds complex numbers. Expected numbers, booleans, strings or dates. "
            "Save it as one of these, or leave it out of the file.",
        ),
        (
            {"images": np.zeros((2, 28, 28)), "label": np.arange(2)},
            "x.npz: array 'images' is of the shape (2, 28, 28). Expected one dimension, with a value a record. "
            "Name it in data.images if it holds images, save its columns as arrays of their own, or leave it out.",
        ),
        (
            {"x": np.array(1)},
            "x.npz: array 'x' is of the shape (). Expected one dimension, with a value a record. "
            "Name it in data.images if it holds images, save its columns as arrays of their own, or leave it out.",
        ),
        (
            {"x": np.arange(2), "y": np.arange(1000)},
            "x.npz: the arrays are of different lengths: 'x' 2, 'y' 1,000. Expected a value a record in each. Mend the file.",
        ),
        (
            {"x": np.array([b"a", b"\xe9"])},
            r"x.npz, row 2: array 'x': b'\xe9' is not valid utf-8. Expected text. "
            "Save it as strings of Unicode, as by np.char.decode(array, 'cp1252').",
        ),
        ({}, "x.npz: holds no array. Expected one a column. Mend or remove the file."),
    ],
)
def test_npz_that_cannot_be_taken(arrays, message):
    np.savez("x.npz", **arrays)
    with pytest.raises(UserError) as error:
        columns(NpzSource(Path("x.npz"), frozenset()))
    assert str(error.value) == message
    assert not Path("sprung").exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "File is not a zip file"),
        (b"no such array", "the magic string is not correct; expected b'\\x93NUMPY', got b'no suc'"),
        (b"\x93NUMPY\x01\x00v\x00", "EOF: reading array header, expected 118 bytes got 0"),
    ],
)
def test_no_npz(content, found):
    if content is None:
        Path("x.npz").write_text("x,y\n1,2\n")
    else:
        with zipfile.ZipFile("x.npz", "w") as archive:
            archive.writestr("x.npy", content)
    with pytest.raises(UserError) as error:
        columns(NpzSource(Path("x.npz"), frozenset()))
    assert str(error.value) == (
        f"x.npz: cannot be read: {found}. Expected a .npz file, as numpy.savez writes. Mend or remove the file."
    )


def test_an_array_that_ends_early():
    np.savez("whole.npz", x=np.arange(1000))
    with zipfile.ZipFile("whole.npz") as whole, zipfile.ZipFile("x.npz", "w") as cut:
        cut.writestr("x.npy", whole.read("x.npy")[:-8])
    with pytest.raises(UserError) as error:
        columns(NpzSource(Path("x.npz"), frozenset()))
    assert str(error.value) == (
        "x.npz: cannot be read: x.npy ends early. Expected a .npz file, as numpy.savez writes. Mend or remove the file."
    )

import numpy as np
import pyarrow as pa
import pytest

from components.errors import ParamsError
from components.ingest.split import check_split, join_present, split_by_column, split_by_hash, split_by_time
from components.params.models import ColumnSplit, HashSplit, TimeSplit


def binary(values):
    return pa.array(values, pa.binary())


def test_the_hash_never_changes():
    # Written down once: a change of these splits would move the records of everybody's test sets.
    values = [binary([b"Cash", b"Cash", None, b""]), binary([b"12.45", b"12.46", b"1", b"1"])]
    assert split_by_hash(values, HashSplit()).tolist() == [0, 0, 0, 0]
    assert split_by_hash([binary([f"{number}".encode() for number in range(24)])], HashSplit()).tolist() == [
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        2,
        0,
        1,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        1,
        2,
        0,
        0,
    ]


def test_fractions_are_met():
    values = [binary([f"{number}".encode() for number in range(100_000)])]
    counts = np.bincount(split_by_hash(values, HashSplit(train=0.6, eval=0.3, test=0.1)))
    assert counts.tolist() == pytest.approx([60_000, 30_000, 10_000], rel=0.02)


def test_a_record_keeps_its_split_whatever_stands_around_it():
    values = binary([f"{number}".encode() for number in range(1000)])
    whole = split_by_hash([values], HashSplit())
    assert split_by_hash([values[400:500]], HashSplit()).tolist() == whole[400:500].tolist()


def test_neighbouring_keys_are_independent():
    splits = split_by_hash([binary([f"{number}".encode() for number in range(100_000)])], HashSplit()) == 0
    assert np.corrcoef(splits[:-1], splits[1:])[0, 1] == pytest.approx(0, abs=0.01)
    for last_digit in range(10):
        assert splits[last_digit::10].mean() == pytest.approx(0.7, abs=0.02)


def test_by_column():
    split = ColumnSplit(by="column", column="part", train=["a", "b"], eval=["c"], test=["d"])
    assert split_by_column(pa.array(["a", "d", None, "c", "b", "e"]), split).tolist() == [0, 2, -1, 1, 0, -1]


def test_by_numbers():
    split = TimeSplit(by="time", column="year", eval_from=2008, test_from=2009.5)
    assert split_by_time(pa.array([2007, 2008, 2009, 2010, None]), split).tolist() == [0, 1, 1, 2, -1]
    assert split_by_time(pa.array([None, None]), split).tolist() == [-1, -1]


def test_by_iso_times():
    split = TimeSplit(by="time", column="day", eval_from="2024-02-01", test_from="2024-03-01T12:00:00+01:00")
    days = ["2024-01-31", "2024-02-01", "2024-01-31T23:30:00-01:00", "2024-03-01 11:00", "2024-03-01T10:59:59Z", "March", None]
    assert split_by_time(pa.array(days), split).tolist() == [0, 1, 1, 2, 1, -1, -1]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (
            ColumnSplit(by="column", column="s", train=["a"], eval=["b"], test=["a"]),
            "data.split.test: 'a' is listed in train too. Expected it in one.",
        ),
        (
            TimeSplit(by="time", column="n", eval_from="2024-01-01", test_from="2025-01-01"),
            "data.split.eval_from: '2024-01-01', but column 'n' is of the kind number. Expected a number.",
        ),
        (
            TimeSplit(by="time", column="s", eval_from=3, test_from=4),
            "data.split.eval_from: 3, but column 's' is of the kind string. Expected an "
            "ISO 8601 date or time, as '2024-06-30'.",
        ),
        (
            TimeSplit(by="time", column="s", eval_from="2024-01-01", test_from="May"),
            "data.split.test_from: cannot read 'May' as an ISO 8601 date or time, as '2024-06-30'.",
        ),
        (
            TimeSplit(by="time", column="n", eval_from=5, test_from=5),
            "data.split.test_from: 5 is not after eval_from, 5. Expected it to be.",
        ),
    ],
)
def test_mistakes(split, message):
    with pytest.raises(ParamsError) as error:
        check_split(split, {"s": "string", "n": "number"})
    assert str(error.value) == message


def test_only_what_is_present_is_joined():
    one, two = pa.array([None, b"1", None, b""], pa.binary()), pa.array([None, None, b"2", b"3"], pa.binary())
    found = join_present({"a": one, "b": two})
    assert found.to_pylist() == [b"", b"\x1fa\x1e1", b"\x1fb\x1e2", b"\x1fa\x1e\x1fb\x1e3"]
    assert join_present({"a": one}).to_pylist() == join_present({"a": one, "c": pa.nulls(4, pa.binary())}).to_pylist()
    assert len(split_by_hash([found], HashSplit())) == 4

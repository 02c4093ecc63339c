from components.ingest.summary import summary


def test_all_is_well():
    report = {
        "num_records_in": 1002,
        "num_examples": {"train": 700, "eval": 151, "test": 151},
        "num_rejects": 0,
        "by_file": {"data/x.csv": {}},
        "by_rule": {},
        "columns": {"a": "integer", "b": "integer", "c": "string"},
        "num_values": {"a": 1002, "b": 11, "c": 500},
        "empty_columns": [],
        "label": "a",
    }
    assert summary(report) == (
        "1,002 records in 1 file → 1,002 examples (700 train, 151 eval, 151 test), 0 rejects\n"
        "3 columns (2 integers, 1 string), label a"
    )


def test_what_is_unusual():
    report = {
        "num_records_in": 1004,
        "num_examples": {"train": 700, "eval": 151, "test": 151},
        "num_rejects": 2,
        "by_file": {"data/x.csv": {}, "data/y.csv": {}},
        "by_rule": {"ragged": 1, "type": 1},
        "columns": {"a": "integer", "b": "number", "c": "string"},
        "num_values": {"a": 1002, "b": 10, "c": 0, "d": 0},
        "empty_columns": ["c", "d"],
        "label": "a",
    }
    assert summary(report) == (
        "1,004 records in 2 files → 1,002 examples (700 train, 151 eval, 151 test), 2 rejects\n"
        "2 columns (1 integer, 1 number), label a\n"
        "no value at all, left out: c, d\n"
        "hardly any value: b (10)\n"
        "rejects by rule: ragged 1, type 1; rejects.csv names file, line, column and value"
    )

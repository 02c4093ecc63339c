"""A column of texts: normalised, judged, measured."""

import pyarrow as pa
import pytest

from components.ingest.text_column import TextColumn
from components.params.models import TextParams


def prepare(texts, **params):
    column = TextColumn("review", TextParams(**params))
    prepared = column.prepare(pa.array(texts, pa.string()))
    broken = {
        check.rule: mask.to_pylist()
        for check, mask in column.checks(prepared, "Review")
        if mask is not None and any(mask.to_pylist())
    }
    return prepared, broken


def test_measures():
    prepared, broken = prepare(["Good film.  ", "Очень!", None], empty="keep")
    assert prepared.texts.to_pylist() == ["Good film.  ", "Очень!", None]
    assert {name: values.to_pylist() for name, values in prepared.measured.items()} == {
        "num_chars": [12, 6, None],
        "num_words": [2, 1, None],
        "script": ["Latin", "Cyrillic", None],
    }
    assert broken == {}


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        ("none", ["e\u0301", "ﬁ", "é", "\u1100\u1161"]),
        ("NFC", ["é", "ﬁ", "é", "가"]),
        ("NFKC", ["é", "fi", "é", "가"]),
    ],
)
def test_normalization(form, texts):
    prepared, _ = prepare(["e\u0301", "ﬁ", "é", "\u1100\u1161"], normalize=form)
    assert prepared.texts.to_pylist() == texts
    assert prepared.measured["num_chars"].to_pylist() == [len(text) for text in texts]


def test_empty_texts():
    texts = ["", " \t\n", "\u00a0\u3000\u2028\u200b\ufeff", None, "\u0085", ".", "  x"]
    assert prepare(texts)[1] == {"empty": [True, True, True, True, True, False, False]}
    assert prepare(texts, empty="keep")[1] == {}


def test_all_missing():
    column = TextColumn("t", TextParams())
    prepared = column.prepare(pa.nulls(2))
    assert prepared.texts.to_pylist() == [None, None]
    assert prepared.empty.to_pylist() == [True, True]


def test_no_texts():
    assert len(TextColumn("t", TextParams(max_chars=3)).prepare(pa.array([], pa.string())).texts) == 0


def test_overlong_texts_are_refused():
    prepared, broken = prepare(["abcd", "abcde", "ééééé", None], max_chars=4, empty="keep")
    assert broken == {"overlong": [False, True, True, False]}
    assert prepared.texts.to_pylist() == ["abcd", "abcde", "ééééé", None]


def test_overlong_texts_are_cut_between_characters():
    texts = ["abcde", "abc\r\nd", "abce\u0301x", "ab👨\u200d👩\u200d👧", "ab🇩🇪🇫🇷", "日本語文字", "abc"]
    prepared, broken = prepare(texts, max_chars=4, overlong="truncate", normalize="none")
    assert prepared.texts.to_pylist() == ["abcd", "abc", "abc", "ab", "ab🇩🇪", "日本語文", "abc"]
    assert prepared.measured["num_chars"].to_pylist() == [4, 3, 3, 2, 4, 4, 3]
    assert broken == {}


def test_a_cluster_longer_than_all_that_is_allowed():
    _, broken = prepare(["ok", "e" + "\u0323" * 9], max_chars=4, overlong="truncate", normalize="none")
    assert broken == {"overlong": [False, True]}


def test_messages():
    column = TextColumn("review", TextParams(max_chars=1000))
    prepared = column.prepare(pa.array(["a"]))
    assert [(check.column, check.problem, check.expected, check.fix) for check, _ in column.checks(prepared, "Review")] == [
        (
            "Review",
            "the text is empty, or white space alone",
            "a text in every record",
            "Fix the file, set data.texts.review.empty: keep",
        ),
        (
            "Review",
            "the text is too long",
            "at most 1,000 characters, data.texts.review.max_chars",
            "Shorten it, raise the limit, set overlong: truncate there",
        ),
    ]

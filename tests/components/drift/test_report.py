"""JSON, pictures and page of a comparison with drift of every sort."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from components.drift.profile import Profile
from components.drift.report import Comparison, as_text, judge, told, write_comparisons

HOW = {"limits": dict.fromkeys(("numeric", "categorical", "text", "image"), 0.05), "significance": 0.01}
Make = Callable[..., Profile]


@pytest.fixture(scope="module")
def skewed(make_profile: Make) -> Comparison:
    old = {
        "fare": [float(index % 50) for index in range(400)],
        "fare/tip": [1.5] * 400,
        "area": ["north", "<b>south</b>"] * 200,
        "code": ["7", "8"] * 200,
        "text": ["a good film", "a bad film"] * 200,
        "same": [1, 2] * 200,
    }
    new = {
        **old,
        "fare": [None if index % 4 == 0 else float(index % 50 + 9) for index in range(400)],
        "fare/tip": [None] * 400,
        "area": ["north"] * 400,
        "code": [7, 8] * 200,
        "text": ["a good film", "a dull film"] * 200,
    }
    return judge("serving", make_profile(old), make_profile(new), version="3", **HOW)  # type: ignore[arg-type]


def test_what_is_written(skewed: Comparison, tmp_path: Path) -> None:
    nothing = judge("champion", None, None, reason="there is no champion yet", **HOW)  # type: ignore[arg-type]
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
        write_comparisons(folder, [("drift.json", skewed), ("none.json", nothing)])
    files = {path.relative_to(folders[0]): path.read_bytes() for path in folders[0].rglob("*") if path.is_file()}
    assert files == {path.relative_to(folders[1]): path.read_bytes() for path in folders[1].rglob("*") if path.is_file()}
    assert sorted(map(str, files)) == [
        "drift.html",
        "drift.json",
        "none.json",
        *(f"serving/0{number}_{name}.png" for number, name in enumerate(["code", "fare_tip", "area", "text", "fare"], 1)),
        "serving/overview.png",
    ]
    assert json.loads(files[Path("drift.json")]) == skewed.as_dict()
    page = files[Path("drift.html")].decode()
    assert page.count("<img ") == 6
    assert "Requests, against the training data of the champion (version 3)" in page
    assert "drift in 5 of 6 features, 400 records against 400" in page
    assert "no baseline: there is no champion yet" in page
    assert "&lt;b&gt;south" in page
    assert "<b>south" not in page


def test_what_is_told(skewed: Comparison) -> None:
    content = skewed.as_dict()
    assert (content["state"], content["against"], content["version"]) == ("drift", "serving", "3")
    assert told(content) == "drift in 5 of 6 features, 400 records against 400"
    lines = as_text(content).splitlines()
    assert len(lines) == 5
    assert [line for line in lines if line.startswith("    fare/tip")] == [
        "    fare/tip: presence 1.000 (limit 0.081, p-value 0); vanished: only the baseline has values of it"
    ]


@pytest.mark.parametrize("empty", [0, 1])
def test_a_split_without_records_is_no_baseline(make_profile: Make, empty: int) -> None:
    sides = [make_profile({"x": [1, 2]}), make_profile({"x": [1, 2]})]
    sides[empty] = Profile("eval", 0, 1.0, 0.0, None)
    found = judge("eval", *sides, **HOW)  # type: ignore[arg-type]
    assert (found.state, found.reason) == ("no_baseline", "the split eval holds no record")
    assert told(found.as_dict()) == "no baseline: the split eval holds no record"

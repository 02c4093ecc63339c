"""The folder beside the output: overlays, and a page that needs nothing from outside."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from components.explain import gallery as module
from components.explain.gallery import Gallery

PNG = b"\x89PNG"


def columns(attributions: pa.Array) -> dict[str, pa.Array]:
    number = len(attributions)
    return {
        "file": pa.array(["new.csv"] * number),
        "row": pa.array(range(1, number + 1)),
        "explained": pa.array(["positive"] * number),
        "explained_value": pa.array([1.25] * number, pa.float32()),
        "explained_baseline": pa.array([-0.001] * number, pa.float32()),
        "attribution_it": attributions,
    }


def schema_of(found: dict[str, pa.Array]) -> pa.Schema:
    return pa.schema([(name, array.type) for name, array in found.items()])


def test_pictures_become_files(tmp_path: Path) -> None:
    found = columns(pa.array([PNG + b"1", PNG + b"2"], pa.binary()))
    folder = tmp_path / "out.explained"
    folder.mkdir()
    (folder / "older.png").write_bytes(b"older")
    with Gallery(folder, schema_of(found)) as gallery:
        assert gallery.names == ["attribution_it"]
        assert gallery.add(found)["attribution_it"].to_pylist() == ["out.explained/0000000.png", "out.explained/0000001.png"]
        assert gallery.add(found)["attribution_it"].to_pylist() == ["out.explained/0000002.png", "out.explained/0000003.png"]
        assert [path.name for path in folder.iterdir()] == ["older.png"]  # until the new one is whole
        gallery.publish()
    assert sorted(path.name for path in folder.iterdir()) == [*(f"000000{number}.png" for number in range(4)), "index.html"]
    assert (folder / "0000003.png").read_bytes() == PNG + b"2"
    page = (folder / "index.html").read_text()
    assert page.count('<img src="000000') == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out.explained"]


def test_a_page_of_texts(tmp_path: Path) -> None:
    words = [{"word": "<b>good</b>", "attribution": 2.0}, {"word": "bad", "attribution": -1.0}]
    found = columns(pa.array([words, []], pa.list_(pa.struct([("word", pa.string()), ("attribution", pa.float32())]))))
    with Gallery(tmp_path / "out.explained", schema_of(found)) as gallery:
        assert gallery.add(found) == found
        gallery.publish()
    page = (tmp_path / "out.explained" / "index.html").read_text()
    assert '<span title="+2.000" style="background: rgba(224, 122, 95, 0.85)">&lt;b&gt;good&lt;/b&gt;</span>' in page
    assert '<span title="-1.000" style="background: rgba(42, 111, 151, 0.42)">bad</span>' in page
    assert "http" not in page
    assert "from 0 of words that say nothing" in page


def test_what_was_not_published_is_gone(tmp_path: Path) -> None:
    found = columns(pa.array([PNG], pa.binary()))
    with Gallery(tmp_path / "out.explained", schema_of(found)) as gallery:
        gallery.add(found)
    assert list(tmp_path.iterdir()) == []


def test_a_long_page_shows_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SHOWN", 3)
    found = columns(pa.array([PNG] * 2, pa.binary()))
    with Gallery(tmp_path / "out.explained", schema_of(found)) as gallery:
        gallery.add(found)
        gallery.add(found)
        gallery.publish()
    page = (tmp_path / "out.explained" / "index.html").read_text()
    assert page.count("<article>") == 3
    assert "The first 3 of 4." in page

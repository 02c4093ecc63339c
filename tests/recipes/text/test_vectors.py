"""Files of trained vectors: GloVe, word2vec, NumPy; and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recipes.contract import RecipeError
from recipes.text.vectors import read_vectors

GLOVE = "the 0.1 0.2 -0.5\n. . . 1 1 1\ncafé 1e-1 2 3\n"


def read(path: Path, *words: str) -> tuple[dict[str, list[float]], int]:
    found, dim = read_vectors(path, words)
    assert all(vector.dtype == np.float32 for vector in found.values())
    return {word: [round(float(number), 6) for number in vector] for word, vector in found.items()}, dim


@pytest.mark.parametrize("head", ["", "3 3\n"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_text_files(head: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes((head + GLOVE.replace("\n", end)).encode())
    found = {"the": [0.1, 0.2, -0.5], "café": [0.1, 2.0, 3.0], ". . .": [1.0, 1.0, 1.0]}
    assert read(path, "the", "café", ". . .", "film") == (found, 3)


def test_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", np.array([[1, 2], [3, 4], [5, 6]], np.float64))
    (tmp_path / "vectors.txt").write_text("a\nb\nc\n")
    assert read(tmp_path / "vectors.npy", "c", "a", "x") == ({"a": [1.0, 2.0], "c": [5.0, 6.0]}, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "the 0.1 0.2\nfilm 0.1\n",
            "{}:2: expected a word and 2 numbers, between spaces, got 'film 0.1'. Remove the line, or take a file in the "
            "text format of GloVe or word2vec.",
        ),
        (
            "the\tx\n",
            "{}:1: expected a word and its numbers, between spaces, got 'the\\tx'. Remove the line, or take a file in the "
            "text format of GloVe or word2vec.",
        ),
        ("a 1 2\nfilm 0.1 x\n", "{}:2: expected 2 finite numbers after the word, got 'x'."),
        ("a 1 2\nfilm 0.1 nan\n", "{}:2: expected 2 finite numbers after the word, got 'nan'."),
        ("", "{}: the file has no vectors. Expected a line a word: it and its numbers, between spaces."),
    ],
)
def test_a_bad_text_file(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    with pytest.raises(RecipeError) as caught:
        read_vectors(path, ["film"])
    assert str(caught.value) == message.format(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_vectors(tmp_path / "x.txt", [])
    expected = f"model.embeddings.path: there is no file {tmp_path}/x.txt. Correct the path (from the repository's root)."
    assert str(caught.value) == expected


def test_a_bad_array(tmp_path: Path) -> None:
    def message(array: np.ndarray, words: str | None = None) -> str:
        np.save(tmp_path / "v.npy", array)
        if words is not None:
            (tmp_path / "v.txt").write_text(words)
        with pytest.raises(RecipeError) as caught:
            read_vectors(tmp_path / "v.npy", ["a", "b"])
        return str(caught.value)

    path = tmp_path / "v"
    good = np.ones((2, 3), np.float32)
    objects = np.array([None])
    assert message(objects).startswith(f"{path}.npy: this is no NumPy array of numbers (")
    assert message(good[0]) == f"{path}.npy: expected an array of floats [words, n], got float32 [3]."
    assert message(good) == f"{path}.npy: its words are missing. Expected {path}.txt, with a word a line."
    assert message(good, "a\n") == f"{path}.txt: expected 2 lines, a word for each row of v.npy, got 1."
    assert message(good * np.nan, "a\nb\n") == f"{path}.npy: the vector of 'a' (row 0) has a number that is not finite."

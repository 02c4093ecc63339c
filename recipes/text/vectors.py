"""Reads trained vectors of words: text files of GloVe and word2vec, and NumPy arrays."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from recipes.contract import RecipeError


def read_vectors(path: Path, words: Collection[str]) -> tuple[dict[str, np.ndarray], int]:
    """The vectors of those words that the file has, float32 [n] each, and n.

    Args:
        path: A text file, a line a word (the word and its n numbers, between spaces; word2vec's first line, of two counts, is
            passed over), or a .npy file, float [words, n], whose words are the lines of the .txt file of the same name.
        words: The words that are wanted.

    Raises: RecipeError, with file and line, if there is no such file or it is of another form.
    """
    if not path.is_file():
        raise RecipeError(f"model.embeddings.path: there is no file {path}. Correct the path (from the repository's root).")
    return _read_array(path, words) if path.suffix == ".npy" else _read_text(path, words)


def _read_array(path: Path, words: Collection[str]) -> tuple[dict[str, np.ndarray], int]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise RecipeError(f"{path}: this is no NumPy array of numbers ({error}). Expected float [words, n].") from error
    if array.ndim != 2 or array.dtype.kind != "f":
        raise RecipeError(f"{path}: expected an array of floats [words, n], got {array.dtype} {list(array.shape)}.")
    names = path.with_suffix(".txt")
    if not names.is_file():
        raise RecipeError(f"{path}: its words are missing. Expected {names}, with a word a line.")
    lines = names.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    if len(lines) != len(array):
        raise RecipeError(f"{names}: expected {len(array)} lines, a word for each row of {path.name}, got {len(lines)}.")
    wanted = set(words)
    found = {word: np.asarray(array[row], np.float32) for row, word in enumerate(lines) if word in wanted}
    for word, vector in found.items():
        if not np.isfinite(vector).all():
            raise RecipeError(f"{path}: the vector of '{word}' (row {lines.index(word)}) has a number that is not finite.")
    return found, int(array.shape[1])


def _read_text(path: Path, words: Collection[str]) -> tuple[dict[str, np.ndarray], int]:
    wanted = {word.encode() for word in words}
    found: dict[str, np.ndarray] = {}
    dim = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip().split(b" ")
            if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
                continue
            if not dim:
                dim = len(fields) - 1
            # A word of GloVe's may have a space in it.
            word, numbers = b" ".join(fields[:-dim]) if dim else b"", fields[-dim:]
            if not word:
                expected = f"{dim} numbers" if dim else "its numbers"
                raise RecipeError(
                    f"{path}:{number}: expected a word and {expected}, between spaces, got {_excerpt(line)}. Remove the line, "
                    "or take a file in the text format of GloVe or word2vec."
                )
            if word in wanted:
                found[word.decode()] = _numbers(numbers, path, number)
    if not dim:
        raise RecipeError(f"{path}: the file has no vectors. Expected a line a word: it and its numbers, between spaces.")
    return found, dim


def _numbers(fields: list[bytes], path: Path, line: int) -> np.ndarray:
    for field in fields:
        try:
            good = np.isfinite(float(field))
        except ValueError:
            good = False
        if not good:
            raise RecipeError(f"{path}:{line}: expected {len(fields)} finite numbers after the word, got {_excerpt(field)}.")
    return np.array([float(field) for field in fields], np.float32)


def _excerpt(content: bytes) -> str:
    text = content.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else f"{text[:57]}...")

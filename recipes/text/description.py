"""What the embeddings have learned, as files: for TensorFlow's Embedding Projector, and each word's neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

MAX_ROWS = 10_000
"""The projector samples what has more points."""
NUM_TOKENS = 100
NUM_NEIGHBOURS = 8


def write_projector(folder: Path, tokens: Sequence[str], vectors: np.ndarray) -> None:
    """Writes projector/vectors.tsv, metadata.tsv and neighbours.tsv into `folder`.

    The first two are what projector.tensorflow.org loads (tutorial "Word embeddings"): a row a token, the numbers of its
    vector, and the token; metadata of one column has no header. The third has the nearest tokens, by the cosine of the angle
    between the vectors, of the most frequent ones; a zero vector has no neighbours.

    Args:
        folder: Must be there.
        tokens: The most frequent first.
        vectors: Float [tokens, n].
    """
    tokens, vectors = tokens[:MAX_ROWS], vectors[:MAX_ROWS].astype(np.float64)
    projector = folder / "projector"
    projector.mkdir()
    rows = ("\t".join(f"{number:.6g}" for number in vector) + "\n" for vector in vectors)
    (projector / "vectors.tsv").write_text("".join(rows), encoding="utf-8")
    (projector / "metadata.tsv").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    lengths = np.linalg.norm(vectors, axis=1)
    there = np.flatnonzero(lengths)
    unit = vectors[there] / lengths[there, np.newaxis]
    lines = ["token\tneighbour\tcosine\n"]
    for index, cosines in enumerate(unit[:NUM_TOKENS] @ unit.T):
        cosines[index] = -np.inf
        nearest = np.argsort(-cosines, kind="stable")[: min(NUM_NEIGHBOURS, len(there) - 1)]
        lines += [f"{tokens[there[index]]}\t{tokens[there[other]]}\t{cosines[other]:.4f}\n" for other in nearest]
    (projector / "neighbours.tsv").write_text("".join(lines), encoding="utf-8")

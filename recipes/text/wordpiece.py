"""A WordPiece vocabulary learned from the training split, within TFT's analysis, and its pieces.

The learner is TensorFlow Text's, which made BERT's multilingual vocabularies (see its guide "Subword tokenizers").
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_text
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam

from recipes.text.params import WordPiece
from recipes.text.vocabulary import OTHER, VOCABULARY_FILE


def wordpiece_ids(words: tf.RaggedTensor, tokenizer: WordPiece) -> tf.RaggedTensor:
    """Strings [batch, None] → lines of the learned vocabulary, int64 [batch, None]; a word may give several."""
    (path,) = tft.experimental.ptransform_analyzer(
        [words.flat_values],
        _Learn(tokenizer.vocab_size, tokenizer.min_count),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[OTHER.encode()],
    )
    tft.annotate_asset(VOCABULARY_FILE, VOCABULARY_FILE)
    # Only a lookup_fn may use an asset that is not there yet.
    pieces = tft.apply_vocabulary(words.flat_values, path, lookup_fn=_look_up)
    return words.with_flat_values(pieces).merge_dims(1, 2)


def learn(counts: Iterable[tuple[str, int]], vocab_size: int, min_count: int) -> list[str]:
    """The pieces that words so frequent are best made of; `[UNK]` is the first.

    Args:
        counts: Words and how often they occur, in any order.
        vocab_size: About so many pieces.
        min_count: The learner takes pieces as frequent as this at least.
    """
    from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

    ordered = sorted(counts, key=lambda count: (-count[1], count[0]))
    if not ordered:
        return [OTHER]
    pieces: list[str] = learner.learn(ordered, vocab_size, [OTHER], lower_thresh=min_count)
    return pieces


def _look_up(words: tf.Tensor, path: Any) -> tuple[tf.RaggedTensor, tf.Tensor]:
    # As TFT does with its own tables: once the file is there, the table is made once, outside of the function.
    is_there = tf.inside_function() and not tf.is_symbolic_tensor(path)
    with tf.init_scope() if is_there else contextlib.nullcontext():
        lines = tf.lookup.TextFileIndex
        initializer = tf.lookup.TextFileInitializer(path, tf.string, lines.WHOLE_LINE, tf.int64, lines.LINE_NUMBER)
        table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=1)
        size = table.size()
    splitter = tensorflow_text.WordpieceTokenizer(table, unknown_token=OTHER, token_out_type=tf.int64)
    return splitter.tokenize(words), size


class _Learn(tft_beam.experimental.PTransformAnalyzer):
    """Batches of words → the path of the vocabulary's file."""

    def __init__(self, vocab_size: int, min_count: int) -> None:
        super().__init__()
        self._vocab_size, self._min_count = vocab_size, min_count

    def expand(self, pcoll: beam.PCollection) -> beam.PCollection:
        path = str(PurePosixPath(self.base_temp_dir) / VOCABULARY_FILE)

        def write(counts: list[tuple[str, int]]) -> np.ndarray:
            tf.io.gfile.makedirs(self.base_temp_dir)
            with tf.io.gfile.GFile(path, "w") as file:
                file.write("".join(f"{piece}\n" for piece in learn(counts, self._vocab_size, self._min_count)))
            return np.array(path.encode(), dtype=object)

        return (
            pcoll
            | "Count" >> beam.FlatMap(_counts)
            | "Sum" >> beam.CombinePerKey(sum)
            | "Collect" >> beam.combiners.ToList()
            | "Learn" >> beam.Map(write)
        )


def _counts(batch: tuple[np.ndarray]) -> list[tuple[str, int]]:
    words, counts = np.unique(batch[0], return_counts=True)
    return [(word.decode(), int(count)) for word, count in zip(words, counts, strict=True)]

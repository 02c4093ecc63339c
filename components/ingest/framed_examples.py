"""tf.Examples as they stand in TFRecord files, from Arrow columns, with each byte laid down once.

The bytes are those of `tfrecord_writer.frame(tf_example.encode(…))`, which copies every example three times.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.tf_example import encode, example_prefix, pieces_of
from components.tfrecord_writer import FOOTER_BYTES, HEADER_BYTES, checksums, content_of, frame, header, mask


def framed_examples(columns: Mapping[str, pa.Array], num_records: int) -> tuple[memoryview, np.ndarray]:
    """One example a record, with its frame; arguments as of `tf_example.encode`.

    Returns: The bytes of all, end to end, and where each record starts and the last one ends: int32, [records + 1].
    """
    pieces = pieces_of(columns)
    if not pieces or not num_records:
        return content_of(frame(encode(columns, num_records)))
    num_bytes = np.zeros(num_records, np.int64)
    for piece in pieces:
        num_bytes += pc.fill_null(pc.binary_length(piece), 0).to_numpy()
    lengths = pa.array(num_bytes).dictionary_encode()
    heads = pa.array([_head(length) for length in lengths.dictionary.to_pylist()], pa.binary()).take(lengths.indices)
    footer = pa.scalar(bytes(FOOTER_BYTES))  # the checksums are not known yet
    framed = pc.binary_join_element_wise(heads, *pieces, footer, b"", null_handling="replace", null_replacement=b"")
    content, positions = content_of(framed)
    starts, ends = positions[:-1] + HEADER_BYTES, positions[1:] - FOOTER_BYTES
    sums = checksums(bytes(content), starts, ends)
    footers = ends[:, np.newaxis] + np.arange(FOOTER_BYTES)
    np.frombuffer(content, np.uint8)[footers] = mask(sums).view(np.uint8).reshape(-1, FOOTER_BYTES)
    return content, positions


def _head(num_bytes: int) -> bytes:
    prefix = example_prefix(num_bytes)
    return header(len(prefix) + num_bytes) + prefix

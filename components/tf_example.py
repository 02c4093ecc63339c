"""Writes Arrow columns as serialized tf.Examples, a block at a time.

The bytes are those of protobuf's deterministic serialization: features sorted by name. tfx_bsl's
`RecordBatchToExamplesEncoder` writes them in an order that differs from process to process, so the same input would not
give the same bytes; it is also slower. A missing value has no feature at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Tags of protobuf fields, all length-delimited: field number << 3 | 2.
_FIRST, _SECOND = b"\x0a", b"\x12"
_LIST_TAGS = {pa.binary(): b"\x0a", pa.float32(): b"\x12", pa.int64(): b"\x1a"}  # Feature.{bytes,float,int64}_list
_FLOAT_BYTES = 4
_MOST_VARINT_BYTES = 10


def encode(columns: Mapping[str, pa.Array], num_records: int) -> pa.Array:
    """Serializes one tf.Example a record.

    Args:
        columns: Feature → values, [records], of type binary, float32 or int64, or lists of them (any number a record,
                large lists too).
        num_records: Length of every column.

    Returns: Binary, [records].
    """
    pieces = pieces_of(columns)
    if not pieces:
        return pa.repeat(pa.scalar(b""), num_records)
    # Not null_handling="skip": with it, Arrow leaves out the records in which every piece is missing (seen in 18.1).
    features = pc.binary_join_element_wise(*pieces, b"", null_handling="replace", null_replacement=b"")
    # Example {features = 1}. The tag and length of `features` stand before every record.
    return _with_length(features)


def pieces_of(columns: Mapping[str, pa.Array]) -> list[pa.Array]:
    """What `encode` lays end to end behind `example_prefix`: binary, [records] each, null where there is nothing."""
    return [
        piece
        for name, values in sorted(columns.items(), key=lambda column: column[0].encode())
        for piece in _map_entry(name.encode(), values)
    ]


def example_prefix(num_bytes: int) -> bytes:
    """What stands before the features of an example, if they take so many bytes: Example {features = 1}."""
    return _FIRST + _varint(num_bytes)


def _map_entry(name: bytes, values: pa.Array) -> list[pa.Array]:
    """The parts of Features.feature's entry for one column; missing where the value is."""
    key = _FIRST + _varint(len(name)) + name
    if pa.types.is_large_list(values.type):  # as tfx_bsl decodes examples
        item = values.type.value_type
        values = values.cast(pa.list_(pa.binary() if pa.types.is_large_binary(item) else item))
    is_list = pa.types.is_list(values.type)
    kind = values.type.value_type if is_list else values.type
    tag = _LIST_TAGS[kind]
    # The numbers of a list stand behind one header; each text of a list brings its own.
    has_header = not (is_list and kind == pa.binary())

    def prefix(length: int) -> bytes:
        """All that stands before a value, or the values of a list, of `length` bytes."""
        value_list = _FIRST + _varint(length) if has_header else b""
        feature = tag + _varint(len(value_list) + length) + value_list
        value = _SECOND + _varint(len(feature) + length) + feature
        return _FIRST + _varint(len(key) + len(value) + length) + key + value

    if is_list:
        lists = _lists(values, kind)
        return [_by_length(lists, prefix), lists]
    if kind == pa.float32():
        return [_fixed(prefix(_FLOAT_BYTES), values)]
    if kind == pa.int64():
        # Integers repeat: hours, codes, classes. Encoding the different ones alone is several times faster.
        repeated = values.dictionary_encode()
        varints = _varints(repeated.dictionary)
        entries = pc.binary_join_element_wise(_by_length(varints, prefix), varints, b"")
        return [entries.take(repeated.indices)]
    return [_by_length(values, prefix), values]


def _lists(values: pa.ListArray, kind: pa.DataType) -> pa.Array:
    """The encoded values of each list, one after the other; missing where the list is."""
    flat = values.flatten()
    starts: np.ndarray
    if kind == pa.float32():
        content = flat.to_numpy().astype("<f4", copy=False).view(np.uint8)
        starts = np.arange(len(flat) + 1) * _FLOAT_BYTES
    else:
        each = _varints(flat) if kind == pa.int64() else _with_length(flat)
        _, offsets, buffer = each.buffers()
        content = np.frombuffer(buffer, np.uint8) if buffer is not None else np.empty(0, np.uint8)
        starts = np.frombuffer(offsets, np.int32)[each.offset : each.offset + len(each) + 1]
    counts = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    ends = starts[np.cumsum(counts)] if len(counts) else starts[:0]
    return _binary(content, np.diff(ends, prepend=starts[:1]), _missing(values))


def _with_length(texts: pa.Array) -> pa.Array:
    """Each text behind its tag and length."""
    return pc.binary_join_element_wise(_by_length(texts, example_prefix), texts, b"")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _by_length(values: pa.Array, make: Callable[[int], bytes]) -> pa.Array:
    """`make(length)` for each value, missing where the value is."""
    lengths = pc.binary_length(values).dictionary_encode()
    return pa.array([make(length) for length in lengths.dictionary.to_pylist()], pa.binary()).take(lengths.indices)


def _fixed(prefix: bytes, values: pa.Array) -> pa.Array:
    """Each float's four bytes behind the prefix."""
    floats = pc.fill_null(values, 0.0).to_numpy().astype("<f4", copy=False)
    rows = np.empty((len(values), len(prefix) + 4), np.uint8)
    rows[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    rows[:, len(prefix) :] = floats.view(np.uint8).reshape(-1, 4)
    return _binary(rows.reshape(-1), np.full(len(values), rows.shape[1]), _missing(values))


def _varints(values: pa.Array) -> pa.Array:
    """Each integer as a varint, in two's complement as protobuf has it; none is missing."""
    integers = values.to_numpy().view(np.uint64)
    shifts = np.arange(0, 7 * _MOST_VARINT_BYTES, 7, dtype=np.uint64)
    groups = ((integers[:, np.newaxis] >> shifts) & np.uint64(0x7F)).astype(np.uint8)
    # The last group that is not zero ends the number; zero itself takes one.
    lengths = ((groups != 0) * np.arange(1, _MOST_VARINT_BYTES + 1)).max(axis=1, initial=1)
    position = np.arange(_MOST_VARINT_BYTES)
    groups |= np.where(position < lengths[:, np.newaxis] - 1, np.uint8(0x80), np.uint8(0))
    return _binary(groups[position < lengths[:, np.newaxis]], lengths, None)


def _binary(content: np.ndarray, lengths: np.ndarray, missing: np.ndarray | None) -> pa.Array:
    """A binary array from its bytes laid end to end."""
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    validity = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    return pa.Array.from_buffers(
        pa.binary(), len(lengths), [validity, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(content))]
    )


def _missing(values: pa.Array) -> np.ndarray | None:
    return values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None

"""Signatures of a loaded SavedModel: what each takes and answers, and the call itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.serve.refusal import RefusalError, bad_request

RAW = "serve_raw"
EXAMPLES = "serving_default"


@dataclass(frozen=True)
class Tensor:
    """One input.

    Attributes:
        dtype: TensorFlow's.
        shape: With the batch; None where any size will do, and as a whole where any rank will.
    """

    dtype: Any
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        sizes = "…" if self.shape is None else ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.dtype.name} [{sizes}]"

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape may go in."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            size is None or size == given for size, given in zip(self.shape, shape, strict=True)
        )


class RowRefusalError(RefusalError):
    """The model refuses one row.

    Attributes:
        row: Its index in the request.
    """

    def __init__(self, row: int, message: str) -> None:
        super().__init__(400, message)
        self.row = row


class Signature:
    """One signature.

    Attributes:
        name: Its name.
        inputs: Name → tensor.
        by_rows: Whether all inputs and outputs have a row a record, so that requests can be joined into one call.

    Args:
        name: Its name.
        function: The concrete function; whoever holds the signature must also hold the object that was loaded.
    """

    def __init__(self, name: str, function: Any) -> None:
        self.name = name
        self._function = function
        self.inputs = {
            each: Tensor(spec.dtype, None if spec.shape.rank is None else tuple(spec.shape))
            for each, spec in sorted(function.structured_input_signature[1].items())
        }
        shapes = [tensor.shape for tensor in self.inputs.values()]
        shapes += [None if spec.shape.rank is None else tuple(spec.shape) for spec in function.structured_outputs.values()]
        self.by_rows = bool(self.inputs) and all(shape and shape[0] is None for shape in shapes)

    def call(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs by name.

        Raises: RefusalError if the graph refuses what the arrays hold.
        """
        import tensorflow as tf

        tensors = {name: tf.constant(array, self.inputs[name].dtype) for name, array in arrays.items()}
        try:
            return {name: tensor.numpy() for name, tensor in self._function(**tensors).items()}
        except tf.errors.InvalidArgumentError as error:
            raise bad_request(f"the model refuses it: {error.message.splitlines()[0]}") from None

    def call_rows(self, arrays: Mapping[str, np.ndarray], num_rows: int, most_rows: int) -> dict[str, np.ndarray]:
        """As `call`, at most `most_rows` at a time. Raises: RowRefusalError for the first row that is refused."""
        try:
            if num_rows <= most_rows:
                return self.call(arrays)
            parts = [
                self.call({name: array[start : start + most_rows] for name, array in arrays.items()})
                for start in range(0, num_rows, most_rows)
            ]
        except RefusalError as error:
            row = self._first_refused(arrays, 0, num_rows)
            raise RowRefusalError(row, str(error)) from None
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _first_refused(self, arrays: Mapping[str, np.ndarray], start: int, end: int) -> int:
        """By halving: within twice the time that all rows take."""
        while end - start > 1:
            middle = (start + end) // 2
            try:
                self.call({name: array[start:middle] for name, array in arrays.items()})
                start = middle
            except RefusalError:
                end = middle
        return start

"""A registered model that answers blocks of examples with columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from components.errors import UserError
from components.evaluate.model_info import read_model_info
from components.evaluate.predictions import batch_size
from components.ingest.kinds import Kind
from components.saved_model import load

if TYPE_CHECKING:
    from components.explain.explainer import Explainer

_SIGNATURE = "serving_default"


class Model:
    """A SavedModel that takes serialized tf.Examples.

    Attributes:
        info: What its model.json says.
        inputs: Column that it takes → its kind.
        schema: Name → type of the columns that it answers.

    Args:
        folder: Of the model artifact.

    Raises: TensorlineError if the folder holds no model that the train stage wrote.
    """

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self.info = read_model_info(folder)
        self._loaded = load(folder)  # held: the signature alone does not keep the variables
        self._signature = self._loaded.signatures[_SIGNATURE]
        self._batch_size = batch_size(self.info)
        # serve_raw has integers as float64: float32 holds those up to 2^24 alone (components/train/export.py).
        kinds: dict[Any, Kind] = {tf.float64: "integer", tf.float32: "number", tf.string: "string"}
        raw = self._loaded.signatures["serve_raw"].structured_input_signature[1]
        images = self.info.inputs_of("image")
        self._folder = folder
        self.inputs: dict[str, Kind] = {
            name: "bytes" if name in images else kinds[spec.dtype] for name, spec in sorted(raw.items())
        }
        outputs = {
            name: np.empty([0, *(size or 0 for size in (tensor.shape[1:] if tensor.shape.rank else []))], _dtype(tensor.dtype))
            for name, tensor in self._signature.structured_outputs.items()
        }
        self.schema = pa.schema([(name, array.type) for name, array in self._columns(outputs).items()])

    def explainer(self) -> Explainer:
        """Explains what the model answers. Raises: UserError if it can't be explained."""
        from components.explain.explainer import Explainer

        return Explainer(self._folder, self._loaded, self.info)

    @property
    def signatures(self) -> Mapping[str, Any]:
        """Name → concrete function; they compute as long as the model is held."""
        signatures: Mapping[str, Any] = self._loaded.signatures
        return signatures

    def answer(self, examples: pa.Array) -> dict[str, pa.Array]:
        """The columns of `schema`, [examples].

        A classifier answers `label`, `score` (binary: probability of the second class) and `probability_CLASS` for each class;
        a regressor `prediction`; a model of another kind its outputs by their names, a value or nested lists a record.

        Args:
            examples: Serialized tf.Examples, binary, [examples].

        Raises: UserError if the model can't take one of them.
        """
        import tensorflow as tf

        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, len(examples), self._batch_size):
            batch = tf.constant(examples.slice(start, self._batch_size).to_numpy(zero_copy_only=False), tf.string)
            try:
                parts.append({name: tensor.numpy() for name, tensor in self._signature(examples=batch).items()})
            except tf.errors.InvalidArgumentError as error:
                raise UserError(
                    f"the model refuses a record: {error.message.splitlines()[0]}. Expected records as in the training data. "
                    "If a value is missing that the schema's `shape` demands, add it, or take `shape` out of the schema and "
                    "train again."
                ) from None
        if not parts:
            return {field.name: pa.array([], field.type) for field in self.schema}
        return self._columns({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    def _columns(self, outputs: dict[str, np.ndarray]) -> dict[str, pa.Array]:
        if self.info.kind == "scored":
            return {name: _column(values) for name, values in sorted(outputs.items())}
        if self.info.kind == "regression":
            return {"prediction": _column(outputs["prediction"])}
        columns = {"label": _column(outputs["label"])}
        if "score" in outputs:
            columns["score"] = _column(outputs["score"])
        probabilities = outputs["probabilities"].reshape(len(outputs["label"]), len(self.info.class_names))
        for position, name in enumerate(self.info.class_names):
            columns[f"probability_{name}"] = pa.array(np.ascontiguousarray(probabilities[:, position]))
        return columns


def _dtype(dtype: Any) -> Any:
    return dtype.as_numpy_dtype


def _column(values: np.ndarray) -> pa.Array:
    """A value a record where there is one, else lists: [N] or [N, 1] → flat, [N, …] → nested by the further axes."""
    shape = values.shape[1:] if values.shape[1:] != (1,) else ()
    flat = values.reshape(-1)
    array = pa.array(flat.tolist(), pa.binary()).cast(pa.string()) if values.dtype == object else pa.array(flat)
    for axis in reversed(range(len(shape))):
        number = len(values) * int(np.prod(shape[:axis], dtype=np.int64))
        array = pa.ListArray.from_arrays(pa.array(np.arange(number + 1, dtype=np.int32) * shape[axis]), array)
    return array

"""A version of a model, ready to answer."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from components.evaluate.model_info import ModelInfo
from components.ingest.image_codec import encode_png
from components.params.models import DataParams
from components.predict.model import Model
from components.saved_model import SERVING_FOLDER
from components.serve.contract import Column, Contract
from components.serve.signatures import EXAMPLES, RAW, Signature
from components.tf_example import encode

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

_PIXEL = encode_png(b"\0\0\0\0", 1, 1, 3)


class Served:
    """One version.

    Attributes:
        name: Of the registered model.
        version: Its number.
        info: What its model.json says.
        signatures: Name → signature.
        contract: What raw columns may hold.
        metadata: Name → SignatureDef, as JSON has it in TensorFlow Serving's answers.

    Args:
        name: Of the registered model.
        version: Its number.
        folder: Its files, in the layout of artifacts/NAME/model.
        data: The pipeline's section `data`.
        schema: The reviewed or inferred schema; None if there is none.
        scratch: A folder of this version alone, removed when nobody holds it any more.

    Raises: TensorlineError if the folder holds no model that the train stage wrote.
    """

    def __init__(
        self,
        name: str,
        version: str,
        folder: Path,
        data: DataParams,
        schema: schema_pb2.Schema | None,
        scratch: Path | None = None,
    ) -> None:
        self.name, self.version = name, version
        self._model = Model(folder)  # held: the signatures alone do not keep the variables
        self.signatures = {each: Signature(each, function) for each, function in self._model.signatures.items()}
        specs = self._model.signatures[RAW].structured_input_signature[1]
        self.contract = Contract(data, schema, self._model.inputs, specs)
        self.metadata = _signature_defs(folder)
        if scratch is not None:
            weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)

    @property
    def info(self) -> ModelInfo:
        """What model.json says."""
        return self._model.info

    def warm(self, most_rows: int) -> None:
        """Has both ways in answer once for one row and once for many: a graph's first calls cost most.

        Raises: RefusalError if the model does not even answer a row of zeros, or of a black image.
        """
        for num_rows in (1, most_rows):
            arrays = {name: np.repeat(_zero(column), num_rows, axis=0) for name, column in self.contract.columns.items()}
            self.signatures[RAW].call(arrays)
            if EXAMPLES in self.signatures:
                examples = encode(columns_of(arrays, self.contract), num_rows).to_numpy(zero_copy_only=False)
                self.signatures[EXAMPLES].call({"examples": examples})


def columns_of(arrays: dict[str, np.ndarray], contract: Contract) -> dict[str, pa.Array]:
    """Raw columns as `serve_raw` takes them → as examples hold them: integers whole, what is missing left out."""
    columns: dict[str, pa.Array] = {}
    for name, column in contract.columns.items():
        array = arrays[name]
        if column.shape != (1,):
            rows = array.reshape(len(array), -1).astype(np.float32)
            columns[name] = pa.array(list(rows), pa.list_(pa.float32()))
            continue
        flat = array.reshape(-1)
        if column.kind in ("string", "bytes"):
            columns[name] = pa.array([value or None for value in flat.tolist()], pa.binary())
        elif column.kind == "integer":
            is_missing = np.isnan(flat)
            columns[name] = pa.array(np.where(is_missing, 0, flat).astype(np.int64), mask=is_missing)
        else:
            columns[name] = pa.array(flat, pa.float32(), mask=np.isnan(flat))
    return columns


def _zero(column: Column) -> np.ndarray:
    """One row: 0, a black pixel, or a letter, which no rule calls empty."""
    if column.kind not in ("string", "bytes"):
        return np.zeros((1, *column.shape), column.dtype)
    value = np.empty((1, 1), object)
    value[0, 0] = _PIXEL if column.image is not None else b"a"
    return value


def _signature_defs(folder: Path) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / SERVING_FOLDER / "saved_model.pb").read_bytes())
    (graph,) = (graph for graph in saved_model.meta_graphs if "serve" in graph.meta_info_def.tags)
    return {
        name: MessageToDict(definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for name, definition in sorted(graph.signature_def.items())
        if not name.startswith("__")
    }

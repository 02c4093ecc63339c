"""Packs a model folder as an MLflow model: from code, never from a pickle."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import ColSpec

ARTIFACT = "artifacts/model"
"""Where the model folder lies in the MLflow model, in the layout of artifacts/NAME/model."""
_CODE = Path(__file__).with_name("pyfunc_model.py")
# Given, since MLflow would take 9 s to find them out.
_REQUIREMENTS = ("mlflow", "numpy", "pandas", "tensorflow")


def pack(model_dir: Path, into: Path, mlflow_model: Model, example: pd.DataFrame | None) -> None:
    """Writes the MLflow model `into` a new folder.

    Args:
        model_dir: Format-Serving/, keras/ and model.json.
        into: The folder to make.
        mlflow_model: Knows the ids that MLflow gave the model.
        example: A few rows of raw columns, for whoever looks at the model or serves it.
    """
    from mlflow import pyfunc

    columns = raw_columns(model_dir)
    description = json.loads((model_dir / "model.json").read_text(encoding="utf-8"))
    pyfunc.save_model(
        path=str(into),
        python_model=str(_CODE),
        artifacts={"model": str(model_dir.absolute())},
        signature=_signature(description, columns, model_dir),
        input_example=None if example is None else example[[name for name in columns if name in example]],
        pip_requirements=[f"{name}=={metadata.version(name)}" for name in (*_REQUIREMENTS, *description["libraries"])],
        metadata={"columns": {name: np.dtype(dtype).name for name, dtype in columns.items()}},
        mlflow_model=mlflow_model,
    )


def raw_columns(model_dir: Path) -> dict[str, Any]:
    """Column → NumPy dtype (object for strings) of the signature `serve_raw`, read without loading the model."""
    inputs = _serve_raw(model_dir).inputs
    return {name: _numpy_type(inputs[name].dtype) for name in sorted(inputs)}


def _numpy_type(number: int) -> Any:
    """Of a TensorFlow DataType."""
    from tensorboard.compat.proto import types_pb2

    name = types_pb2.DataType.Name(number)
    types = {"DT_STRING": object, "DT_FLOAT": np.float32, "DT_DOUBLE": np.float64, "DT_BOOL": np.bool_}
    return types[name] if name in types else np.dtype(name.removeprefix("DT_").lower()).type


def _serve_raw(model_dir: Path) -> Any:
    """The SignatureDef of `serve_raw`.

    TensorBoard brings TensorFlow's protocol buffers without TensorFlow, whose import takes seconds; but not SavedModel, whose
    field 2 are the graphs.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from tensorboard.compat.proto import meta_graph_pb2

    meta_graph = meta_graph_pb2.MetaGraphDef.DESCRIPTOR
    file = descriptor_pb2.FileDescriptorProto(name="tensorline/saved_model.proto", package="tensorline", syntax="proto3")
    file.dependency.append(meta_graph.file.name)
    field = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name="SavedModel").field.add(
        name="meta_graphs",
        number=2,
        label=field.LABEL_REPEATED,
        type=field.TYPE_MESSAGE,
        type_name=f".{meta_graph.full_name}",
    )
    pool = descriptor_pool.Default()
    try:
        descriptor = pool.FindMessageTypeByName("tensorline.SavedModel")
    except KeyError:
        pool.AddSerializedFile(file.SerializeToString())
        descriptor = pool.FindMessageTypeByName("tensorline.SavedModel")
    saved_model: Any = message_factory.GetMessageClass(descriptor)()
    saved_model.ParseFromString((model_dir / "Format-Serving" / "saved_model.pb").read_bytes())
    (graph,) = (graph for graph in saved_model.meta_graphs if "serve" in graph.meta_info_def.tags)
    return graph.signature_def["serve_raw"]


def _outputs(model_dir: Path) -> list[ColSpec]:
    """Outputs of any shape: a value a row, or an array of it."""
    from mlflow.types.schema import Array, ColSpec, DataType

    specs = []
    for name, output in sorted(_serve_raw(model_dir).outputs.items()):
        sizes = [dim.size for dim in output.tensor_shape.dim][1:]
        kind: Any = DataType.float
        if sizes not in ([], [1]):
            for _ in sizes:
                kind = Array(kind)
        specs.append(ColSpec(kind, name))
    return specs


def _signature(description: dict[str, Any], columns: dict[str, Any], model_dir: Path) -> ModelSignature:
    """Names of the inputs; names and types of the outputs.

    Images are binary: so MLflow decodes the base64 in which JSON brings them. All other inputs are of any type: MLflow would
    refuse integers where it expects doubles, doubles where it expects floats, and a column that is wholly missing where it
    expects strings. The model converts them itself.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    if description["kind"] == "scored":
        outputs = _outputs(model_dir)
    elif description["kind"] in ("regression", "ranking"):
        outputs = [ColSpec("float", "prediction")]
    else:
        score = [ColSpec("float", "score")] if description["kind"] == "binary" else []
        probabilities = [ColSpec("float", f"probability_{name}") for name in description["class_names"]]
        outputs = [ColSpec("string", "label"), *score, *probabilities]
    images = {name for name, kind in description["inputs"].items() if kind == "image"}
    inputs = [ColSpec("binary" if name in images else AnyType(), name, required=False) for name in columns]
    return ModelSignature(Schema(inputs), Schema(outputs))

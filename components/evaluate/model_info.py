"""What `model.json` tells about a model: how it is judged, and what its outputs mean."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from components.errors import TensorlineError

MODEL_FILE = "model.json"


class ModelInfo(BaseModel):
    """The part of model.json that evaluation reads; class_names are empty for a regression."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    kind: Literal["binary", "multiclass", "regression"]
    key_metric: str
    class_names: list[str]
    label: str
    digest: str


def read_model_info(model: Path) -> ModelInfo:
    """Reads model.json in the folder of a model artifact.

    Raises: TensorlineError if the file is missing or says something else than the train stage writes.
    """
    path = model / MODEL_FILE
    try:
        return ModelInfo.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        problem = "no such file"
    except ValidationError as error:
        problem = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in error.errors())
    raise TensorlineError(f"{path}: {problem}. Expected what the train stage writes beside the SavedModel: rerun train.")

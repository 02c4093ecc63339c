"""What model.json says of how a model's answers are explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from components.errors import TensorlineError, UserError
from components.saved_model import MODEL_FILE


class How(BaseModel):
    """Written by components.train.explaining.

    Attributes:
        method: `integrated_gradients` of a network, `shap` of a forest; None where answers can't be explained.
        why: Why they can't.
        form: What the attributions of a column are: a number, one a pixel, one a token, or one a row of a window.
        columns: Output of the signature `explain_examples` → raw column; of a forest what its trees see of it.
        joined: Of a text: what joins the words of an n-gram; None where tokens are pieces of words, in their order.
        prefix: Of the names of a forest's files.
        outputs: Of a forest: for each class the place of its SHAP values among YDF's; -1: it has none.
        sign: -1 where a forest's second class is our first.
    """

    model_config = ConfigDict(frozen=True)

    method: Literal["integrated_gradients", "shap"] | None
    why: str = ""
    form: Literal["table", "image", "text", "window"] = "table"
    columns: dict[str, str] = {}
    joined: str | None = None
    prefix: str = ""
    outputs: list[int] = [0]
    sign: Literal[1, -1] = 1


def read_how(folder: Path) -> How:
    """Of the model in the folder of an artifact.

    Raises:
        UserError: If its answers can't be explained.
        TensorlineError: If model.json says something else than the train stage writes.
    """
    path = folder / MODEL_FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8")).get("explain")
        how = None if told is None else How.model_validate(told)
    except ValidationError as error:
        problem = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise TensorlineError(f"{path}: explain: {problem}. Expected what the train stage writes: rerun train.") from None
    if how is None:
        raise UserError(
            "--explain: the model was trained before models could explain themselves. Train and register it again, or leave "
            "the option out."
        )
    if how.method is None:
        raise UserError(f"--explain: the model's answers can't be explained: {how.why} Leave the option out.")
    return how

"""What model.json says of explanations, or why there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import TensorlineError, UserError
from components.explain.how import read_how


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {},
            "--explain: the model was trained before models could explain themselves. Train and register it again, or leave "
            "the option out.",
        ),
        (
            {"explain": {"method": None, "why": "image.vae answers with a whole picture."}},
            "--explain: the model's answers can't be explained: image.vae answers with a whole picture. Leave the option out.",
        ),
    ],
)
def test_no_explanation(tmp_path: Path, told: dict[str, object], message: str) -> None:
    (tmp_path / "model.json").write_text(json.dumps(told))
    with pytest.raises(UserError) as raised:
        read_how(tmp_path)
    assert str(raised.value) == message


def test_something_else(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"explain": {"method": "magic"}}')
    with pytest.raises(TensorlineError) as raised:
        read_how(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path / 'model.json'}: explain: method: Input should be 'integrated_gradients' or 'shap'. Expected what the "
        "train stage writes: rerun train."
    )

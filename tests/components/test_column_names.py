"""Names that the inputs of a SavedModel can't have."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from components.column_names import renamed, require_good
from components.errors import UserError

WHY_NOT = (
    "The model's inputs are named as the columns, and TensorFlow takes letters without marks, digits and _ there, a "
    "letter first, no keyword of Python's, and no two names that differ in case alone."
)
ODD = ["bill (mm)", "bill-mm", "bill_mm", "2 mass €", "class", "self", "_x", "Größe", "A", "a"]
BETTER = {
    "bill (mm)": "bill_mm_2",
    "bill-mm": "bill_mm_3",
    "2 mass €": "c_2_mass",
    "class": "class_2",
    "self": "self_2",
    "_x": "x",
    "Größe": "Groe",
    "a": "a_2",
}


def test_better_names_are_new_and_good() -> None:
    assert renamed(ODD, ODD) == BETTER
    assert renamed(names := [BETTER.get(name, name) for name in ODD], names) == {}


def test_good_names_are_left_alone() -> None:
    names = ["bill_mm", "Species", "x2", "match"]
    assert renamed(names, names) == {}
    require_good(names)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bill (mm)", "2mass", "class", "self", "_x", "Größe", "a.b"])
def test_what_is_renamed_tensorflow_refuses_or_changes(name: str, tmp_path: Path) -> None:
    """The rule is TensorFlow's: what it takes as it is would need no other name."""
    import tensorflow as tf

    def saved_names(column: str) -> list[str]:
        @tf.function(input_signature=[{column: tf.TensorSpec([None], name=column)}])
        def serve(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {"answer": columns[column]}

        module = tf.Module()
        module.serve = serve
        tf.saved_model.save(module, str(tmp_path), signatures={"serve_raw": serve})
        signature = tf.saved_model.load(str(tmp_path)).signatures["serve_raw"]
        return list(signature.structured_input_signature[1])

    with contextlib.suppress(ValueError, TypeError):
        assert saved_names(name) != [name]
    ((_, better),) = renamed([name], [name]).items()
    assert saved_names(better) == [better]


def test_one_message_names_all_and_what_to_write() -> None:
    with pytest.raises(UserError) as caught:
        require_good(["price", "bill (mm)", "it's", "class"])
    assert str(caught.value) == (
        "3 columns can't be taken by a served model under these names: 'bill (mm)', \"it's\", 'class'.\n"
        f"{WHY_NOT}\n"
        "Rename them in the pipeline's params.yaml (data: rename: {'bill (mm)': bill_mm, 'it''s': it_s, 'class': class_2}) "
        "and in its reviewed schema if there is one, or drop what the model is not to learn from (data.drop)."
    )
    with pytest.raises(UserError) as caught:
        require_good(["2nd"])
    assert str(caught.value) == (
        "a column can't be taken by a served model under this name: '2nd'.\n"
        f"{WHY_NOT}\n"
        "Rename it in the pipeline's params.yaml (data: rename: {'2nd': c_2nd}) and in its reviewed schema if there is one, "
        "or drop what the model is not to learn from (data.drop)."
    )

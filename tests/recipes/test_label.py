"""Classes from the schema, and label tensors."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import RecipeError, Task
from recipes.label import class_ids, classes_of, quantities
from recipes.tabular.classifier import TabularClassifier
from recipes.tabular.params import ModelParams, TransformParams


def schema_of(label: str) -> schema_pb2.Schema:
    return text_format.Parse(f'feature {{ name: "y" {label} }}', schema_pb2.Schema())


CLASSES = [
    ('type: BYTES string_domain { value: "no" value: "yes" }', ("no", "yes")),
    ("type: INT int_domain { min: 3 max: 5 }", range(3, 6)),
    ("type: INT bool_domain {}", range(2)),
    ("type: BYTES bool_domain {}", ("false", "true")),
]


@pytest.mark.parametrize(("label", "classes"), CLASSES)
def test_the_domain_lists_the_classes(label: str, classes: Any) -> None:
    assert classes_of(schema_of(label), "y") == classes


NO_LIST = (
    "data.label: the schema gives the label 'y' ({type}) no list of classes. Expected BYTES with a string_domain, or INT "
    "with an int_domain of min and max. Add the domain to the schema, cast the column (data.cast), or take the recipe "
    "tabular.regressor for a label that is a quantity."
)
NO_USE = (
    "data.label: the schema lists {number} classes for the label 'y'. Expected 2 to 1000. Correct the label's domain in the "
    "schema, or choose another label."
)
NO_CLASSES = [
    ("type: FLOAT float_domain { min: 0 max: 1 }", NO_LIST.format(type="FLOAT")),
    ("type: BYTES", NO_LIST.format(type="BYTES")),
    ("type: INT int_domain { min: 0 }", NO_LIST.format(type="INT")),
    ('type: BYTES string_domain { value: "yes" }', NO_USE.format(number=1)),
    ("type: INT int_domain { min: 0 max: 1000 }", NO_USE.format(number=1001)),
]


@pytest.mark.parametrize(("label", "message"), NO_CLASSES)
def test_no_classes(label: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        classes_of(schema_of(label), "y")
    assert str(caught.value) == message


def test_no_label() -> None:
    with pytest.raises(RecipeError) as caught:
        classes_of(schema_of("type: INT"), "z")
    assert str(caught.value) == "data.label: the schema has no column 'z'. Known: y."
    task = Task(label=None, schema=schema_of("type: INT"), transform=TransformParams(), model=ModelParams())
    with pytest.raises(RecipeError) as caught:
        TabularClassifier(task)
    assert str(caught.value) == (
        "data.label: the recipe learns from a label, and the data have none. Name the column of the label."
    )


def test_ids_and_quantities() -> None:
    import tensorflow as tf

    sparse = tf.sparse.from_dense([["yes"], ["no"], ["yes"]])
    assert class_ids(sparse, ("no", "yes")).numpy().tolist() == [[1], [0], [1]]
    ids = class_ids(tf.constant([[5], [3]], tf.int64), range(3, 6))
    assert (ids.dtype, ids.numpy().tolist()) == (tf.int64, [[2], [0]])
    values = quantities(tf.RaggedTensor.from_row_lengths([2, 7], [1, 1]))
    assert (values.dtype, values.numpy().tolist()) == (tf.float32, [[2.0], [7.0]])


def test_an_unknown_or_missing_label_stops() -> None:
    import tensorflow as tf

    missing = tf.SparseTensor([[0, 0]], tf.constant([1], tf.int64), [2, 1])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"the label 'maybe' is no class of the schema \(no, yes\)"):
        class_ids(tf.constant([["yes"], ["maybe"]]), ("no", "yes"))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"the label '2' is no class of the schema \(0, 1\)"):
        class_ids(tf.constant([[0], [2]], tf.int64), range(2))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"the label '' is no class of the schema \(0, 1\)"):
        class_ids(missing, range(2))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the label 'inf' is no finite number"):
        quantities(tf.constant([[1.0], [float("inf")]]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the label '' is no finite number"):
        quantities(missing)


def test_what_stands_in_for_no_label_passes() -> None:
    import tensorflow as tf

    assert class_ids(tf.constant([[0], [1]], tf.int64), range(1, 3)).numpy().tolist() == [[-1], [0]]
    assert class_ids(tf.constant([[""], ["yes"]]), ("no", "yes")).numpy().tolist() == [[-1], [1]]

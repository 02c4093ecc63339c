"""Predictions are those of the model, one a record; what can't be measured stops with a message."""

from __future__ import annotations

import dataclasses
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv

from components.errors import AccountingError, TensorlineError, UserError
from components.evaluate import predictions as module
from components.evaluate.model_info import read_model_info
from components.evaluate.predictions import predict, predict_as


def run(case, columns=(), **replaced):
    case = dataclasses.replace(case, **replaced)
    schema = tfdv.load_schema_text(str(case.schema / "schema.pbtxt"))
    return predict(case.examples, case.model, read_model_info(case.model), schema, columns)


def copy_examples(case, folder, serialized=()):
    """The case's examples with more records in a further shard."""
    shutil.copytree(case.examples, folder)
    with tf.io.TFRecordWriter(str(folder / "Split-test" / "data-99999-of-00003.tfrecord")) as writer:
        for record in serialized:
            writer.write(record)
    return folder


def test_binary_scores_labels_and_columns(binary):
    found = run(binary, ["payment_type", "trip_start_hour", "company", "trip_miles"])
    assert found.outputs == pytest.approx(1 / (1 + np.exp(-binary.logits()[:, 0])), abs=1e-5)
    assert (found.labels == binary.labels()).all()
    assert found.columns["payment_type"].tolist() == binary.test["payment_type"].tolist()
    assert found.columns["company"].isna().tolist() == binary.test["company"].isna().tolist()
    assert found.columns["company"].dropna().tolist() == binary.test["company"].dropna().tolist()
    assert found.columns["trip_start_hour"].tolist() == binary.test["trip_start_hour"].tolist()
    assert found.columns["trip_miles"].to_numpy() == pytest.approx(binary.test["trip_miles"], nan_ok=True)


def test_multiclass_probabilities(multiclass):
    found = run(multiclass)
    logits = multiclass.logits()
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert found.outputs == pytest.approx(expected / expected.sum(axis=1, keepdims=True), abs=1e-4)
    assert (found.classes == logits.argmax(axis=1)).all()
    assert (found.labels == multiclass.labels()).all()


def test_regression(regression):
    found = run(regression)
    assert found.outputs == pytest.approx(regression.logits()[:, 0], rel=1e-4)
    assert found.labels == pytest.approx(regression.labels(), rel=1e-6)


def test_champion_with_its_classes_in_another_order(multiclass, tmp_path, write_model):
    reordered = [2, 0, 1]
    names = [multiclass.class_names[each] for each in reordered]
    champion = dataclasses.replace(
        multiclass, class_names=names, weights=multiclass.weights[:, reordered], bias=multiclass.bias[reordered]
    )
    write_model(tmp_path / "champion", champion, "accuracy")
    reference = run(multiclass)
    info = read_model_info(tmp_path / "champion")
    candidate = read_model_info(multiclass.model)
    found = predict_as(reference, multiclass.examples, tmp_path / "champion", info, candidate)
    assert found.outputs == pytest.approx(reference.outputs, abs=1e-6)


def test_lost_predictions_are_an_accounting_error(binary, monkeypatch):
    batches = list(module.read_serialized(binary.examples, "test", 1000))
    monkeypatch.setattr(module, "read_serialized", lambda *_: iter(batches[:-1]))
    message = (
        "evaluate: 1,500 records in the test split, 1,000 predictions, 1,000 labels. Expected one of each for a record: "
        "the model's signatures are broken; rerun train, or report it."
    )
    with pytest.raises(AccountingError, match=f"^{re.escape(message)}$"):
        run(binary)


def test_empty_test_split(binary, tmp_path):
    (tmp_path / "Split-test").mkdir()
    message = (
        "evaluate: the test split holds no example, so nothing can be measured. "
        "Expected some: enlarge data.split.test, or add data."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        run(binary, examples=tmp_path)


def test_model_that_predicts_nan(regression, tmp_path, write_model):
    write_model(tmp_path / "model", dataclasses.replace(regression, weights=regression.weights * np.nan), "mae")
    message = (
        "evaluate: the model predicts NaN or infinity for 196 of 196 test examples, first for record 0. "
        "Expected numbers: the training diverged; lower train.learning_rate, or look for extreme values in the data."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        run(regression, model=tmp_path / "model")


def test_label_that_the_model_does_not_know(multiclass, tmp_path):
    example = tf.train.Example()
    example.features.feature["species"].bytes_list.value.append(b"Emperor")
    message = (
        "evaluate: label 'species': 1 of 173 test examples have none that the model knows, first record 172. Expected one of "
        "the model's classes, ['Adelie', 'Chinstrap', 'Gentoo']: mend the data, or retrain with examples of every class."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        run(multiclass, examples=copy_examples(multiclass, tmp_path / "examples", [example.SerializeToString()]))


def test_slice_column_of_several_values(multiclass, tmp_path):
    example = tf.train.Example()
    example.features.feature["species"].bytes_list.value.append(b"Adelie")
    example.features.feature["sex"].bytes_list.value.extend([b"male", b"female"])
    message = (
        "evaluate.slices: column 'sex' holds 2 values in record 172 of the test split. "
        "Expected at most one: slice by another column."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        run(multiclass, ["sex"], examples=copy_examples(multiclass, tmp_path / "examples", [example.SerializeToString()]))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no such file"),
        ('{"kind": "clustering", "key_metric": "a", "class_names": [], "label": "b", "digest": "c"}',
         "kind: Input should be 'binary', 'multiclass', 'regression', 'ranking' or 'scored'"),
        ('{"kind": "regression"}',
         "key_metric: Field required; class_names: Field required; label: Field required; digest: Field required"),
    ],
)  # fmt: skip
def test_broken_model_json(content, problem, tmp_path):
    if content is not None:
        (tmp_path / "model.json").write_text(content, encoding="utf-8")
    message = f"{tmp_path}/model.json: {problem}. Expected what the train stage writes beside the SavedModel: rerun train."
    with pytest.raises(TensorlineError, match=f"^{re.escape(message)}$"):
        read_model_info(tmp_path)

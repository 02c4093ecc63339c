"""Predicts the test split in batches, from the SavedModel alone; labels and slice columns come along as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.errors import AccountingError, UserError
from components.evaluate.model_info import ModelInfo
from components.evaluate.ranking import Ranking, make_ranking
from components.examples_table import read_serialized
from components.saved_model import import_tensorflow, load
from components.tfrecord import count_split

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

TEST_SPLIT, EVAL_SPLIT, TRAIN_SPLIT = "test", "eval", "train"
_SIGNATURES = {"scored": "score_examples"}
_BATCH_SIZE = 8192
_BATCH_SIZE_OF_LARGE_INPUTS = 256
"""What a network computes of an image or a text on its way is far larger than the record."""


@dataclass(frozen=True)
class Predictions:
    """A split, as the model sees it; the test split, if nothing else is said.

    Attributes:
        labels: Class ids (int64) or numbers (float64), [N]; NaN of the kinds `scored` and `ranking`.
        outputs: float64: of a binary model the score of the second class, [N]; of a multiclass one the probabilities,
            [N, C]; of a regression the prediction, [N]; of a scored model its scores, [N, S], as `ModelInfo.scores`
            names them; of a ranking likewise, N being the groups that have an order.
        columns: Raw columns for slices, N rows.
        ranking: Of a ranking, the examples that the groups are made of.
    """

    labels: NDArray
    outputs: NDArray
    columns: pd.DataFrame
    ranking: Ranking | None = None

    @property
    def classes(self) -> NDArray:
        """Predicted class ids of a classifier, [N]."""
        return (self.outputs > 0.5).astype(np.int64) if self.outputs.ndim == 1 else self.outputs.argmax(axis=1)


def predict(
    examples: Path,
    folder: Path,
    model: ModelInfo,
    schema: schema_pb2.Schema,
    columns: Sequence[str] = (),
    split: str = TEST_SPLIT,
) -> Predictions:
    """Predicts a split with the model in `folder`, which also says what the labels are.

    Args:
        examples: Folder of the Examples artifact.
        folder: Folder of the Model artifact.
        model: What its model.json says.
        schema: Of the raw features.
        columns: Raw columns to read for slices.
        split: Whose examples are predicted.

    Of a ranking, the rows are the groups; see `Ranking`.

    Raises:
        UserError: The split is empty; the model predicts NaN; a label is unknown to it; a column holds several values, or of
            a ranking differs within a group; no group has an order.
        AccountingError: There are more or fewer predictions than records in the split's files.
    """
    import pyarrow as pa

    tf = import_tensorflow()
    num_records = count_records(examples, split)
    loaded = load(folder)
    signature = loaded.signatures[_SIGNATURES.get(model.kind, "serving_default")]
    read = columns if model.group is None else list(dict.fromkeys([*columns, model.group]))
    decode = _decoder(schema, read)
    labels: list[NDArray] = []
    outputs: list[NDArray] = []
    tables: list[pa.Table] = []
    for batch in read_serialized(examples, split, batch_size(model)):
        serialized = tf.constant(batch)
        outputs.append(_outputs(signature(examples=serialized), model, model))
        if model.kind == "scored":
            labels.append(np.full(len(batch), np.nan))
        else:
            labels.append(loaded.transform_labels(serialized)["label"].numpy().reshape(-1))
        tables.append(decode(batch))
    raw = _single_values(pa.concat_tables(tables, promote_options="default"), read)
    dtype = np.int64 if model.class_names else np.float64
    predictions = Predictions(np.concatenate(labels).astype(dtype), np.concatenate(outputs), raw)
    _check_predictions(predictions, num_records)
    if model.kind != "scored":
        _check_labels(predictions.labels, model)
    if model.group is None:
        return predictions
    return of_groups(make_ranking(model.group, predictions.labels, predictions.outputs, raw), columns)


def predict_as(reference: Predictions, examples: Path, folder: Path, champion: ModelInfo, candidate: ModelInfo) -> Predictions:
    """Predicts with the champion, with the labels, columns and order of classes or scores of the candidate's predictions.

    Raises: UserError and AccountingError as `predict`; tf.errors.OpError if the champion can't read the examples.
    """
    import tensorflow as tf

    signature = load(folder).signatures[_SIGNATURES.get(champion.kind, "serving_default")]
    outputs = [
        _outputs(signature(examples=tf.constant(batch)), champion, candidate)
        for batch in read_serialized(examples, TEST_SPLIT, batch_size(champion))
    ]
    ranking = reference.ranking
    if ranking is not None:
        predictions = Predictions(ranking.relevances, np.concatenate(outputs), ranking.columns)
        _check_predictions(predictions, len(ranking.relevances))
        return Predictions(reference.labels, ranking.measured(predictions.outputs), reference.columns)
    predictions = Predictions(reference.labels, np.concatenate(outputs), reference.columns)
    _check_predictions(predictions, len(reference.labels))
    return predictions


def of_groups(ranking: Ranking, columns: Sequence[str]) -> Predictions:
    """The groups that have an order, as rows. Raises: UserError if a column is not the same within each group."""
    outputs = ranking.measured(ranking.scores)
    return Predictions(np.full(len(outputs), np.nan), outputs, ranking.columns_of_groups(columns), ranking)


def read_columns(examples: Path, schema: schema_pb2.Schema, columns: Sequence[str], split: str = TEST_SPLIT) -> pd.DataFrame:
    """Raw columns of a split, as `Predictions.columns`. Raises: UserError if a column holds several values."""
    import pyarrow as pa

    decode = _decoder(schema, columns)
    tables = [decode(batch) for batch in read_serialized(examples, split)]
    return _single_values(pa.concat_tables(tables, promote_options="default"), columns)


def count_records(examples: Path, split: str = TEST_SPLIT) -> int:
    """Number of records in the files of a split. Raises: UserError if there is none."""
    num_records = count_split(examples, split)
    if num_records == 0:
        raise UserError(
            f"evaluate: the {split} split holds no example, so nothing can be measured. "
            f"Expected some: enlarge data.split.{split}, or add data."
        )
    return num_records


def batch_size(model: ModelInfo) -> int:
    """How many examples a model is given at once."""
    return _BATCH_SIZE_OF_LARGE_INPUTS if model.inputs_of("image", "text") else _BATCH_SIZE


def _outputs(answer: dict[str, Any], info: ModelInfo, candidate: ModelInfo) -> NDArray:
    """What `info` answered, in the order of the candidate's classes or scores."""
    return as_outputs({name: tensor.numpy() for name, tensor in answer.items()}, info, candidate)


def as_outputs(answer: Mapping[str, NDArray], info: ModelInfo, candidate: ModelInfo) -> NDArray:
    """The outputs of a signature of the model `info`, [N, …] each, as `Predictions.outputs` of the candidate; float64.

    Of a ranking, the score of each example: [N].
    """
    if info.kind == "scored":
        return np.stack([answer[name].reshape(-1).astype(np.float64) for name in candidate.scores], axis=1)
    if info.kind in ("regression", "ranking"):
        return answer["prediction"].reshape(-1).astype(np.float64)
    probabilities = answer["probabilities"].astype(np.float64)
    # Another model may hold the same classes in another order.
    probabilities = probabilities[:, [info.class_names.index(name) for name in candidate.class_names]]
    return probabilities[:, 1] if info.kind == "binary" else probabilities


def _decoder(schema: schema_pb2.Schema, columns: Sequence[str]) -> Any:
    """A function from serialized examples to an Arrow table of just these columns."""
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tfx_bsl.cc.tfx_bsl_extension.coders import ExamplesToRecordBatchDecoder

    if not columns:
        return lambda batch: pa.table({"record": pa.nulls(len(batch))})
    features = [feature for feature in schema.feature if feature.name in columns]
    decoder = ExamplesToRecordBatchDecoder(schema_pb2.Schema(feature=features).SerializeToString())
    return lambda batch: pa.Table.from_batches([decoder.DecodeBatch(batch)])


def _single_values(table: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
    """Lists of at most one value become plain columns: strings, nullable integers, floats; null where missing."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    frame = pd.DataFrame(index=range(table.num_rows))
    for name in columns:
        column = table.column(name).combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        if lengths.max() > 1:
            raise UserError(
                f"evaluate.slices: column '{name}' holds {lengths.max()} values in record {lengths.argmax()} of the test "
                "split. Expected at most one: slice by another column."
            )
        values = pc.replace_with_mask(pa.nulls(len(column), column.type.value_type), pa.array(lengths == 1), column.flatten())
        if pa.types.is_integer(values.type):
            frame[name] = values.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
        elif pa.types.is_floating(values.type):
            frame[name] = values.to_pandas()
        else:
            frame[name] = values.to_pandas().str.decode("utf-8", "replace")
    return frame


def _check_predictions(predictions: Predictions, num_records: int) -> None:
    num_predictions, num_labels = len(predictions.outputs), len(predictions.labels)
    if not num_predictions == num_labels == len(predictions.columns) == num_records:
        raise AccountingError(
            f"evaluate: {num_records:,} records in the test split, {num_predictions:,} predictions, {num_labels:,} labels. "
            "Expected one of each for a record: the model's signatures are broken; rerun train, or report it."
        )
    bad = ~np.isfinite(predictions.outputs.reshape(num_records, -1)).all(axis=1)
    if bad.any():
        raise UserError(
            f"evaluate: the model predicts NaN or infinity for {bad.sum():,} of {num_records:,} test examples, first for "
            f"record {bad.argmax()}. Expected numbers: the training diverged; lower train.learning_rate, or look for extreme "
            "values in the data."
        )


def _check_labels(labels: NDArray, model: ModelInfo) -> None:
    if model.kind in ("regression", "ranking"):
        bad, expected = ~np.isfinite(labels), "a number"
    else:
        bad, expected = (labels < 0) | (labels >= len(model.class_names)), f"one of the model's classes, {model.class_names}"
    if bad.any():
        raise UserError(
            f"evaluate: label '{model.label}': {bad.sum():,} of {len(labels):,} test examples have none that the model knows, "
            f"first record {bad.argmax()}. Expected {expected}: mend the data, or retrain with examples of every class."
        )

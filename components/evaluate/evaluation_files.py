"""The artifact `evaluation` as the columnar Evaluator writes it; docs/reports.md tells its readers of it.

`evaluation.json`: what was measured, by slice. `predictions.parquet`: a row an example of the test split, in the order of its
files, exactly as it was measured: `label` (class id or number; not of a model that scores itself), `output` (binary: the score
of the second class; multiclass: a list of probabilities; regression: the prediction; ranking: the score of the example;
scored: a list of the scores) and the columns of slices as `column_NAME`. `threshold_costs.parquet`: where mistakes have costs,
what an example of the eval split costs at some thresholds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.errors import AccountingError
from components.evaluate.decision import Choice
from components.evaluate.evaluation import Evaluation, slice_columns
from components.evaluate.measure import Measurement
from components.evaluate.metrics import Decision
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions, count_records, of_groups
from components.evaluate.ranking import make_ranking
from components.evaluate.slices import make_slices
from components.params.models import EvaluateParams

if TYPE_CHECKING:
    import pandas as pd

EVALUATION_FILE = "evaluation.json"
PREDICTIONS_FILE = "predictions.parquet"
COSTS_FILE = "threshold_costs.parquet"
FORMAT = 1
COLUMNAR = "columnar"
"""What EVALUATION_FILE names as `evaluator`."""
_COLUMN = "column_"


def is_columnar(folder: Path) -> bool:
    """Whether the columnar Evaluator wrote the artifact in `folder`; else TFMA did."""
    return (folder / EVALUATION_FILE).is_file()


def write_evaluation(folder: Path, evaluation: Evaluation, model: ModelInfo, params: EvaluateParams, seed: int) -> None:
    """Writes the artifact into `folder`, which need not be there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    choice = evaluation.choice
    content = {
        "format": FORMAT,
        "evaluator": COLUMNAR,
        "model": {"kind": model.kind, "digest": model.digest, "key_metric": model.key_metric},
        "unit": model.unit,
        "bootstrap": {"num_resamples": params.num_resamples, "confidence": params.confidence, "seed": seed},
        "decision": None
        if choice is None
        else {
            "false_positive": choice.decision.false_positive,
            "false_negative": choice.decision.false_negative,
            "threshold": choice.decision.threshold,
            "num_examples": choice.num_examples,
            "num_positives": choice.num_positives,
        },
        "slices": [
            {
                "slice": dict(zip(part.columns, part.values, strict=True)),
                f"num_{model.unit}": measured.num_examples,
                "metrics": measured.values,
                "intervals": measured.intervals,
            }
            for part, measured in evaluation.slices
        ],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / EVALUATION_FILE).write_text(text + "\n", encoding="utf-8")
    pq.write_table(_predictions_table(evaluation.predictions, model), folder / PREDICTIONS_FILE)
    if choice is not None:
        pq.write_table(pa.Table.from_pandas(choice.curve, preserve_index=False), folder / COSTS_FILE)


def read_evaluation(folder: Path, examples: Path, model: ModelInfo, params: EvaluateParams, seed: int) -> Evaluation:
    """Reads what `write_evaluation` wrote, to the last bit.

    Args:
        folder: Of the artifact.
        examples: Folder of the Examples artifact, whose test split was predicted.
        model: What was evaluated.
        params: The section `evaluate`.
        seed: Drew the bootstrap's resamples.

    Raises: AccountingError if it is of another model, of other examples, or was measured with other parameters.
    """
    import pyarrow.parquet as pq

    content = json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8"))
    table = pq.read_table(folder / PREDICTIONS_FILE)
    found = {
        "model": content["model"]["digest"],
        "num_examples": table.num_rows,
        **content["bootstrap"],
        "columns": [name.removeprefix(_COLUMN) for name in table.column_names if name.startswith(_COLUMN)],
    }
    wanted = {
        "model": model.digest,
        "num_examples": count_records(examples),
        "num_resamples": params.num_resamples,
        "confidence": params.confidence,
        "seed": seed,
        "columns": _columns_to_keep(params, model),
    }
    _check_same(found, wanted)
    predictions = _predictions(table, model, params)
    parts = list(make_slices(predictions.columns, params.slices))
    measured = [_measurement(each, model) for each in content["slices"]]
    _check_same(
        {"slices": [each["slice"] for each in content["slices"]]},
        {"slices": [dict(zip(part.columns, part.values, strict=True)) for part in parts]},
    )
    choice = None
    if content["decision"] is not None:
        chosen = content["decision"]
        decision = Decision(chosen["false_positive"], chosen["false_negative"], chosen["threshold"])
        curve = pq.read_table(folder / COSTS_FILE).to_pandas()
        choice = Choice(decision, chosen["num_examples"], chosen["num_positives"], curve)
    return Evaluation(predictions, list(zip(parts, measured, strict=True)), choice)


def _check_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    differing = [f"{key} {found[key]}, expected {wanted[key]}" for key in wanted if found[key] != wanted[key]]
    if differing:
        raise AccountingError(
            f"evaluate: the Evaluator measured something else than ModelReport is to judge: {'; '.join(differing)}. "
            "Expected the same model, examples and parameters; was one of them replaced in between? Rerun evaluate."
        )


def _measurement(content: dict[str, Any], model: ModelInfo) -> Measurement:
    intervals = {name: (low, high) for name, (low, high) in content["intervals"].items()}
    low, high = intervals.get(model.key_metric, (None, None))
    return Measurement(content[f"num_{model.unit}"], content["metrics"], low, high, intervals=intervals)


def _columns_to_keep(params: EvaluateParams, model: ModelInfo) -> list[str]:
    columns = slice_columns(params)
    return columns if model.group is None else list(dict.fromkeys([*columns, model.group]))


def _predictions_table(predictions: Predictions, model: ModelInfo) -> Any:
    import pyarrow as pa

    labels, outputs, raw = predictions.labels, predictions.outputs, predictions.columns
    if predictions.ranking is not None:
        ranking = predictions.ranking
        labels, outputs, raw = ranking.relevances, ranking.scores, ranking.columns
    columns: dict[str, Any] = {} if model.kind == "scored" else {"label": labels}
    columns["output"] = _values(outputs)
    columns |= {f"{_COLUMN}{name}": pa.Array.from_pandas(raw[name]) for name in raw}
    return pa.table(columns)


def _values(outputs: NDArray) -> Any:
    import pyarrow as pa

    # Most models answer in float32: half the size, and the same numbers.
    narrow = outputs.astype(np.float32)
    values = pa.array((narrow if (narrow == outputs).all() else outputs).ravel())
    return values if outputs.ndim == 1 else pa.FixedSizeListArray.from_arrays(values, outputs.shape[1])


def _predictions(table: Any, model: ModelInfo, params: EvaluateParams) -> Predictions:
    output = table.column("output").combine_chunks()
    outputs = output.flatten() if model.kind in ("scored", "multiclass") else output
    outputs = outputs.to_numpy().astype(np.float64)
    if model.kind in ("scored", "multiclass"):
        outputs = outputs.reshape(table.num_rows, -1)
    labels = np.full(table.num_rows, np.nan) if model.kind == "scored" else table.column("label").to_numpy()
    raw = _frame(table)
    if model.group is None:
        return Predictions(labels, outputs, raw)
    return of_groups(make_ranking(model.group, labels, outputs, raw), slice_columns(params))


def _frame(table: Any) -> pd.DataFrame:
    """The columns of slices with the types that `Predictions.columns` has."""
    import pandas as pd
    import pyarrow as pa

    frame = pd.DataFrame(index=range(table.num_rows))
    for name in table.column_names:
        if name.startswith(_COLUMN):
            values = table.column(name)
            nullable = {pa.int64(): pd.Int64Dtype()} if pa.types.is_integer(values.type) else {}
            frame[name.removeprefix(_COLUMN)] = values.to_pandas(types_mapper=nullable.get)
    return frame

"""Writes what ModelReport found: numbers for programs, tables for `dvc plots`, pictures, examples and a page for people."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.evaluate.decision import Choice
from components.evaluate.example_plots import example_grid, shown_probability
from components.evaluate.examples import ExampleGroups, example_table
from components.evaluate.files import GATE_FILE, VERDICT_FILE
from components.evaluate.gate_page import gate_page, page_environment
from components.evaluate.measure import Measurement
from components.evaluate.metrics import Decision, Metric, metrics_of
from components.evaluate.model_info import ModelInfo
from components.evaluate.plots import draw
from components.evaluate.predictions import Predictions
from components.evaluate.ranking import SCORES, Ranking
from components.evaluate.slices import SMALL_SLICE, Slice, largest
from components.evaluate.verdict import Verdict
from components.plot_style import write_png

if TYPE_CHECKING:
    import pandas as pd

METRICS_FILE = "metrics.json"
SLICES_FILE = "slices.csv"
PREDICTIONS_FILE = "predictions.parquet"
PAGE_FILE = "report.html"
WRONG_EXAMPLES, RIGHT_EXAMPLES = "wrong_examples", "right_examples"
"""Names of tables (.csv) and, of images, pictures (.png)."""
_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_MAX_ROWS = 60  # of the slices, and of the classes, in the page
_DIGITS = 9
"""Significant digits in files: enough for any comparison, and the last bits of a sum don't show."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured; `slices` begin with the overall one, `choice` is that of the decision threshold."""

    model: ModelInfo
    model_name: str
    key_metric: Metric
    confidence: float
    predictions: Predictions
    overall: Measurement
    slices: Sequence[tuple[Slice, Measurement]]
    tables: dict[str, pd.DataFrame]
    examples: ExampleGroups
    choice: Choice | None = None

    @property
    def decision(self) -> Decision | None:
        """The threshold that was chosen, if any was."""
        return None if self.choice is None else self.choice.decision


@dataclass(frozen=True, kw_only=True)
class Findings(Measured):
    """All that a report is written from."""

    verdict: Verdict


@dataclass(frozen=True)
class Pictures:
    """Names of PNG files, without the suffix: of the figures, and of the grids of examples."""

    figures: list[str]
    grids: list[str]


def write_measured(folder: Path, measured: Measured) -> Pictures:
    """Writes into `folder` what does not depend on the verdict: predictions, tables and pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_predictions(folder / PREDICTIONS_FILE, measured)
    examples = {WRONG_EXAMPLES: measured.examples.wrong, RIGHT_EXAMPLES: measured.examples.right}
    tables = {"slices": slice_table(measured), "intervals": interval_table(measured), **measured.tables}
    if measured.predictions.ranking is not None:
        tables["groups"] = group_table(measured.predictions.ranking)
    tables |= {name: example_table(groups) for name, groups in examples.items() if groups}
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format=f"%.{_DIGITS}g", lineterminator="\n")
    figures = draw(
        model=measured.model,
        predictions=measured.predictions,
        tables=measured.tables,
        overall=measured.overall,
        slices=measured.slices,
        key_metric=measured.key_metric,
        choice=measured.choice,
    )
    grids = {name: figure for name, groups in examples.items() if (figure := example_grid(groups)) is not None}
    for name, figure in {**figures, **grids}.items():
        write_png(figure, folder / f"{name}.png")
    return Pictures(list(figures), list(grids))


def write_report(folder: Path, findings: Findings, pictures: Pictures) -> None:
    """Writes the other files of the Report artifact into `folder`: the verdict, and the pages, which hold the pictures."""
    _write_json(folder / METRICS_FILE, flat_metrics(findings))
    _write_json(folder / VERDICT_FILE, _rounded(findings.verdict.as_dict()))
    (folder / PAGE_FILE).write_text(_page(folder, pictures, findings), encoding="utf-8")
    page = gate_page(findings.verdict, findings.model_name, findings.model.digest)
    (folder / GATE_FILE).write_text(page, encoding="utf-8")


def flat_metrics(findings: Findings) -> dict[str, float | int | bool | None]:
    """For `dvc metrics`: every metric, the key metric's interval, the decision threshold and the comparison with the champion.

    The last two only if there are any.
    """
    overall, name, champion = findings.overall, findings.key_metric.name, findings.verdict.champion
    metrics: dict[str, float | int | bool | None] = {
        **_counts(findings),
        **overall.values,
        f"{name}_low": overall.low,
        f"{name}_high": overall.high,
    }
    if findings.decision is not None:
        metrics["decision_threshold"] = findings.decision.threshold
    if champion is not None:
        metrics |= {
            f"champion_{name}": champion.value,
            "difference": champion.difference,
            "difference_low": champion.low,
            "difference_high": champion.high,
        }
    metrics["thresholds_met"] = findings.verdict.thresholds_met
    return _rounded(metrics)


def _counts(findings: Measured) -> dict[str, int]:
    """Of a ranking, num_groups are those that are judged."""
    ranking, counted = findings.predictions.ranking, findings.overall.num_examples
    if ranking is None:
        return {"num_examples": counted}
    return {"num_examples": len(ranking.scores), "num_groups": counted, "num_groups_left_out": sum(ranking.left_out)}


def interval_table(findings: Measured) -> pd.DataFrame:
    """A row a metric, overall: metric, value, low, high; empty where undefined."""
    import pandas as pd

    rows = []
    for name, value in findings.overall.values.items():
        low, high = findings.overall.intervals.get(name, (None, None))
        rows.append({"metric": name, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def slice_table(findings: Measured) -> pd.DataFrame:
    """A row a slice, the overall one first: columns, values, num_examples, small, every metric, the key metric's interval.

    Of a ranking, num_groups stands in place of num_examples.
    """
    import pandas as pd

    name = findings.key_metric.name
    rows = [
        {
            "columns": ", ".join(part.columns) or "all",
            "values": ", ".join(part.values),
            f"num_{findings.model.unit}": measured.num_examples,
            "small": part.is_small,
            **measured.values,
            f"{name}_low": measured.low,
            f"{name}_high": measured.high,
        }
        for part, measured in findings.slices
    ]
    return pd.DataFrame(rows)


def group_table(ranking: Ranking) -> pd.DataFrame:
    """A row a group that is judged: the group, num_examples, and every metric of it."""
    import numpy as np

    table = ranking.columns_of_groups([ranking.group])
    table.columns = ["group"]
    table["num_examples"] = np.bincount(ranking.groups)[ranking.judged]
    return table.assign(**dict(zip(SCORES, ranking.measured(ranking.scores).T, strict=True)))


def _write_json(path: Path, content: Any) -> None:
    # allow_nan: NaN is no JSON, and other readers refuse the file.
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_rounded(value) for value in content]
    return float(f"{content:.{_DIGITS}g}") if isinstance(content, float) else content


def _write_predictions(path: Path, findings: Measured) -> None:
    """Columns record, label, prediction, then score or probabilities of a classifier, then the columns of the slices.

    `prediction` is the likeliest class; where a threshold was chosen, `decision` is the class that it gives.
    Of the kind `scored`: the scores in place of label and prediction. Of a ranking: every example, the group among the
    columns; what was measured of each group that is judged stands in groups.csv.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    predictions, names = findings.predictions, findings.model.class_names
    columns: dict[str, Any] = {"record": np.arange(len(predictions.labels))}
    raw = predictions.columns
    if predictions.ranking is not None:
        ranking = predictions.ranking
        columns["record"] = np.arange(len(ranking.scores))
        columns |= {"label": ranking.relevances, "prediction": ranking.scores.astype(np.float32)}
        raw = ranking.columns
    elif findings.model.kind == "scored":
        columns |= dict(zip(findings.model.scores, predictions.outputs.astype(np.float32).T, strict=True))
    elif findings.model.kind == "regression":
        columns |= {"label": predictions.labels, "prediction": predictions.outputs.astype(np.float32)}
    else:
        of_class = pa.array(names, pa.string())
        columns |= {"label_id": predictions.labels, "label": of_class.take(pa.array(predictions.labels))}
        columns["prediction"] = of_class.take(pa.array(predictions.classes))
        scores = pa.array(predictions.outputs.astype(np.float32).ravel())
        if findings.model.kind == "binary":
            columns["score"] = scores
            if findings.decision is not None:
                called = findings.decision.called(predictions.outputs).astype(np.int64)
                columns["decision"] = of_class.take(pa.array(called))
        else:
            columns["probabilities"] = pa.FixedSizeListArray.from_arrays(scores, len(names))
    for name in raw:
        columns[name if name not in columns else f"column_{name}"] = pa.Array.from_pandas(raw[name])
    pq.write_table(pa.table(columns), path)


def _page(folder: Path, pictures: Pictures, findings: Findings) -> str:
    import numpy as np

    environment = page_environment()
    environment.filters["probability"] = shown_probability
    names = [*pictures.figures, *pictures.grids]
    images = {name: base64.b64encode((folder / f"{name}.png").read_bytes()).decode() for name in names}
    classes = findings.tables.get("classes")
    if classes is not None:
        classes = classes.iloc[np.sort(np.argsort(-classes["num_examples"], kind="stable")[:_MAX_ROWS])]
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        findings=findings,
        metrics=metrics_of(findings.model, findings.decision),
        decisions=[] if findings.choice is None else findings.tables["decisions"].to_dict("records"),
        thresholds={each.metric: each for each in findings.verdict.thresholds},
        images={name: images[name] for name in pictures.figures},
        grids={name: images[name] for name in pictures.grids},
        example_groups={WRONG_EXAMPLES: findings.examples.wrong, RIGHT_EXAMPLES: findings.examples.right},
        texts=findings.model.inputs_of("text"),
        classes=[] if classes is None else classes.to_dict("records"),
        num_classes=len(findings.model.class_names),
        shown_slices=[findings.slices[0], *largest(findings.slices[1:], _MAX_ROWS)],
        small_slice=SMALL_SLICE,
        slices_file=SLICES_FILE,
        predictions_file=PREDICTIONS_FILE,
    )

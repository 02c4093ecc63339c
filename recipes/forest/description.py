"""What a person may want to see of a forest, as tables and pictures.

After the TensorFlow tutorial "Gradient Boosted Trees: Model understanding" (estimator/boosted_trees_model_understanding).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recipes.forest.baseline import compare, fit_linear
from recipes.forest.curves import answers
from recipes.forest.importance import Contributions, contributions, permutation, structure
from recipes.forest.measures import key_measure
from recipes.forest.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ROWS = 20_000
"""Examples of eval that the baseline and the permutations are measured on."""
MAX_CONTRIBUTIONS = 1000
"""Examples of eval whose contributions are computed."""
MAX_FEATURES = 15
_UP, _DOWN = "#2a6f97", "#e07a5f"


def write_description(
    folder: Path,
    model: Any,
    label: str,
    classes: Sequence[str],
    train: Table | None,
    weights: np.ndarray | None,
    evaluation: Table,
    seed: int,
) -> None:
    """Writes into `folder`:

    * told.txt: the line that the terminal shows: the forest beside the linear model; linear.csv: the same numbers;
    * importance.csv, .png: gain, number of nodes, permutation on eval, mean |SHAP| on eval;
    * shap.csv, shap_summary.png: contributions to each answer on eval, and all of them in one picture;
    * contributions/: the same for a few examples, as bars;
    * forest.txt: the forest in YDF's words. (Its HTML page would fetch a script from the web.)

    Args:
        folder: Must be there.
        model: YDF's.
        label: Its name.
        classes: Names by id; empty for a regression.
        train: What the linear model learns from; None leaves it out.
        weights: Of the training examples.
        evaluation: The eval split.
        seed: Of permutations and resamples.
    """
    evaluation = evaluation.sample(MAX_ROWS, seed)
    if train is not None:
        _write_baseline(folder, model, classes, train, weights, evaluation, seed)
    explained = evaluation.sample(MAX_CONTRIBUTIONS, seed)
    found = contributions(model, explained, classes)
    _write_importance(folder, model, classes, evaluation, found, seed)
    _write_contributions(folder, model, label, classes, explained, found)
    (folder / "forest.txt").write_text(str(model.describe("text")), encoding="utf-8")


def _write_baseline(
    folder: Path, model: Any, classes: Sequence[str], train: Table, weights: np.ndarray | None, evaluation: Table, seed: int
) -> None:
    linear = fit_linear(train, classes, weights)
    given = answers(model, evaluation, classes)
    comparison = compare(evaluation.labels, given, linear(evaluation), classes, seed, evaluation.groups)
    (folder / "told.txt").write_text(f"{comparison}\n", encoding="utf-8")
    rows = [("forest", comparison.forest), ("linear", comparison.linear), ("forest better by", comparison.gain)]
    _write_csv(
        folder / "linear.csv",
        ["model", comparison.measure, "low", "high"],
        ([name, *(f"{number:.6g}" for number in value)] for name, value in rows),
    )


def _write_importance(
    folder: Path, model: Any, classes: Sequence[str], evaluation: Table, found: Contributions, seed: int
) -> None:
    loss, spread = permutation(model, evaluation, classes, seed)
    columns = {
        **structure(model, found.features),
        "permutation": loss,
        "permutation_deviation": spread,
        "mean_abs_shap": found.mean_absolute(),
    }
    order = np.argsort(-columns["mean_abs_shap"], kind="stable")
    _write_csv(
        folder / "importance.csv",
        ["feature", *columns],
        ([found.features[index], *(f"{values[index]:.6g}" for values in columns.values())] for index in order),
    )
    panels = [
        ("gain", columns["gain"], None, "gain of the splits"),
        ("permutation", loss, spread, f"{key_measure(classes, evaluation.groups)} lost on eval, permuted"),
        ("mean_abs_shap", columns["mean_abs_shap"], None, "mean |SHAP| on eval"),
    ]
    figure, axes = _figure(13.0, 1.2 + 0.3 * min(len(order), MAX_FEATURES), 3)
    for axis, (_, values, errors, title) in zip(axes, panels, strict=True):
        best = np.argsort(-values, kind="stable")[:MAX_FEATURES][::-1]
        axis.barh(range(len(best)), values[best], xerr=None if errors is None else errors[best], color=_UP, ecolor="#888888")
        axis.set_yticks(range(len(best)), [_short(found.features[index]) for index in best], fontsize=8)
        axis.set_title(title, loc="left", fontsize=10)
    figure.savefig(folder / "importance.png")


def _write_contributions(
    folder: Path, model: Any, label: str, classes: Sequence[str], table: Table, found: Contributions
) -> None:
    given = answers(model, table, classes)
    # Of more than two classes, those to the class that was answered.
    shown = given.argmax(axis=1) if found.values.shape[2] > 1 else np.zeros(len(table), np.int64)
    values = np.take_along_axis(found.values, shown[:, np.newaxis, np.newaxis], axis=2)[:, :, 0]
    named = classes[1] if len(classes) == 2 else "the answer"
    answered = [classes[index] for index in shown] if len(classes) > 2 else [classes[1] if classes else label] * len(table)
    likelihood = given[np.arange(len(table)), shown] if len(classes) > 2 else given[:, -1]
    labels = [classes[index] for index in table.labels] if classes else [f"{number:g}" for number in table.labels]
    _write_csv(
        folder / "shap.csv",
        ["example", label, "answer", "probability" if classes else "prediction", "bias", *found.features],
        (
            [row, labels[row], answered[row], f"{likelihood[row]:.6g}", f"{found.bias[shown[row]]:.6g}"]
            + [f"{value:.6g}" for value in values[row]]
            for row in range(len(table))
        ),
    )
    _summary(values, table, found.features, f"SHAP: towards {named if classes else label}").savefig(
        folder / "shap_summary.png"
    )
    pictures = folder / "contributions"
    pictures.mkdir()
    for why, row in _examples(given, table, classes).items():
        title = f"{why}: {answered[row]} {likelihood[row]:.4g} (it is {labels[row]})"
        _bars(values[row], table, row, found.features, title).savefig(pictures / f"{why.replace(' ', '_')}.png")


def _examples(given: np.ndarray, table: Table, classes: Sequence[str]) -> dict[str, int]:
    """Why an example is worth looking at → its row."""
    labels = table.labels
    if not classes:
        numbers = given[:, 0]
        found = {
            "greatest": int(numbers.argmax()),
            "middle": int(np.abs(numbers - np.median(numbers)).argmin()),
            "least": int(numbers.argmin()),
        }
        # The score of a ranking is no guess of the relevance.
        return found if table.groups is not None else {**found, "most wrong": int(np.abs(numbers - labels).argmax())}
    right = given[np.arange(len(labels)), labels]
    sure = given.max(axis=1)
    found = {"most sure": int(sure.argmax()), "least sure": int(sure.argmin()), "most wrong": int(right.argmin())}
    return (
        {"likeliest": int(given[:, 1].argmax()), "unlikeliest": int(given[:, 1].argmin()), **found}
        if len(classes) == 2
        else found
    )


def _summary(values: np.ndarray, table: Table, features: Sequence[str], title: str) -> Figure:
    """A point an example and feature: how far it moved the answer, coloured by the rank of its value (grey: a category)."""
    order = np.argsort(-np.abs(values).mean(axis=0), kind="stable")[:MAX_FEATURES][::-1]
    figure, (axis,) = _figure(8.5, 1.2 + 0.42 * len(order), 1)
    random = np.random.default_rng(0)  # spreads the points of a row, no more
    for place, index in enumerate(order):
        column = table.columns[features[index]]
        heights = place + random.uniform(-0.3, 0.3, len(column))
        if column.dtype.kind == "S":
            axis.scatter(values[:, index], heights, s=6, color="#999999", linewidths=0)
        else:
            ordered = np.sort(column)
            ranks = (np.searchsorted(ordered, column) + np.searchsorted(ordered, column, "right")) / (2 * len(column))
            axis.scatter(values[:, index], heights, s=6, c=ranks, cmap="coolwarm", vmin=0.0, vmax=1.0, linewidths=0)
    axis.axvline(0.0, color="#555555", linewidth=0.8)
    axis.set_yticks(range(len(order)), [_short(features[index]) for index in order], fontsize=8)
    axis.set_xlabel("contribution; blue: a small value, red: a large one, grey: a category", fontsize=8)
    axis.set_title(title, loc="left", fontsize=10)
    return figure


def _bars(values: np.ndarray, table: Table, row: int, features: Sequence[str], title: str) -> Figure:
    order = np.argsort(-np.abs(values), kind="stable")[:MAX_FEATURES][::-1]
    figure, (axis,) = _figure(8.5, 1.2 + 0.3 * len(order), 1)
    axis.barh(range(len(order)), values[order], color=[_UP if value > 0 else _DOWN for value in values[order]])
    axis.axvline(0.0, color="#555555", linewidth=0.8)
    names = [f"{_short(features[index])} = {_value(table.columns[features[index]][row])}" for index in order]
    axis.set_yticks(range(len(order)), names, fontsize=8)
    axis.set_xlabel("contribution (SHAP)", fontsize=8)
    axis.set_title(title, loc="left", fontsize=10)
    return figure


def _figure(width: float, height: float, num_axes: int) -> tuple[Figure, Any]:
    """A figure (inches) with axes side by side; without pyplot, so that nothing global is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, num_axes, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(visible=True, color="#e6e6e6", linewidth=0.7)
        axis.set_axisbelow(True)
    return figure, axes


def _value(value: Any) -> str:
    return _short(value.decode("utf-8", "replace") or "missing") if isinstance(value, bytes) else f"{value:g}"


def _short(name: str) -> str:
    return name if len(name) <= 36 else f"{name[:35]}…"


def _write_csv(path: Path, header: Sequence[str], rows: Any) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

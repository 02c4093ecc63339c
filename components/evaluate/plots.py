"""The pictures of a report, drawn with Matplotlib's objects: no pyplot, no global state, the same bytes each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from components.evaluate.curves import confusion_matrix
from components.evaluate.decision import LEAST_SHOWN, Choice
from components.evaluate.measure import Measurement
from components.evaluate.metrics import Metric
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions
from components.evaluate.slices import Slice, largest
from components.plot_style import COLOURS, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE, _GREEN, *_ = COLOURS
_GREY = "#718096"
_MAX_BARS = 30
_MAX_CLASSES = 30
_MAX_LETTERS = 32


def draw(
    *,
    model: ModelInfo,
    predictions: Predictions,
    tables: dict[str, pd.DataFrame],
    overall: Measurement,
    slices: Sequence[tuple[Slice, Measurement]],
    key_metric: Metric,
    choice: Choice | None = None,
) -> dict[str, Figure]:
    """Name of the picture → picture; only those that the data allow (no ROC curve of one class, no slices of none)."""
    figures: dict[str, Figure] = {}
    if model.kind in ("scored", "ranking"):
        figures["scores"] = _histograms(model, predictions)
    elif model.kind == "regression":
        figures["predicted_actual"] = _predicted_actual(tables["residuals"])
        figures["residuals"] = _residuals(tables["residuals"])
        figures["residual_histogram"] = _residual_histogram(predictions)
    else:
        if len(tables["roc"]):
            figures["roc"] = _roc(tables, overall, key_metric)
            figures["precision_recall"] = _precision_recall(tables["pr"], overall, float(np.mean(predictions.labels == 1)))
        figures["calibration"] = _calibration(tables["calibration"], model)
        figures["confusion"] = _confusion(model, predictions.labels, predictions.classes)
        if choice is not None:
            called = choice.decision.called(predictions.outputs).astype(np.int64)
            title = f"Confusion at the threshold {choice.decision.threshold:.4g}"
            figures["confusion_at_threshold"] = _confusion(model, predictions.labels, called, title)
            figures["costs"] = _costs(tables["costs"], choice)
        if model.kind == "binary":
            figures["scores"] = _scores(model, predictions)
        else:
            figures["classes"] = _classes(tables["classes"])
    if len(slices) > 1:
        figures["slices"] = _slices(slices, key_metric, model.unit)
    return figures


def _axes(title: str, x: str, y: str, size: tuple[float, float] = (5.6, 4.6)) -> tuple[Figure, Axes]:
    figure, axes = new_figure(*size)
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")


def _histograms(model: ModelInfo, predictions: Predictions) -> Figure:
    """How each score is distributed over the examples, or groups."""
    figure, rows = new_figure(5.6, 2.0 * len(model.scores), nrows=len(model.scores), squeeze=False)
    for axes, name, values in zip(rows[:, 0], model.scores, predictions.outputs.T, strict=True):
        axes.hist(values, bins=40, color=_BLUE)
        axes.axvline(values.mean(), color=_ORANGE, label=f"mean {values.mean():.4g}")
        axes.set_title(name, fontsize=11, loc="left")
        axes.set_ylabel(model.unit.capitalize())
        axes.legend(frameon=False)
    return figure


def _curves(table: pd.DataFrame) -> list[tuple[str | None, pd.DataFrame]]:
    if "class" not in table:
        return [(None, table)]
    return [(str(name), part) for name, part in table.groupby("class", sort=False)]


def _roc(tables: dict[str, pd.DataFrame], overall: Measurement, key_metric: Metric) -> Figure:
    table = tables["roc"]
    figure, axes = _axes("ROC", "False positive rate", "True positive rate")
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":", label="chance")
    for colour, (name, part) in zip(COLOURS, _curves(table), strict=False):
        area = overall.values["auc"] if name is None else tables["classes"].set_index("class")["auc"][name]
        label = f"AUC {area:.3f}" if name is None else f"{short(name)}, AUC {area:.3f}"
        if name is None and key_metric.name == "auc" and overall.low is not None:
            label += f" ({overall.low:.3f} to {overall.high:.3f})"
        axes.plot(part["fpr"], part["tpr"], color=colour, label=label)
    _unit_square(axes)
    axes.legend(loc="lower right", frameon=False, title=None if "class" not in table else "Class against the rest")
    return figure


def _precision_recall(table: pd.DataFrame, overall: Measurement, base_rate: float) -> Figure:
    figure, axes = _axes("Precision and recall", "Recall", "Precision")
    for colour, (name, part) in zip(COLOURS, _curves(table), strict=False):
        label = short(name) if name is not None else f"area {overall.values['auc_pr']:.3f}"
        axes.step(part["recall"], part["precision"], where="pre", color=colour, label=label)
    if "class" not in table:
        axes.axhline(base_rate, color=_GREY, linestyle=":", label=f"chance {base_rate:.3f}")
    _unit_square(axes)
    axes.legend(loc="lower left", frameon=False, title=None if "class" not in table else "Class against the rest")
    return figure


def _calibration(table: pd.DataFrame, model: ModelInfo) -> Figure:
    if model.kind == "binary":
        labels = (f"Mean score of '{short(model.class_names[1])}'", f"Fraction that is '{short(model.class_names[1])}'")
    else:
        labels = ("Mean probability of the predicted class", "Fraction predicted rightly")
    figure, axes = _axes("Calibration", *labels)
    fraction, count = table["fraction_positive"].to_numpy(), table["num_examples"].to_numpy()
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":", label="perfect")
    low, high = _wilson(fraction, count)
    axes.errorbar(
        table["mean_score"],
        fraction,
        yerr=np.maximum(0, [fraction - low, high - fraction]),
        color=_BLUE,
        marker="o",
        markersize=4,
        elinewidth=1,
        capsize=2,
        label=f"{len(table)} bins of about {round(count.mean()):,} examples, ±2 standard errors",
    )
    _unit_square(axes)
    figure.legend(loc="outside lower center", frameon=False, fontsize=8.5, ncols=2)
    return figure


def _wilson(fraction: Any, count: Any) -> tuple[Any, Any]:
    """Wilson's interval at two standard errors: unlike the normal one, it has a width at 0 and 1 too."""
    squared = 4 / count
    centre = (fraction + squared / 2) / (1 + squared)
    half = np.sqrt(squared * fraction * (1 - fraction) + squared**2 / 4) / (1 + squared)
    return centre - half, centre + half


def _costs(table: pd.DataFrame, choice: Choice) -> Figure:
    decision = choice.decision
    figure, axes = _axes("Cost by threshold, on the eval split", "Threshold", "Cost an example")
    inside = table[(table["threshold"] >= LEAST_SHOWN) & (table["threshold"] <= 1 - LEAST_SHOWN)]
    axes.plot(inside["threshold"], inside["cost"], color=_BLUE, drawstyle="steps-pre")
    axes.set_xscale("logit")
    axes.set_yscale("symlog", linthresh=1.0 / choice.num_examples)
    axes.set_ylim(bottom=0)
    ticks = [LEAST_SHOWN, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - LEAST_SHOWN]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.axvline(0.5, color=_GREY, linestyle=":", label="0.5")
    shown = min(max(decision.threshold, LEAST_SHOWN), 1 - LEAST_SHOWN)
    axes.axvline(shown, color=_ORANGE, label=f"chosen: {decision.threshold:.4g}")
    axes.legend(frameon=False)
    return figure


def _confusion(model: ModelInfo, labels: Any, predicted: Any, title: str = "Confusion") -> Figure:
    counts = confusion_matrix(labels, predicted, len(model.class_names))
    chosen = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:_MAX_CLASSES])
    title = title if len(chosen) == len(counts) else f"Confusion of the {len(chosen)} most frequent classes"
    counts = counts[np.ix_(chosen, chosen)]
    names = [short(model.class_names[each], 20) for each in chosen]
    size = max(4.6, 1.9 + 0.42 * len(names))
    figure, axes = _axes(title, "Predicted", "Actual", (size + 0.9, size))
    axes.grid(visible=False)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=0 if max(map(len, names)) * len(names) < 40 else 90)
    axes.set_yticks(range(len(names)), names)
    if len(names) <= 15:
        for row, column in np.ndindex(*counts.shape):
            text = f"{counts[row, column]:,}" + (f"\n{shares[row, column]:.1%}" if len(names) <= 6 else "")
            colour = "white" if shares[row, column] > 0.55 else "#1a202c"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.8, label="Share of the actual class")
    return figure


def _scores(model: ModelInfo, predictions: Predictions) -> Figure:
    figure, axes = _axes("Scores by actual class", f"Score of '{short(model.class_names[1])}'", "Share of the class")
    edges = np.linspace(0, 1, 41)
    for each, colour in ((0, _BLUE), (1, _ORANGE)):
        scores = predictions.outputs[predictions.labels == each]
        share = np.histogram(scores, edges)[0] / max(1, len(scores))
        label = f"{short(model.class_names[each])} ({len(scores):,})"
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.45, label=label)
    axes.axvline(0.5, color=_GREY, linestyle=":")
    axes.set_xlim(0, 1)
    axes.legend(frameon=False, title="Actual class")
    return figure


def _classes(table: pd.DataFrame) -> Figure:
    shown = table.sort_values("num_examples", ascending=False, kind="stable").head(_MAX_CLASSES)[::-1]
    title = "Classes" if len(shown) == len(table) else f"The {len(shown)} most frequent classes"
    figure, axes = _axes(title, "Value", "", (6.4, 1.7 + 0.62 * len(shown)))
    rows = np.arange(len(shown))
    for offset, (metric, colour) in enumerate(zip(("f1", "recall", "precision"), (_GREEN, _ORANGE, _BLUE), strict=True)):
        values = shown[metric].to_numpy()
        bars = axes.barh(rows + (offset - 1) * 0.26, np.nan_to_num(values), 0.24, color=colour, label=metric)
        axes.bar_label(bars, ["undefined" if np.isnan(value) else f"{value:.3f}" for value in values], padding=3, fontsize=8)
    names = [f"{short(name)}\n({count:,})" for name, count in zip(shown["class"], shown["num_examples"], strict=True)]
    axes.set_yticks(rows, names)
    axes.set_xlim(0, 1.12)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(visible=False, axis="y")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", frameon=False, ncols=3)
    return figure


def _slices(slices: Sequence[tuple[Slice, Measurement]], key_metric: Metric, unit: str) -> Figure:
    overall, parts = slices[0][1], slices[1:]
    shown = largest(parts, _MAX_BARS)[::-1]
    title = f"{key_metric.title} by slice" + (
        f" (the {len(shown)} largest of {len(parts)})" if len(shown) < len(parts) else ""
    )
    figure, axes = _axes(title, key_metric.title, "", (7.2, 1.6 + 0.3 * len(shown)))
    for row, (part, measured) in enumerate(shown):
        value, colour = measured.values[key_metric.name], _GREY if part.is_small else _BLUE
        if measured.low is not None and measured.high is not None:
            axes.plot([measured.low, measured.high], [row, row], color=colour, linewidth=1.5, solid_capstyle="butt")
        if value is None:
            axes.text(0.01, row, "undefined", transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=_GREY)
        else:
            axes.plot([value], [row], "o", color=colour, markersize=5, markerfacecolor="white" if part.is_small else colour)
    value = overall.values[key_metric.name]
    if overall.low is not None and overall.high is not None and value is not None:
        axes.axvspan(overall.low, overall.high, color=_ORANGE, alpha=0.15, linewidth=0)
        axes.axvline(value, color=_ORANGE, linewidth=1, label=f"all {unit}, with the interval; hollow: a small slice")
        figure.legend(loc="outside lower center", frameon=False, fontsize=8.5)
    axes.set_yticks(range(len(shown)), [f"{_slice_title(part)}  ({measured.num_examples:,})" for part, measured in shown])
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    return figure


def _predicted_actual(table: pd.DataFrame) -> Figure:
    figure, axes = _axes("Predicted and actual", "Predicted", "Actual")
    both = np.concatenate([table["predicted"], table["actual"]])
    ends = [both.min(), both.max()]
    axes.plot(ends, ends, color=_GREY, linestyle=":", label="perfect")
    axes.scatter(table["predicted"], table["actual"], s=12, color=_BLUE, alpha=_opacity(len(table)), linewidth=0)
    axes.legend(loc="upper left", frameon=False)
    return figure


def _residuals(table: pd.DataFrame) -> Figure:
    figure, axes = _axes("Residuals", "Predicted", "Actual − predicted")
    axes.axhline(0, color=_GREY, linestyle=":")
    axes.scatter(table["predicted"], table["residual"], s=12, color=_BLUE, alpha=_opacity(len(table)), linewidth=0)
    return figure


def _residual_histogram(predictions: Predictions) -> Figure:
    figure, axes = _axes("Distribution of the residuals", "Actual − predicted", "Examples")
    residuals = predictions.labels - predictions.outputs
    counts, edges = np.histogram(residuals, bins=min(60, max(5, round(np.sqrt(len(residuals)) * 2))))
    axes.stairs(counts, edges, fill=True, color=_BLUE, alpha=0.6)
    axes.axvline(0, color=_GREY, linestyle=":")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _slice_title(part: Slice) -> str:
    width = 54 // len(part.columns)
    pairs = zip(part.columns, part.values, strict=True)
    return ", ".join(f"{short(column, 18)} = {short(value, max(10, width - len(column) - 3))}" for column, value in pairs)


def _opacity(num_points: int) -> float:
    return 0.7 if num_points <= 300 else 0.35


def short(name: object, width: int = _MAX_LETTERS) -> str:
    """A name in one line of at most `width` letters, as Matplotlib takes it literally."""
    text = " ".join(str(name).split()) or "(empty)"
    text = text if len(text) <= width else text[: width - 1] + "…"
    return text.replace("$", r"\$")  # a pair of dollar signs would be read as a formula

"""What was found in images and texts (see `contents`), told: lines, metrics, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from components.bridge.outcome import Outcome
from components.plot_style import COLOURS, SPLIT_COLOURS, new_figure
from components.validate.contents import ALL, LENGTH_EDGES, file_name
from components.validate.measured import NEARLY_EMPTY_CONTRAST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NUM_BARS = 25
_NUM_SCRIPTS = 5
_MAX_CURVES = len(COLOURS)
_TICKS = (0, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10**4, 10**5, 10**6, 10**7)


def add_contents(result: Outcome, report: Mapping[str, Any]) -> None:
    """Adds what `contents.json` holds to the outcome of the stage."""
    if len(report["classes"]) > 1:
        _add_classes(result, report["label"], report["classes"])
    for name, image in report["images"].items():
        _add_image(result, name, image)
    for name, text in report["texts"].items():
        _add_text(result, name, text)


def _add_classes(result: Outcome, label: str, classes: Mapping[str, Mapping[str, int]]) -> None:
    counts = {name: counts.get("train", 0) for name, counts in classes.items()}
    rarest, most = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    result.metrics["num_classes"] = len(counts)
    result.metrics["largest_to_smallest_class"] = counts[most] / max(counts[rarest], 1)
    result.lines.append(
        f"{label}: {len(counts)} classes, of {counts[rarest]:,} ({rarest}) to {counts[most]:,} ({most}) train examples"
    )


def _add_image(result: Outcome, name: str, image: Mapping[str, Any]) -> None:
    total = {kind: sum(image[f"num_{kind}"].values()) for kind in ("images", "nearly_empty", "copies")}
    result.metrics[f"{name}_num_nearly_empty"] = total["nearly_empty"]
    result.metrics[f"{name}_num_copies"] = total["copies"]
    _add_repeats(result, name, image)
    found = {
        f"nearly empty (contrast below {NEARLY_EMPTY_CONTRAST:g})": total["nearly_empty"],
        "copies of earlier ones": total["copies"],
        **_repeats(image),
    }
    result.lines.append(f"{name}: {total['images']:,} images; {_told(found, image) or 'none nearly empty, no copies'}")


def _add_text(result: Outcome, name: str, text: Mapping[str, Any]) -> None:
    vocabulary, unknown = text["vocabulary"], text["unknown_words"]
    result.metrics[f"{name}_num_distinct_words"] = vocabulary["num_distinct"]
    for split, of_split in unknown.items():
        result.metrics[f"{name}_unknown_words_{split}"] = of_split["fraction"]
    result.metrics[f"{name}_num_repeated"] = text["num_repeated"]
    _add_repeats(result, name, text)
    about = "at least " if vocabulary["max_missed"] else ""
    line = f"{name}: {about}{vocabulary['num_distinct']:,} different words in train"
    if unknown:
        shares = ", ".join(f"{100 * of_split['fraction']:.1f}% of {split}'s" for split, of_split in unknown.items())
        line += f"; not among them: {'at most ' if about else ''}{shares}"
    result.lines.append(line)
    scripts = {script: sum(counts.values()) for script, counts in text["scripts"].items()}
    total = sum(scripts.values())
    by_frequency = sorted(scripts, key=lambda script: (-scripts[script], script))
    mix = [f"{script} {100 * scripts[script] / total:.1f}%" for script in by_frequency[:_NUM_SCRIPTS]]
    found = {"repeat an earlier text": text["num_repeated"], **_repeats(text)}
    result.lines.append(f"{name}: {', '.join(mix) or 'no script measured'}; {_told(found, text) or 'no text comes twice'}")
    file = file_name(name)
    result.figures[f"statistics/{file}_words.png"] = _word_figure(name, vocabulary)
    result.figures[f"statistics/{file}_length.png"] = _length_figure(name, text["num_words_histogram"])


def _add_repeats(result: Outcome, name: str, column: Mapping[str, Any]) -> None:
    for key in ("num_in_two_splits", "num_label_conflicts"):
        result.metrics[f"{name}_{key}"] = column[key]


def _repeats(column: Mapping[str, Any]) -> dict[str, int]:
    return {"in two splits": column["num_in_two_splits"], "with two labels": column["num_label_conflicts"]}


def _told(found: Mapping[str, int], column: Mapping[str, Any]) -> str:
    about = "" if column["is_exact"] else "about "
    return ", ".join(f"{what}: {about}{count:,}" for what, count in found.items() if count)


def _word_figure(name: str, vocabulary: Mapping[str, Any]) -> Figure:
    """The most frequent words of train, and how fast their counts fall."""
    figure, (left, right) = new_figure(9.2, 4.8, ncols=2, width_ratios=(3, 2))
    words = vocabulary["most_frequent"]
    shares = [100 * count / max(vocabulary["num_words"], 1) for _, count in words]
    top = words[:_NUM_BARS]
    left.barh(range(len(top)), shares[: len(top)], color=SPLIT_COLOURS["train"])
    left.set_yticks(range(len(top)), [_short(word) for word, _ in top], fontsize=8)
    left.set_ylim(len(top) - 0.4, -0.6)
    left.grid(visible=False, axis="y")
    left.set_xlabel("% of train's words")
    left.set_title(
        f"{name}: {vocabulary['num_distinct']:,} different of {vocabulary['num_words']:,} words", fontsize=10, loc="left"
    )
    right.loglog(range(1, len(words) + 1), [count for _, count in words], color=SPLIT_COLOURS["train"])
    right.set_xlabel("rank")
    right.set_ylabel("count")
    right.set_title(f"the {len(words)} most frequent", fontsize=10, loc="left")
    return figure


def _length_figure(name: str, histogram: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Figure:
    """Words a text, by split and, of all splits together, by class."""
    by_split = {split: _summed(histogram[split].values()) for split in SPLIT_COLOURS if split in histogram}
    classes = sorted({label for classes in histogram.values() for label in classes})
    by_class = {label: _summed(splits[label] for splits in histogram.values() if label in splits) for label in classes}
    shows_classes = classes != [ALL]
    figure, axes = new_figure(9.2 if shows_classes else 5.6, 3.8, ncols=2 if shows_classes else 1, sharey=True, squeeze=False)
    _curves(axes[0, 0], by_split, SPLIT_COLOURS)
    axes[0, 0].set_ylabel("% of the texts, per word of length")
    axes[0, 0].set_title(f"{name}: words a text", fontsize=10, loc="left")
    if shows_classes:
        most = sorted(by_class, key=lambda label: (-sum(by_class[label].values()), label))[:_MAX_CURVES]
        _curves(axes[0, 1], {label: by_class[label] for label in sorted(most)}, dict(zip(sorted(most), COLOURS, strict=False)))
        left_out = f" (the {len(most)} largest of {len(classes)})" if len(most) < len(classes) else ""
        axes[0, 1].set_title(f"by class{left_out}", fontsize=10, loc="left")
    return figure


def _curves(axis: Any, histograms: Mapping[str, Mapping[int, int]], colours: Mapping[str, str]) -> None:
    filled = [edge for histogram in histograms.values() for edge in histogram]
    if not filled:
        return
    first, last = LENGTH_EDGES.index(min(filled)), LENGTH_EDGES.index(max(filled))
    edges = [*LENGTH_EDGES[first : last + 2]]
    if len(edges) < last - first + 2:
        edges.append(2 * edges[-1])
    for name, histogram in histograms.items():
        total = sum(histogram.values())
        heights = [100 * histogram.get(low, 0) / total / (high - low) for low, high in pairwise(edges)]
        axis.stairs(heights, edges, color=colours.get(name), label=_short(name), linewidth=1.5)
    axis.set_xscale("symlog", linthresh=10)
    ticks = [tick for tick in _TICKS if edges[0] <= tick <= edges[-1]]
    axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlim(edges[0], edges[-1])
    axis.set_xlabel("words")
    axis.legend(frameon=False, fontsize=8)


def _summed(histograms: Any) -> dict[int, int]:
    total: dict[int, int] = {}
    for histogram in histograms:
        for edge, count in histogram.items():
            total[int(edge)] = total.get(int(edge), 0) + count
    return total


def _short(text: str) -> str:
    return text if len(text) <= 20 else text[:19] + "…"

"""What statistics of single values can't tell of images and texts: words, repeats, samples. One pass over the examples.

Memory is bounded whatever the size of the data: see `vocabulary`, `repeats` and `sample`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from components.contact_sheet import MAX_TILES, draw_sheet, thumbnail
from components.validate.batches import first_values, read_batches
from components.validate.measured import NEARLY_EMPTY_CONTRAST
from components.validate.repeats import Repeats, content_key
from components.validate.sample import MAX_GROUPS, Sample
from components.validate.vocabulary import Vocabulary, split_words

if TYPE_CHECKING:
    from PIL.Image import Image

CONTENTS_FOLDER = "contents"
"""Folder of the statistics artifact that holds contents.json, contact sheets and pages of texts."""
CONTENTS_FILE = "contents.json"

NUM_SAMPLE_TEXTS = 10
NUM_FREQUENT_WORDS = 200
NUM_SHOWN = 20
"""Texts shown of those that lie in two splits, and of those with two labels."""
MAX_SHOWN_CHARS = 300
LENGTH_EDGES = (0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100, *(
    round(10 ** (exponent / 10)) for exponent in range(21, 71)
))  # fmt: skip
"""Number of words at which a bin of the histogram of lengths begins; ten bins a decade."""
ALL = "all"
"""The class of every record where the label is no class, or where there is none."""
NO_LABEL, OTHERS = "(no label)", "(other classes)"
MAX_CLASSES = 10_000
"""Later ones are counted as OTHERS."""

_MAX_WORDS_AT_ONCE = 100_000
_TEMPLATE = Path(__file__).with_name("texts.html.jinja")
_SPLITS = ("train", "eval", "test")


class _Labels:
    """Numbers the classes in the order in which they come, and counts them by split."""

    def __init__(self, label: str | None) -> None:
        self._label = label
        self._numbers: dict[Any, int] = {}
        self.names: list[str] = []
        self.counts: dict[str, Counter[str]] = {}

    def read(self, batch: pa.RecordBatch, split: str) -> list[int]:
        """The number of each record's class; a number to predict is no class."""
        values = first_values(batch, self._label) if self._label else pa.repeat(ALL, batch.num_rows)
        if pa.types.is_floating(values.type):
            values = pa.repeat(ALL, batch.num_rows)
        numbers = [self._number(value) for value in values.to_pylist()]
        for number, count in Counter(numbers).items():
            self.counts.setdefault(self.names[number], Counter())[split] += count
        return numbers

    def _number(self, value: Any) -> int:
        if value not in self._numbers:
            if len(self.names) == MAX_CLASSES:
                self.names.append(OTHERS)
            if len(self.names) > MAX_CLASSES:
                return MAX_CLASSES
            self._numbers[value] = len(self.names)
            self.names.append(_shown_label(value))
        return self._numbers[value]


class _Images:
    """One column of images."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._repeats = Repeats()
        self._classes: Sample[Image | None] = Sample(MAX_TILES)
        self._notable: Sample[tuple[Image | None, str]] = Sample(MAX_TILES)
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in ("images", "nearly_empty", "copies")}

    def read(self, batch: pa.RecordBatch, split: int, numbers: Sequence[int], labels: _Labels) -> None:
        """Takes in a batch of one split."""
        column = first_values(batch, self._column)
        contrasts = first_values(batch, f"{self._column}_contrast").to_pylist()
        copies = first_values(batch, f"{self._column}_copies").to_pylist()
        for scalar, contrast, copy, number in zip(column, contrasts, copies, numbers, strict=True):
            if not scalar.is_valid:
                continue
            encoded = memoryview(scalar.as_buffer())
            key = content_key(encoded)
            label = labels.names[number]
            notable = []
            if contrast is not None and contrast < NEARLY_EMPTY_CONTRAST:
                notable.append("nearly_empty")
            if copy:
                notable.append("copies")
            first_label, _ = self._repeats.add(key, split, number)
            if first_label is not None:
                notable.append("two_labels")
            for kind in ["images", *notable]:
                if kind in self._counts:
                    self._counts[kind][_SPLITS[split]] += 1
            caption = label if first_label is None else f"{labels.names[first_label]} / {label}"
            wanted = [kind for kind in notable if self._notable.wants(kind, key)]
            if wanted or self._classes.wants(label, key):
                small = thumbnail(bytes(encoded))
                self._classes.add(label, key, small)
                for kind in wanted:
                    self._notable.add(kind, key, (small, caption))

    def write(self, folder: Path, labels: _Labels) -> dict[str, Any]:
        """Draws the sheets; returns the numbers."""
        (folder / "classes").mkdir(parents=True)
        for index, (label, tiles) in enumerate(self._classes.groups()):
            counted = ", ".join(f"{count:,} {split}" for split, count in labels.counts[label].items())
            title = f"{self._column} · {label} · {counted}"
            sheet = draw_sheet(title, [(tile, "" if tile else "not shown") for tile in tiles])
            sheet.save(folder / "classes" / f"{index:03d}_{file_name(label)}.png", optimize=True)
        for kind, notable in self._notable.groups():
            title = f"{self._column} · {kind.replace('_', ' ')} · {len(notable)} shown"
            draw_sheet(title, notable).save(folder / f"{kind}.png", optimize=True)
        return {
            **{f"num_{name}": dict(counts) for name, counts in self._counts.items()},
            **self._repeats.counts().as_dict(),
        }


class _Texts:
    """One column of texts. The train split must come first: its words are what the others are held against."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._vocabulary = Vocabulary()
        self._unknown: dict[str, Vocabulary] = {}
        self._num_words: Counter[str] = Counter()
        self._repeats = Repeats()
        self._classes: Sample[str] = Sample(NUM_SAMPLE_TEXTS)
        self._repeated: list[dict[str, str]] = []
        self._conflicts: list[dict[str, str]] = []
        self._scripts: dict[str, Counter[str]] = {}
        self._lengths: dict[tuple[str, str], Counter[int]] = {}

    def read(self, batch: pa.RecordBatch, split: int, numbers: Sequence[int], labels: _Labels) -> None:
        """Takes in a batch of one split."""
        name = _SPLITS[split]
        words: list[str] = []
        for encoded, number in zip(first_values(batch, self._column).to_pylist(), numbers, strict=True):
            if encoded is None:
                continue
            text = encoded.decode("utf-8", "replace")
            label = labels.names[number]
            tokens = text.casefold().split()
            # The same but for case and white space is the same.
            key = content_key(" ".join(tokens).encode())
            first_label, is_leak = self._repeats.add(key, split, number)
            if is_leak and len(self._repeated) < NUM_SHOWN:
                self._repeated.append({"text": shown_text(text), "label": label, "split": name})
            if first_label is not None and len(self._conflicts) < NUM_SHOWN:
                self._conflicts.append({"text": shown_text(text), "label": label, "first_label": labels.names[first_label]})
            self._classes.add(label, key, shown_text(text) if self._classes.wants(label, key) else "")
            if (name, label) in self._lengths or len(self._lengths) < len(_SPLITS) * MAX_GROUPS:
                bins = self._lengths.setdefault((name, label), Counter())
                bins[bisect_right(LENGTH_EDGES, len(tokens)) - 1] += 1
            words += split_words(tokens)
            if len(words) > _MAX_WORDS_AT_ONCE:
                self._add_words(words, name)
                words = []
        self._add_words(words, name)
        scripts = first_values(batch, f"{self._column}_script").drop_null().to_pylist()
        for script, count in Counter(scripts).items():
            self._scripts.setdefault(script.decode("utf-8", "replace"), Counter())[name] += count

    def _add_words(self, words: list[str], split: str) -> None:
        if split == "train":
            self._vocabulary.add(words)
        else:
            known = self._vocabulary.counts
            self._unknown.setdefault(split, Vocabulary()).add([word for word in words if word not in known])
            self._num_words[split] += len(words)

    def write(self, folder: Path, labels: _Labels) -> dict[str, Any]:
        """Writes the page of texts; returns the numbers."""
        folder.mkdir(parents=True)
        groups = [(label, labels.counts[label], texts) for label, texts in self._classes.groups()]
        (folder / "texts.html").write_text(_page(self._column, groups, self._repeated, self._conflicts), encoding="utf-8")
        lengths: dict[str, dict[str, dict[str, int]]] = {}
        for (split, label), bins in self._lengths.items():
            lengths.setdefault(split, {})[label] = {str(LENGTH_EDGES[index]): bins[index] for index in sorted(bins)}
        return {
            "vocabulary": {
                "num_words": self._vocabulary.num_words,
                "num_distinct": len(self._vocabulary.counts),
                "max_missed": self._vocabulary.max_missed,
                "most_frequent": self._vocabulary.most_frequent(NUM_FREQUENT_WORDS),
            },
            "unknown_words": {
                split: {
                    "num_words": self._num_words[split],
                    "num_unknown": unknown.num_words,
                    "fraction": unknown.num_words / self._num_words[split] if self._num_words[split] else 0.0,
                    "num_distinct": len(unknown.counts),
                    "max_missed": unknown.max_missed,
                    "most_frequent": unknown.most_frequent(NUM_SHOWN),
                }
                for split, unknown in self._unknown.items()
            },
            "scripts": {script: dict(counts) for script, counts in self._scripts.items()},
            "num_words_histogram": lengths,
            **self._repeats.counts().as_dict(),
        }


def write_contents(
    examples: Path, splits: Sequence[str], images: Sequence[str], texts: Sequence[str], label: str | None, folder: Path
) -> None:
    """Reads the examples once and writes what this module's docstring says to `folder`.

    Args:
        examples: Folder of the Examples artifact.
        splits: Those of train, eval and test that there are.
        images: Features that hold encoded images.
        texts: Features that hold texts.
        label: The label's feature; None if there is none.
        folder: Made, with `contents.json`, and for each column COLUMN either `COLUMN/classes/NNN_CLASS.png` and, where there
            are such images, `COLUMN/nearly_empty.png`, `copies.png` and `two_labels.png`, or `COLUMN/texts.html`.
    """
    labels = _Labels(label)
    columns: dict[str, _Images | _Texts] = {name: _Images(name) for name in images}
    columns |= {name: _Texts(name) for name in texts}
    for number, split in enumerate(_SPLITS):
        if split not in splits:
            continue
        for _, batch in read_batches(examples, split):
            classes = labels.read(batch, split)
            for column in columns.values():
                column.read(batch, number, classes, labels)
    folder.mkdir(parents=True)
    report: dict[str, Any] = {"label": label, "classes": {name: dict(counts) for name, counts in labels.counts.items()}}
    report["images"] = {name: columns[name].write(folder / file_name(name), labels) for name in images}
    report["texts"] = {name: columns[name].write(folder / file_name(name), labels) for name in texts}
    text = json.dumps(report, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / CONTENTS_FILE).write_text(text + "\n", encoding="utf-8")


def shown_text(text: str) -> str:
    """A text of at most MAX_SHOWN_CHARS characters."""
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


def file_name(name: str) -> str:
    """The name with nothing but letters, digits, `-` and `_`; not always unique."""
    return "".join(character if character.isalnum() or character in "-_" else "_" for character in name)


def _shown_label(value: Any) -> str:
    if value is None:
        return NO_LABEL
    return shown_text(value.decode("utf-8", "replace")) if isinstance(value, bytes) else str(value)


def _page(
    column: str,
    groups: Sequence[tuple[str, Counter[str], list[str]]],
    repeated: Sequence[dict[str, str]],
    conflicts: Sequence[dict[str, str]],
) -> str:
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(column=column, groups=groups, repeated=repeated, conflicts=conflicts)

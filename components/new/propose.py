"""From what the data hold to the parameters of a pipeline, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from components.column_names import WHY, renamed
from components.errors import UserError
from components.ingest.archive import is_archive
from components.ingest.check import Findings, images_of, measures_of, texts_of
from components.ingest.image_store import open_store
from components.new import columns as columns_room
from components.new.columns import Judgement
from components.new.labels import RARE, Label, check_size, classes_from
from components.new.labels import judge as judge_label
from components.new.look import ARRAY_FORMATS, Trial, look, try_out
from components.new.render import Entry, listed, render, shown
from components.params.models import SPLITS, TABLE_FORMATS, DataParams

FEW, MANY = 2000, 50_000
_WIDE = 300
"""With more columns of numbers a curve of each is more than a network, and its preprocessing, gains by."""
_SPLITS: tuple[dict[str, float], ...] = (
    {"train": 0.7, "eval": 0.15, "test": 0.15},
    {"train": 0.6, "eval": 0.2, "test": 0.2},
    {"train": 0.5, "eval": 0.25, "test": 0.25},
)
_ALIGNED = {"mask", "masks", "segmentation", "segmentations", "annotation", "annotations", "depth", "edges", "trimaps"}
_SPLIT_FOLDERS = {"train", "training", "val", "valid", "validation", "eval", "dev", "test", "testing"}
_MOST_PIXELS = 96


@dataclass(frozen=True)
class Proposal:
    """A pipeline to be.

    Attributes:
        recipe: Its recipe.
        head: What the parameter file says at its top.
        why: Why this recipe.
        sections: Section → its keys.
        findings: What the data hold.
        kind: Of the task, for what DVC is told to show: binary, multiclass, regression or scored.
    """

    recipe: str
    head: list[str]
    why: str
    sections: dict[str, list[Entry]]
    findings: Findings
    kind: str

    def text(self, path: str) -> str:
        """The parameter file, with the data at `path`."""
        data = [Entry("path", path) if entry.key == "path" else entry for entry in self.sections["data"]]
        return render(self.head, Entry("recipe", self.recipe, self.why), {**self.sections, "data": data})


def propose(name: str, path: str, data_format: str | None, label: str | None) -> Proposal:
    """Looks at the data and proposes a pipeline.

    Args:
        name: Of the pipeline, and of its model.
        path: Of the data, as ingest takes it.
        data_format: `data.format`; None to guess it.
        label: The column to learn; None where folders are the classes, or there are none.

    Raises: UserError if nothing can be read, or learned, and why.
    """
    if not glob_magic(path) and (Path(path).is_dir() or is_archive(Path(path))):
        _check_folders(Path(path))
    findings = look(path, data_format, label)
    data_format = findings.params["format"]
    if data_format == "sequences":
        raise UserError(
            f"{path}: is one long text, {findings.num_good:,} records of 100 characters without a label. No recipe learns to "
            "go on writing a text, yet. Expected texts with a class each: a table with a label, or a folder for each class "
            "with a file a text."
        )
    check_size(path, findings.num_good, findings.messages)
    if data_format in (*TABLE_FORMATS, *ARRAY_FORMATS) and not images_of(findings):
        return _of_table(name, path, findings, str(label))
    return _of_contents(name, path, findings, label)


def glob_magic(path: str) -> bool:
    """Whether it is a pattern."""
    import glob

    return glob.has_magic(path)


def _check_folders(path: Path) -> None:
    """Raises a UserError where folders are no classes, but splits, or pictures that belong together."""
    names = [PurePosixPath(name) for name in open_store(path).names.to_pylist() if not name.startswith((".", "__MACOSX"))]
    folders: dict[str, set[str]] = {}
    for each in names:
        if len(each.parts) > 1:
            folders.setdefault(each.parts[0], set()).add(each.with_suffix("").as_posix().partition("/")[2])
    if len(folders) < 2:
        return
    if {folder.lower() for folder in folders} <= _SPLIT_FOLDERS:
        raise UserError(
            f"{path}: its folders are splits, {listed(sorted(folders))}. Name one that holds a folder for each class, as "
            f"{path}/{min(folders)}, which is then split; or write the splits yourself: data.split: "
            f"{{by: files, train: {path}/…, eval: {path}/…, test: {path}/…}} (docs/data.md)."
        )
    sets = list(folders.values())
    if {folder.lower() for folder in folders} & _ALIGNED and len(set.intersection(*sets)) > 0.9 * max(map(len, sets)):
        raise UserError(
            f"{path}: its folders {listed(sorted(folders))} hold the same {len(sets[0]):,} names: pictures that belong "
            "together, not classes. No recipe learns one picture from another, yet. Expected a folder for each class, or a "
            "table with the paths of the pictures and a label."
        )


def _of_table(name: str, path: str, findings: Findings, label_name: str) -> Proposal:
    params = {key: value for key, value in findings.params.items() if key != "texts"}
    others = {key: seen for key, seen in findings.columns.items() if key != label_name and key not in measures_of(findings)}
    split, trial, label = _split(path, params, label_name)
    num_good = len(trial.labels)
    texts = [text for text in texts_of(findings) if _is_rich(findings, text, num_good)]
    judgement = columns_room.judge(others, trial.heads, texts, num_good)
    if trial.empty:
        judgement.drop["Without any value."] = trial.empty
    if label.kind == "classes":
        if len(texts) == 1 and judgement.num_features <= 2:
            return _of_text_table(name, path, findings, label, judgement, texts[0])
        if not judgement.num_features and len(judgement.phrases) == 1:
            return _of_text_table(name, path, findings, label, judgement, judgement.phrases[0])
    if not judgement.num_features:
        gone = [*judgement.drop.items(), *judgement.ignore.items()]
        reasons = "".join(f"\n  {listed(names)}: {why}" for why, names in gone)
        alternative = (
            f" There are texts ({listed(texts)}), of which text.classifier takes one, to learn classes." if texts else ""
        )
        raise UserError(
            f"{path}: no column is left to learn {shown(label_name)} from.{alternative} Expected numbers or "
            f"categories.{reasons}"
        )
    data = _data(findings, label, params, trial.by_rule, len(trial.labels), split)
    new_names = _rename(data, findings, judgement)
    judgement = judgement.rename(new_names)
    drop = dict(judgement.drop)
    if texts:
        why = "Sentences, which no tabular recipe reads; text.classifier learns classes from one such column."
        drop[why] = texts
    if drop:
        data.append(Entry("drop", parts={why: list(names) for why, names in drop.items()}))
    transform = []
    if len(judgement.numbers) > _WIDE:
        why = f"{len(judgement.numbers):,} columns of numbers: a z-score each, rather than a curve of 16 pieces."
        transform.append(Entry("numeric", {"kind": "zscore"}, why))
    if judgement.ignore:
        transform.append(Entry("ignore", parts={why: list(names) for why, names in judgement.ignore.items()}))
    features: dict[str, list[Any] | dict[str, Any]] = {}
    if judgement.codes:
        why = (
            "By their names, whole numbers that are codes: categories, of which 5 is not more than 4. Leave out those that "
            "are amounts."
        )
        features[why] = {code: {"kind": "vocabulary"} for code in judgement.codes}
    for column in judgement.hashed:
        count = judgement.categories[column]
        why = f"{'More than 10,000' if count is None else f'{count:,}'} different values: hashed, rather than listed."
        features.setdefault(why, {})[column] = {"kind": "hash", "num_buckets": 1000}  # type: ignore[call-overload]
    if features:
        transform.append(Entry("features", parts=features))
    recipe = "tabular.classifier" if label.kind == "classes" else "tabular.regressor"
    why = (
        f"{_learned(label)} Learned from {columns_room.summary(judgement)}. The alternative for tables is "
        "forest.boosted_trees (its parameters are others: docs/forests.md)."
    )
    return Proposal(
        recipe,
        _head(name, path, findings, len(trial.labels)),
        why,
        {
            "data": data,
            "validate": [Entry("on_anomaly", "fail")],
            "transform": transform,
            "model": [],
            "tune": [],
            "train": _train(label, len(trial.labels)),
            "evaluate": _evaluate(label, judgement.slices),
            "register": [Entry("model_name", name)],
        },
        findings,
        _kind(label),
    )


def _is_rich(findings: Findings, column: str, num_good: int) -> bool:
    """Whether a column of several words a value is text, rather than a category with long names."""
    counts = findings.columns[column].counts
    return counts is None or len(counts) > max(num_good / 5, 20)


def _split(path: str, params: Mapping[str, Any], label_name: str) -> tuple[Entry, Trial, Label]:
    """Shares of the splits under which each says something of the label, as the records fall."""
    chosen: tuple[int, dict[str, float], Trial, Label, list[str]] | None = None
    for shares in _SPLITS:
        trial = try_out({**params, "label": label_name, "split": {"by": "hash", **shares}})
        check_size(path, len(trial.labels))
        label = judge_label(label_name, path, trial.labels)
        if shares is _SPLITS[0] and len(trial.labels) < FEW / 2:
            continue  # so few records want a larger part to be judged by
        missing = _missing(label, trial)
        badness = 100 * (len(SPLITS) - len(np.unique(trial.splits))) + len(missing)
        if chosen is None or badness < chosen[0]:
            chosen = badness, shares, trial, label, missing
        if not badness or (badness < 100 and len(label.counts) != 2 and len(trial.labels) >= FEW):
            break  # a class that is rarer than that is told, and shapes no split
    assert chosen is not None  # noqa: S101  there are several shares
    _, shares, trial, label, missing = chosen
    num_good = len(trial.labels)
    counts = [int((trial.splits == split).sum()) for split in range(len(SPLITS))]
    described = ", ".join(f"{count:,} {split}" for split, count in zip(SPLITS, counts, strict=True))
    if len(np.unique(trial.splits)) < len(SPLITS) or (len(label.counts) == 2 and missing):
        raise UserError(
            f"{path}: however {num_good:,} records are split ({described}), train, eval and test don't all get "
            f"{'both classes' if label.kind == 'classes' else 'some'}. Expected more records, or fewer that are alike. Add "
            "data."
        )
    why = f"By a hash of each record, so that it keeps its split when data are added. As it falls: {described}."
    if missing:
        why += f" Not every split has every class: {'; '.join(missing)}."
    if shares != _SPLITS[0]:
        why += " So few records want larger eval and test splits to say anything."
    return Entry("split", shares, why), trial, label


def _missing(label: Label, trial: Trial) -> list[str]:
    if label.kind != "classes":
        return []
    found = [set(trial.labels.filter(pa.array(trial.splits == index)).to_pylist()) for index in range(len(SPLITS))]
    every = set.union(*found)
    return [f"{split} lacks {listed(sorted(every - has), 5)}" for split, has in zip(SPLITS, found, strict=True) if every - has]


def _of_text_table(name: str, path: str, findings: Findings, label: Label, judgement: Judgement, text: str) -> Proposal:
    params = {**findings.params, "texts": {text: {}}}
    trial = try_out({**params, "split": {"by": "hash", "key": [text]}})
    data = _data(findings, label, params, trial.by_rule, len(trial.labels), None)
    new_names = _rename(data, findings, judgement, text)
    judgement, text = judgement.rename(new_names), new_names.get(text, text)
    data.append(Entry("texts", {text: {}}, f"{shown(text)} holds sentences rather than categories."))
    data.append(Entry("split", {"key": [text]}, "The same text stays in one split, whatever stands beside it."))
    unused = [*judgement.numbers, *judgement.categories, *judgement.dates]
    why = f"{_learned(label)} Learned from the sentences in {shown(text)}."
    if unused:
        why += f" It reads no other column ({listed(unused)}); for those, take tabular.classifier and drop the text."
    drop = {reason: [each for each in names if new_names.get(each, each) != text] for reason, names in judgement.drop.items()}
    if any(drop.values()):
        data.append(Entry("drop", parts={reason: list(names) for reason, names in drop.items() if names}))
    return _classifier(name, path, findings, label, "text.classifier", why, data, [], [], judgement.slices, len(trial.labels))


def _rename(data: list[Entry], findings: Findings, judgement: Judgement, *more: str) -> dict[str, str]:
    """Adds `rename` to the section `data` where columns that stay have names that no model's input can have."""
    kept = [*judgement.numbers, *judgement.categories, *judgement.dates, *more]
    new_names = renamed(dict.fromkeys(kept), findings.columns)
    if new_names:
        data.append(Entry("rename", parts={WHY: dict(new_names)}))
    return new_names


def _of_contents(name: str, path: str, findings: Findings, wanted: str | None) -> Proposal:
    """Of images, and of files that are texts. `wanted`: the label that was asked for."""
    column = findings.params["label"]
    num_good = findings.num_good
    images = images_of(findings)
    has_label = column is not None and column in findings.columns
    if not images:
        if not has_label:
            raise UserError(
                f"{path}: texts without a class. Expected a folder for each class with a file a text, or a table with a label."
            )
        label = classes_from(column, path, findings.columns[column].counts)
        data = _data(findings, label, findings.params, findings.by_rule, num_good, None)
        why = f"{_learned(label)} Learned from the texts."
        return _classifier(name, path, findings, label, "text.classifier", why, data, [], [], [], num_good)
    if len(images) > 1:
        raise UserError(
            f"{path}: {len(images)} columns of images, {listed(images)}. image.classifier takes one, and no recipe learns one "
            "picture from another, yet. Drop the others from the data, or write the parameters by hand (transform.image)."
        )
    transform, size = _pixels(findings, images[0])
    if (
        findings.params["format"] == "images"
        and wanted is None
        and has_label
        and len(findings.columns[column].counts or ()) == 1
    ):
        has_label = False  # one folder holds all
        findings = replace(findings, params={**findings.params, "label": None})
    if not has_label:
        data = _data(findings, None, findings.params, findings.by_rule, num_good, None)
        side = [Entry(entry.key, max(entry.value // 4 * 4, 8), entry.why) for entry in transform if entry.key != "channels"]
        channels = [Entry("channels", entry.value, entry.why) for entry in transform if entry.key == "channels"]
        return Proposal(
            "image.vae",
            _head(name, path, findings, num_good),
            "Images without classes: an autoencoder learns what they have in common. Put them in a folder for each class to "
            "learn "
            "these instead (image.classifier).",
            {
                "data": data,
                "validate": [Entry("on_anomaly", "fail")],
                "transform": side + channels,
                "model": [Entry("latent_dim", 2, "Two can be drawn as a map; more are more exact.")],
                "tune": [],
                "train": [Entry("epochs", 60), Entry("batch_size", 64), Entry("early_stopping", {"patience": 8})],
                "evaluate": [],
                "register": [Entry("model_name", name)],
            },
            findings,
            "scored",
        )
    label = classes_from(str(column), path, findings.columns[column].counts)
    if label.kind != "classes":
        raise UserError(
            f"{path}: the label {shown(column)} is a quantity, and image.classifier learns classes. Expected classes."
        )
    data = _data(findings, label, findings.params, findings.by_rule, num_good, None)
    if "images" in findings.params:
        data.append(Entry("images", findings.params["images"], f"{shown(images[0])} holds images."))
    stages = [32, 64, 128][: max(1, int(math.log2(size)) - 1)]
    model = [Entry("filters", stages, f"Each stage halves {size} pixels.")] if len(stages) < 3 else []
    why = f"{_learned(label)} Learned from the pictures."
    return _classifier(name, path, findings, label, "image.classifier", why, data, transform, model, [], num_good)


def _pixels(findings: Findings, image: str) -> tuple[list[Entry], int]:
    """Transform of images, and the smaller side."""
    width, height = findings.columns[f"{image}_width"], findings.columns[f"{image}_height"]
    channels = findings.columns[f"{image}_channels"].counts or ()
    same = width.least == width.greatest and height.least == height.greatest
    sides = {"height": int(height.greatest or 1), "width": int(width.greatest or 1)}
    if same and max(sides.values()) <= 2 * _MOST_PIXELS:
        why = "All images have this size."
    else:
        why = (
            f"From {width.least} × {height.least} to {width.greatest} × {height.greatest} pixels, brought to one size. Larger "
            "shows more, and costs as the square."
        )
        sides = dict.fromkeys(sides, min(_MOST_PIXELS, max(sides.values())))
    entries = [Entry("height", sides["height"], why), Entry("width", sides["width"])]
    grey = set(channels) == {1}
    entries.append(Entry("channels", 1 if grey else 3, "All are grey." if grey else "Colours; transparency is dropped."))
    return entries, min(sides.values())


def _classifier(
    name: str,
    path: str,
    findings: Findings,
    label: Label,
    recipe: str,
    why: str,
    data: list[Entry],
    transform: list[Entry],
    model: list[Entry],
    slices: list[str],
    num_good: int,
) -> Proposal:
    """Of images or of texts."""
    train = [Entry("epochs", 40), Entry("batch_size", 64 if recipe.startswith("image") else 32)]
    if recipe.startswith("image"):
        why_all = "The learning rate falls to 0 by the last epoch, so that there is nothing to stop early."
        train.append(Entry("early_stopping", None, why_all))
    else:
        train.append(Entry("early_stopping", {"monitor": "val_accuracy", "patience": 8}))
    return Proposal(
        recipe,
        _head(name, path, findings, num_good),
        why,
        {
            "data": data,
            "validate": [Entry("on_anomaly", "fail")],
            "transform": transform,
            "model": model,
            "tune": [],
            "train": train + _weights(label),
            "evaluate": _evaluate(label, slices),
            "register": [Entry("model_name", name)],
        },
        findings,
        _kind(label),
    )


def _head(name: str, path: str, findings: Findings, num_good: int) -> list[str]:
    num_bad = sum(findings.by_rule.values())
    rejected = f", {num_bad:,} that can't be used" if num_bad else ""
    columns = [each for each in findings.columns if each not in measures_of(findings)]
    return [
        (
            f"{name}: proposed by `tensorline new` from what {PurePosixPath(path).name} holds, {num_good:,} good "
            f"records{rejected}, {len(columns):,} column{'' if len(columns) == 1 else 's'}. Every value is yours to change; "
            f"`tensorline params {name}` prints all that there are."
        )
    ]


def _learned(label: Label) -> str:
    if label.kind == "quantity":
        return label.why
    return f"The label has {len(label.counts)} classes, {listed(label.counts, 5)}."


def _data(
    findings: Findings,
    label: Label | None,
    params: Mapping[str, Any],
    rejects: Mapping[str, int],
    num_good: int,
    split: Entry | None,
) -> list[Entry]:
    entries = [] if params["format"] == "csv" else [Entry("format", params["format"])]
    entries.append(Entry("path", params["path"]))
    if "delimiter" in params:
        entries.append(Entry("delimiter", params["delimiter"], "As in the first line."))
    if params.get("encoding"):
        why = "Found file by file." if params["encoding"] == "auto" else "Not UTF-8: as the bytes look most like."
        entries.append(Entry("encoding", params["encoding"], why))
    entries.append(Entry("label", label.name if label else None))
    if label is not None and label.cast:
        entries.append(Entry("cast", {label.name: label.cast}, label.why))
    if split is not None:
        entries.append(split)
    if num_good < FEW:
        entries.append(Entry("num_shards", 1, "One file for so few records."))
    num_bad = sum(rejects.values())
    if num_bad:
        rules = ", ".join(f"{rule} {count:,}" for rule, count in rejects.items())
        first = f" The first: {findings.messages[0]}" if findings.messages else ""
        why = f"{num_bad:,} of {num_good + num_bad:,} records can't be used ({rules}): set aside.{first}"
        entries.append(Entry("on_bad_record", "quarantine", why))
        fraction = num_bad / (num_good + num_bad)
        if fraction > DataParams.model_fields["max_reject_fraction"].default:
            why = f"{fraction:.1%} are: more than is sound. Mend the data, and take this out."
            entries.append(Entry("max_reject_fraction", round(min(fraction + 0.005, 1.0), 3), why))
    return entries


def _train(label: Label, num_good: int) -> list[Entry]:
    if num_good < FEW:
        entries = [
            Entry("epochs", 100, "Few records make short epochs; early stopping takes what is too many."),
            Entry("batch_size", 32),
            Entry("early_stopping", {"patience": 10}),
        ]
    elif num_good < MANY:
        entries = [Entry("epochs", 30), Entry("batch_size", 256), Entry("early_stopping", {"patience": 5})]
    else:
        entries = [Entry("epochs", 20), Entry("batch_size", 1024), Entry("early_stopping", {"patience": 3})]
    return entries + _weights(label)


def _weights(label: Label) -> list[Entry]:
    if label.kind != "classes" or len(label.counts) > 2:
        return []
    value, share = label.rarest
    if share >= RARE:
        return []
    why = (
        f"{shown(value)} is rare, {share:.2%} of the records: its examples count more, so that they are learned at all; the "
        "probabilities are then too high. See docs/imbalanced.md."
    )
    return [Entry("class_weights", "balanced", why)]


def _evaluate(label: Label, slices: list[str]) -> list[Entry]:
    entries = []
    if slices:
        entries.append(Entry("slices", [[column] for column in slices], "Of few values: who is judged worse shows here."))
    if label.kind == "quantity":
        limit = float(f"{label.baseline:.3g}")
        why = f"What always answering the median reaches, {limit:g}, is the least to ask for. Lower it to what the task needs."
        return [*entries, Entry("thresholds", {"mae": {"max": limit}}, why)]
    if len(label.counts) > 2:
        least = round(label.majority, 3)
        why = f"What always answering the most frequent class reaches, {least:g}, is the least to ask for. Raise it."
        return [*entries, Entry("thresholds", {"accuracy": {"min": least}}, why)]
    value, share = label.rarest
    positive = list(label.counts)[-1]
    if share < RARE and value == positive:
        least = float(f"{2 * share:.2g}")
        why = (
            f"Accuracy says little where {shown(value)} is so rare: always answering no reaches {1 - share:.3f}. The area "
            f"under the precision-recall curve is {share:.3f} by chance; twice that is the least to ask for. Raise it."
        )
        return [*entries, Entry("thresholds", {"auc_pr": {"min": least}}, why)]
    why = f"0.5 is chance. Raise it to what the task needs. The positive class is {shown(positive)}, the last of the two."
    return [*entries, Entry("thresholds", {"auc": {"min": 0.6}}, why)]


def _kind(label: Label) -> str:
    if label.kind == "quantity":
        return "regression"
    return "binary" if len(label.counts) == 2 else "multiclass"

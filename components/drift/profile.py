"""A profile: what must be known of a split's data later, when the data are gone; as a JSON file of a few 100 kB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from components.drift.kinds import FeatureKind
from components.errors import TensorlineError

PROFILE_FILE = "profile.json"
_FORMAT = 1


@dataclass(frozen=True)
class Numbers:
    """A sample of a number: of 0, 1 or many values.

    Attributes:
        values: The different ones, float64, ascending; infinities are the largest floats.
        counts: How often each came in the sample, int64.
    """

    values: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Counts:
    """How many records have a value, or hold a word.

    Attributes:
        listed: The most frequent ones → records, the most frequent first.
        most_unlisted: No other has more records than this; 0 if there is no other.
    """

    listed: Mapping[str, int]
    most_unlisted: int


@dataclass(frozen=True)
class Feature:
    """One feature of a profile.

    Attributes:
        name: As in the examples.
        kind: What was measured.
        num_missing: Records without a value; NaN is none.
        content: `Counts` of values and words, `Numbers` of the other measures.
    """

    name: str
    kind: FeatureKind
    num_missing: int
    content: Numbers | Counts


@dataclass(frozen=True)
class Profile:
    """See the module's docstring.

    Attributes:
        split: Which.
        num_records: In it.
        overlap: Records that tell about as much as one: of windows that overlap, those that share rows; else 1.
        sample_size: As many independent records as the samples of numbers are worth: `num_records` if they hold all.
        label: The label's feature; None if there is none.
        features: By name.
    """

    split: str
    num_records: int
    overlap: float
    sample_size: float
    label: str | None
    features: Mapping[str, Feature] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes profile.json, a line a feature; the same profile gives the same bytes."""
        head = {
            "format": _FORMAT,
            "split": self.split,
            "num_records": self.num_records,
            "overlap": self.overlap,
            "sample_size": self.sample_size,
            "label": self.label,
        }
        lines = [_line(self.features[name]) for name in sorted(self.features)]
        text = json.dumps(head, ensure_ascii=False)[:-1] + ', "features": [\n' + ",\n".join(lines) + "\n]}\n"
        (folder / PROFILE_FILE).write_text(text, encoding="utf-8")


def read_profile(folder: Path) -> Profile:
    """The profile in `folder`. Raises: TensorlineError if there is none, or one that can't be read."""
    path = folder / PROFILE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise TensorlineError(
                f"{path}: a profile of format {content['format']}. Expected format {_FORMAT}, as this version of Tensorline "
                "writes it; rerun the stage validate."
            )
        features = {each["name"]: _feature(each) for each in content["features"]}
        return Profile(
            content["split"],
            content["num_records"],
            content["overlap"],
            content["sample_size"],
            content["label"],
            features,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TensorlineError(
            f"{path}: {type(error).__name__}: {error}. Expected a profile as the stage validate writes it; rerun it."
        ) from None


def _line(feature: Feature) -> str:
    values: dict[str, Any] = {
        "name": feature.name,
        "kind": feature.kind.kind,
        "measure": feature.kind.measure,
        "num_missing": feature.num_missing,
    }
    if isinstance(feature.content, Counts):
        values |= {"counts": dict(feature.content.listed), "most_unlisted": feature.content.most_unlisted}
    else:
        shown = [
            int(value) if value.is_integer() and abs(value) < 2**53 else value for value in feature.content.values.tolist()
        ]
        values |= {"values": shown, "counts": feature.content.counts.tolist()}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _feature(values: Mapping[str, Any]) -> Feature:
    kind = FeatureKind(values["kind"], values["measure"])
    content: Numbers | Counts
    if kind.measure in {"values", "words"}:
        content = Counts({name: int(count) for name, count in values["counts"].items()}, int(values["most_unlisted"]))
    else:
        content = Numbers(np.array(values["values"], np.float64), np.array(values["counts"], np.int64))
    return Feature(values["name"], kind, int(values["num_missing"]), content)

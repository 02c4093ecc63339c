"""Makes the profile of a split in one pass, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.drift.kinds import DEPENDS_ON_THE_REST, MAX_INTEGER_CLASSES, FeatureKind, Measure
from components.drift.profile import Counts, Feature, Numbers, Profile
from components.drift.sample import RecordSample
from components.errors import TensorlineError
from components.examples_table import decode, read_serialized
from components.validate.batches import first_values
from components.validate.vocabulary import Vocabulary, split_words

MAX_SAMPLE, MIN_SAMPLE = 5_000, 500
MAX_NUMBERS = 1_000_000
"""Values that a profile's samples hold together: of very wide data each sample is smaller, down to MIN_SAMPLE."""
MAX_LISTED = 1_000
"""Values or words whose counts are kept."""
_MAX_FLOAT = float(np.finfo(np.float64).max)

Prepare = Callable[[pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True)
class Plan:
    """What to profile.

    Attributes:
        kinds: As `kinds.kinds_of` gives them; features that it does not know are measured by their type.
        label: The label's feature; None if there is none.
        overlap: See `profile.Profile`.
        is_open: A schema will tell more (`ProfileBuilder.decide`): integers that `kinds` does not know may be codes.
    """

    kinds: Mapping[str, FeatureKind | None]
    label: str | None = None
    overlap: float = 1.0
    is_open: bool = False


def plan_like(profile: Profile) -> Plan:
    """To profile other data as those of `profile` were."""
    kinds: dict[str, FeatureKind | None] = {}
    for name, feature in profile.features.items():
        kinds[name] = feature.kind
        if feature.kind.measure == "size_bytes":
            kinds[f"{name}_{DEPENDS_ON_THE_REST}"] = None
    return Plan(kinds, profile.label, profile.overlap)


def profile_split(examples: Path, split: str, plan: Plan) -> Profile:
    """The profile of a split of an Examples artifact. Raises: TensorlineError if a file is damaged."""
    return profile_records(read_serialized(examples, split), split, plan)


def profile_records(batches: Iterable[list[bytes]], name: str, plan: Plan, prepare: Prepare = lambda batch: batch) -> Profile:
    """The profile of serialized tf.Examples.

    Args:
        batches: The records.
        name: Goes into `Profile.split`.
        plan: What to profile.
        prepare: Adds columns to each batch, as `examples_table.decode` gives it.

    Raises: TensorlineError if a feature holds numbers here and strings there.
    """
    builder = ProfileBuilder(plan)
    for serialized in batches:
        builder.add(serialized, prepare(decode(serialized)))
    return builder.profile(name)


class ProfileBuilder:
    """Takes in records, and is merged with that of other records; each gives the same profile.

    Args:
        plan: What to profile.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sample = RecordSample(_sample_size(len(_numeric(plan.kinds))))
        self._kinds: dict[str, FeatureKind] = {}
        self._counts: dict[str, Vocabulary] = {}
        self._codes: dict[str, Counter[str] | None] = {}  # None: there are too many
        self._num_present: dict[str, int] = {}
        self._floats: set[str] = set()
        self._num_records = 0

    def add(self, serialized: list[bytes], batch: pa.RecordBatch) -> None:
        """Takes in records.

        Args:
            serialized: Them.
            batch: Their columns as `examples_table.decode` gives them, and perhaps more.

        Raises: TensorlineError if a feature holds numbers here and strings there.
        """
        numbers = {}
        for name in batch.schema.names:
            values = first_values(batch, name)
            if pa.types.is_null(values.type) or (name in self._plan.kinds and self._plan.kinds[name] is None):
                continue
            measure = self._kind(name, values).measure
            if measure in {"numbers", "size_bytes"}:
                values = pc.binary_length(values) if measure == "size_bytes" else values
                if pa.types.is_floating(values.type):
                    self._floats.add(name)
                elif self._plan.is_open and name not in self._plan.kinds:
                    self._count_codes(name, values)
                numbers[name] = _as_floats(values)
                present = int((~np.isnan(numbers[name])).sum())
            else:
                present = len(values) - values.null_count
                self._count(name, measure, values)
            self._num_present[name] = self._num_present.get(name, 0) + present
        self._cut()
        self._sample.add(serialized, numbers)
        self._num_records += len(serialized)

    def _kind(self, name: str, values: pa.Array) -> FeatureKind:
        """As planned if the values allow it, else as they are; the same for all batches."""
        is_text = pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)
        kind = self._kinds.get(name)
        if kind is None:
            planned = self._plan.kinds.get(name)
            fits = planned is not None and (planned.measure == "values" or (planned.measure == "numbers") != is_text)
            by_type = FeatureKind("categorical", "values") if is_text else FeatureKind("numeric", "numbers")
            self._kinds[name] = kind = planned if planned is not None and fits else by_type
        elif kind.measure != "values" and (kind.measure == "numbers") == is_text:
            raise _mixed(name, kind)
        return kind

    def _count(self, name: str, measure: Measure, values: pa.Array) -> None:
        counts = self._counts.setdefault(name, Vocabulary())
        if measure == "values":
            counts.add_counts(_value_counts(values))
        else:
            for text in map(
                _text, values.drop_null().to_pylist()
            ):  # each word counts once a text: further ones are no new draws
                counts.add(sorted(set(split_words(text.casefold().split()))))

    def _count_codes(self, name: str, values: pa.Array) -> None:
        codes = self._codes.setdefault(name, Counter())
        if codes is not None:
            codes.update(_value_counts(values))
            if len(codes) > MAX_INTEGER_CLASSES:
                self._codes[name] = None

    def _cut(self) -> None:
        """Of an open plan it turns out how many numbers there are at least."""
        if self._plan.is_open:
            self._sample.cut(_sample_size(len(_numeric(self._plan.kinds) | self._floats)))

    def merge(self, other: ProfileBuilder) -> None:
        """Takes in what was built of other records by the same plan. Raises: as `add`."""
        for name, kind in other._kinds.items():
            if self._kinds.setdefault(name, kind) != kind:
                raise _mixed(name, self._kinds[name])
            self._num_present[name] = self._num_present.get(name, 0) + other._num_present[name]
        for name, counts in other._counts.items():
            self._counts.setdefault(name, Vocabulary()).merge(counts)
        for name, codes in other._codes.items():
            mine = self._codes.setdefault(name, Counter())
            if mine is None or codes is None:
                self._codes[name] = None
            else:
                mine.update(codes)
                if len(mine) > MAX_INTEGER_CLASSES:
                    self._codes[name] = None
        self._floats |= other._floats
        self._num_records += other._num_records
        self._cut()
        self._sample.merge(other._sample)

    def decide(self, plan: Plan) -> None:
        """Takes what has been learned meanwhile of the features of an open plan, in place."""
        self._plan = plan
        self._sample.cut(_sample_size(len(_numeric(plan.kinds))))
        for name, kind in self._kinds.items():
            planned, codes = plan.kinds.get(name), self._codes.get(name)
            if planned is None:
                continue
            if planned.measure == "values" and codes is not None:
                self._counts[name] = Vocabulary()
                self._counts[name].add_counts(codes)
                self._kinds[name] = planned
            elif planned.measure == kind.measure:
                self._kinds[name] = planned

    def state(self) -> dict[str, Any]:
        """For `validate.packed`."""
        return {
            "sample": self._sample.state(),
            "kinds": {name: asdict(kind) for name, kind in self._kinds.items()},
            "counts": {name: counts.state() for name, counts in self._counts.items()},
            "codes": {name: None if codes is None else dict(codes) for name, codes in self._codes.items()},
            "num_present": self._num_present,
            "floats": sorted(self._floats),
            "num_records": self._num_records,
        }

    @classmethod
    def of(cls, state: Mapping[str, Any], plan: Plan) -> ProfileBuilder:
        """The inverse of `state`."""
        made = cls(plan)
        made._sample = RecordSample.of(state["sample"])
        made._kinds = {name: FeatureKind(**kind) for name, kind in state["kinds"].items()}
        made._counts = {name: Vocabulary.of(counts) for name, counts in state["counts"].items()}
        made._codes = {name: None if codes is None else Counter(codes) for name, codes in state["codes"].items()}
        made._num_present, made._floats = dict(state["num_present"]), set(state["floats"])
        made._num_records = state["num_records"]
        return made

    def profile(self, split: str) -> Profile:
        """The profile of what was taken in, which is called `split`."""
        features = {}
        for name, kind in self._kinds.items():
            content: Numbers | Counts
            if kind.measure in {"values", "words"}:
                content = _listed(self._counts[name])
            else:
                values, counts = self._sample.numbers(name)
                content = Numbers(_shortest(values) if name in self._floats else values, counts)
            features[name] = Feature(name, kind, self._num_records - self._num_present[name], content)
        return Profile(split, self._num_records, self._plan.overlap, self._sample.effective_size, self._plan.label, features)


def _mixed(name: str, kind: FeatureKind) -> TensorlineError:
    now, before = ("strings", "numbers") if kind.measure == "numbers" else ("numbers", "strings")
    return TensorlineError(
        f"feature '{name}' holds {now} from some record on, and {before} before. Expected one type; see what wrote "
        "these records."
    )


def _numeric(kinds: Mapping[str, FeatureKind | None]) -> set[str]:
    return {name for name, kind in kinds.items() if kind is not None and kind.measure in {"numbers", "size_bytes"}}


def _sample_size(num_numeric: int) -> int:
    return min(MAX_SAMPLE, max(MIN_SAMPLE, MAX_NUMBERS // max(num_numeric, 1)))


def _value_counts(values: pa.Array) -> Counter[str]:
    counted = values.drop_null().value_counts()
    texts: Counter[str] = Counter()
    for value, count in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
        texts[_text(value)] += count
    return texts


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _as_floats(values: pa.Array) -> np.ndarray:
    array: np.ndarray = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)  # null is NaN
    return np.clip(array, -_MAX_FLOAT, _MAX_FLOAT)


def _shortest(values: np.ndarray) -> np.ndarray:
    """Floats of 32 bits as the decimals that people wrote, 12.45 and not 12.449999809: shorter in JSON, and as unique."""
    decimals = values.copy()
    finite = np.abs(values) < _MAX_FLOAT
    decimals[finite] = values[finite].astype(np.float32).astype(np.str_).astype(np.float64)
    return decimals


def _listed(counted: Vocabulary) -> Counts:
    most = counted.most_frequent(MAX_LISTED + 1)
    unlisted = most[MAX_LISTED][1] if len(most) > MAX_LISTED else 0
    return Counts(dict(most[:MAX_LISTED]), unlisted + counted.max_missed)

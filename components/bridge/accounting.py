"""Proves that no stage loses or invents records: records in = records out + rejects.

Ingest accounts for its own rejects (components/ingest); evaluate for its predictions (components/evaluate).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.errors import AccountingError
from components.tfrecord import count_split


def check_statistics(examples: Path, statistics: Path) -> dict[str, int]:
    """Compares the examples of each split with the number that the statistics saw; returns the counts by split.

    Raises: AccountingError if they differ (multi-process runners have lost records: data-validation#247).
    """
    from tensorflow_metadata.proto.v0 import statistics_pb2

    counts = {}
    for folder in sorted(statistics.glob("Split-*")):
        split = folder.name.removeprefix("Split-")
        content = (folder / "FeatureStats.pb").read_bytes()
        num_examples = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets[0].num_examples
        counts[split] = _equal("validate", split, count_split(examples, split), num_examples)
    return counts


def check_profile(examples: Path, profile: Path) -> int:
    """Compares the training examples with the number that the profile saw; returns it.

    Raises: AccountingError if they differ.
    """
    from components.drift.profile import read_profile

    found = read_profile(profile)
    return _equal("validate", found.split, count_split(examples, found.split), found.num_records)


def check_transformed(examples: Path, transformed_examples: Path) -> dict[str, int]:
    """Compares the transformed examples of each split with the raw ones; returns the counts by split.

    Raises: AccountingError if they differ.
    """
    counts = {}
    for folder in sorted(transformed_examples.glob("Split-*")):
        split = folder.name.removeprefix("Split-")
        counts[split] = _equal("transform", split, count_split(examples, split), count_split(transformed_examples, split))
    return counts


def _equal(stage: str, split: str, num_in: int, num_out: int) -> int:
    if num_in != num_out:
        raise AccountingError(
            f"{stage}: split {split}: {num_in:,} records in, {num_out:,} out. Expected as many out as in. "
            "With a multi-process Beam runner, try beam.options.direct_running_mode: in_memory; else report it."
        )
    return num_in


def shown(counts: Mapping[str, int]) -> str:
    """Counts by split for the terminal: `10,523 train, 2,244 eval, 2,235 test`."""
    return ", ".join(f"{counts[split]:,} {split}" for split in ("train", "eval", "test") if split in counts)

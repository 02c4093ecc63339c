"""One pass over the examples that tells all that validation must know: statistics, and the profile that drift is told by.

The records of a span (docs/spans.md) are summed up on their own, and the sums are merged in the order of the files, whether
they were just computed or kept by an earlier run. So the result is the same to the byte, and a new span costs its own records
only. Examples without spans are one. What is kept is data alone (see `packed`), and is held against its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.drift.build import Plan, ProfileBuilder
from components.examples_table import decode, read_files
from components.validate.counting import Counting
from components.validate.packed import pack, unpack
from components.validate.split_statistics import SplitStatistics

_SPAN = re.compile(r"-span-(?P<span>.+)-\d{5}-of-\d{5}\.tfrecord(\.gz)?$")
_FORMAT = 1
_LIBRARIES = ("tfx-bsl", "pyarrow", "numpy")
"""Theirs are the sketches, the decoder and the sums."""
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Sums:
    """What was learned of some records.

    Attributes:
        statistics: Theirs.
        profile: Theirs; None where none is wanted.
    """

    statistics: SplitStatistics
    profile: ProfileBuilder | None

    def add(self, serialized: list[bytes], batch: pa.RecordBatch) -> None:
        """Takes in records, and the same as columns. Raises: TensorlineError if a feature is not of one type."""
        self.statistics.add(batch)
        if self.profile is not None:
            self.profile.add(serialized, batch)

    def merge(self, other: Sums) -> None:
        """Takes in those of other records. Raises: as `add`."""
        self.statistics.merge(other.statistics)
        if self.profile is not None and other.profile is not None:
            self.profile.merge(other.profile)


@dataclass(frozen=True)
class Scan:
    """How examples are summed up.

    Attributes:
        counting: For the statistics.
        plan: For the profiles.
        profiled: The splits that get one.
        kept: Folder of what is kept; None to keep nothing.
        used: Names of the files in it that were taken or written.
        computed: The splits and spans that were not taken from there.
    """

    counting: Counting
    plan: Plan
    profiled: Sequence[str] = ()
    kept: Path | None = None
    used: set[str] = field(default_factory=set)
    computed: list[tuple[str, str]] = field(default_factory=list)

    def remove_unused(self) -> None:
        """Removes what is kept of splits and spans that were not asked for, or are other ones now."""
        if self.kept is not None and self.kept.is_dir():
            for path in self.kept.iterdir():
                if path.name not in self.used:
                    path.unlink()

    def split(self, examples: Path, split: str) -> Sums:
        """The sums of a split of an Examples artifact. Raises: TensorlineError if a file is damaged, or a feature mixed."""
        whole = self._empty(split)
        spans: dict[str, list[Path]] = {}
        for path in sorted((examples / f"Split-{split}").iterdir()):
            found = _SPAN.search(path.name)
            spans.setdefault(found["span"] if found else "", []).append(path)
        for span, files in spans.items():
            whole.merge(self._of(self._packed(split, span, files), split))
        return whole

    def _packed(self, split: str, span: str, files: Sequence[Path]) -> bytes:
        """The sums of one span, from what is kept if it is there."""
        if self.kept is None:
            return self._computed(split, span, files)
        path = self.kept / f"{split}-{span}-{self._key(split, files)}.sums"
        try:
            packed = path.read_bytes()
            unpack(packed)
        except (FileNotFoundError, ValueError):
            packed = self._computed(split, span, files)
            self.kept.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".partial")
            aside.write_bytes(packed)
            aside.rename(path)
        self.used.add(path.name)
        return packed

    def _computed(self, split: str, span: str, files: Sequence[Path]) -> bytes:
        self.computed.append((split, span))
        sums = self._empty(split)
        for serialized, batch in decoded(read_files(files)):
            sums.add(serialized, batch)
        profile = None if sums.profile is None else sums.profile.state()
        return pack({"statistics": sums.statistics.state(), "profile": profile})

    def _of(self, packed: bytes, split: str) -> Sums:
        state = unpack(packed)
        statistics = SplitStatistics.of(state["statistics"], self.counting)
        profile = None if state["profile"] is None else ProfileBuilder.of(state["profile"], self.plan)
        return Sums(statistics, profile)

    def _empty(self, split: str) -> Sums:
        return Sums(SplitStatistics(self.counting), ProfileBuilder(self.plan) if split in self.profiled else None)

    def _key(self, split: str, files: Sequence[Path]) -> str:
        kinds = {name: kind and asdict(kind) for name, kind in self.plan.kinds.items()}
        how: dict[str, Any] = {
            "format": _FORMAT,
            "libraries": {name: version(name) for name in _LIBRARIES},
            "whole": sorted(self.counting.whole),
            "codes": sorted(self.counting.codes),
            "profile": [kinds, self.plan.is_open] if split in self.profiled else None,
            "files": [[path.name, _digest(path)] for path in files],
        }
        return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()[:16]


def decoded(batches: Iterable[list[bytes]]) -> Iterator[tuple[list[bytes], pa.RecordBatch]]:
    """Each batch of serialized tf.Examples, and its columns, in order, while the next ones are decoded on other cores.

    Memory holds a batch more than there are cores.
    """
    num_threads = len(os.sched_getaffinity(0))
    pending: deque[tuple[list[bytes], Future[pa.RecordBatch]]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        for serialized in batches:
            pending.append((serialized, pool.submit(decode, serialized)))
            if len(pending) > num_threads:
                first, columns = pending.popleft()
                yield first, columns.result()
        while pending:
            first, columns = pending.popleft()
            yield first, columns.result()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()

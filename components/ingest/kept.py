"""Keeps what was read of each span, so that the next ingest takes it as it is.

A span lies in a folder of its own, named by its name and the digest of its files. It is written aside and renamed, so that a
killed ingest leaves no half of one, and every file of it is held against its digest before it is taken.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from components.ingest.batch import FileCounts
from components.ingest.kinds import Kind
from components.ingest.rejects import Reject
from components.ingest.source import Source
from components.ingest.sources import Header, file_digest

LOOK_FILE = "look.json"
READ_FOLDER = "read"
EXAMPLES_FOLDER = "examples"
_READ_FILE = "read.json"
_REJECTS_FILE = "rejects.jsonl"
_FINGERPRINTS_FILE = "fingerprints.npy"
_KEY_CHARS = 16


@dataclass(frozen=True)
class FileLook:
    """What one file says of its columns, by which all files decide together how each is read; JSON types.

    Attributes:
        path: The file.
        unit: See `source.Source`.
        names: As `sources.Header` has them.
        header: See `source.Source`.
        kinds: Undeclared column, as `data.rename` calls it → its kind in this file.
        measured: See `source.Source`.
    """

    path: str
    unit: Literal["line", "row"]
    names: list[str]
    header: list[str]
    kinds: dict[str, Kind]
    measured: list[str]

    @classmethod
    def of(cls, source: Source) -> FileLook:
        """The look of a file, whose undeclared columns are not yet known."""
        header = Header.of(source)
        return cls(header.path.as_posix(), header.unit, list(header.names), list(source.header), {}, sorted(source.measured))

    @property
    def own_header(self) -> Header:
        """What headers are compared by."""
        return Header(Path(self.path), self.unit, self.names)


@dataclass(frozen=True)
class SpanRead:
    """What was read of a span; JSON types.

    Attributes:
        facts: What all files had decided together.
        judgement: Digest of what earlier images had to say of its images, or nothing.
        files: Its files.
        num_examples: Written by split.
        num_values: Feature → number of examples that have it.
        malformed: Indices of the malformed records of each file, where there are images.
        digests: File of the folder → SHA-256.
    """

    facts: dict[str, Any]
    judgement: str
    files: list[FileCounts]
    num_examples: dict[str, int]
    num_values: dict[str, int]
    malformed: list[list[int]]
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KeptSpan:
    """The folder of one span with one content.

    Attributes:
        folder: Where it lies, or may lie.
        name: Of the span.
    """

    folder: Path
    name: str

    @property
    def shards(self) -> list[Path]:
        """TFRecord files, from the folder of the examples."""
        examples = self._read_folder / EXAMPLES_FOLDER
        return sorted(path.relative_to(examples) for path in examples.rglob("*.tfrecord"))

    @property
    def rejected(self) -> Path:
        """Some of the rejected images, as `rejected_images` writes them."""
        return self._read_folder / "rejected"

    @property
    def was_read(self) -> bool:
        """Whether something of it is there."""
        return self._read_folder.is_dir()

    @property
    def _read_folder(self) -> Path:
        return self.folder / READ_FOLDER

    def load_look(self) -> list[FileLook] | None:
        """What its files say of their columns; None if that is not known, or the file is damaged."""
        content = _load(self.folder / LOOK_FILE)
        return None if content is None else [FileLook(**look) for look in content]

    def save_look(self, looks: Sequence[FileLook]) -> None:
        """Keeps what its files say."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".partial-{LOOK_FILE}"
        aside.write_text(json.dumps([asdict(look) for look in looks], ensure_ascii=False), encoding="utf-8")
        aside.rename(self.folder / LOOK_FILE)

    def load_read(self) -> SpanRead | None:
        """What was read of it; None if it was not, or the file that tells is damaged."""
        content = _load(self._read_folder / _READ_FILE)
        return None if content is None else SpanRead(**{**content, "files": [FileCounts(**each) for each in content["files"]]})

    def is_intact(self, read: SpanRead) -> bool:
        """Whether every file is there and as it was written."""
        return read.digests == self._digests(self._read_folder)

    def begin(self) -> Path:
        """A fresh folder to write `EXAMPLES_FOLDER` and others to."""
        folder = self.folder / f".partial-{READ_FOLDER}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def finish(self, begun: Path, read: SpanRead, rejects: Sequence[Reject], fingerprints: np.ndarray | None) -> None:
        """Keeps what was written to the folder `begun`, and the rest.

        Args:
            begun: As `begin` gave it.
            read: All but `digests`.
            rejects: The bad records, in order.
            fingerprints: Of the records, before images were judged: structured array, [records].
        """
        with (begun / _REJECTS_FILE).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({**asdict(reject), "fields": []}) + "\n" for reject in rejects)
        if fingerprints is not None:
            np.save(begun / _FINGERPRINTS_FILE, fingerprints, allow_pickle=False)
        content = {**asdict(read), "digests": self._digests(begun)}
        (begun / _READ_FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        shutil.rmtree(self._read_folder, ignore_errors=True)
        begun.rename(self._read_folder)

    def rejects(self) -> Iterator[Reject]:
        """The bad records, without their fields."""
        with (self._read_folder / _REJECTS_FILE).open(encoding="utf-8") as file:
            for line in file:
                yield Reject(**json.loads(line))

    def fingerprints(self) -> np.ndarray:
        """As `finish` kept them."""
        found: np.ndarray = np.load(self._read_folder / _FINGERPRINTS_FILE, allow_pickle=False)
        return found

    def link_shards(self, examples: Path) -> None:
        """Puts the TFRecord files into an Examples artifact: as hard links where the file system allows it, else as copies."""
        for shard in self.shards:
            source, target = self._read_folder / EXAMPLES_FOLDER / shard, examples / shard
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:
                shutil.copyfile(source, target)

    @staticmethod
    def _digests(folder: Path) -> dict[str, str]:
        digests = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != _READ_FILE:
                digests[path.relative_to(folder).as_posix()] = file_digest(path).hex()
        return digests


@dataclass(frozen=True)
class KeptSpans:
    """All spans that are kept of one pipeline.

    Attributes:
        folder: Where they lie.
    """

    folder: Path

    def span(self, name: str, content_digest: str) -> KeptSpan:
        """The place of a span whose files have this content, whether it is kept or not."""
        return KeptSpan(self.folder / f"{name}-{content_digest[:_KEY_CHARS]}", name)

    def others(self, kept: KeptSpan) -> bool:
        """Whether the span is kept as it was with another content."""
        return any(name == kept.name and path != kept.folder for name, path in self._all())

    def remove_stale(self, used: Mapping[str, KeptSpan], found: Collection[str]) -> None:
        """Removes what no ingest will take again: spans that are gone, or have other files now.

        Args:
            used: Name → place of the spans that were read.
            found: Names of all spans that there are: those that no window reaches at present stay.
        """
        for name, path in self._all():
            if path != used[name].folder if name in used else name not in found:
                shutil.rmtree(path)

    def _all(self) -> list[tuple[str, Path]]:
        folders = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [(path.name.rpartition("-")[0], path) for path in folders]


def _load(file: Path) -> Any:
    """JSON; None if there is no file, or it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None

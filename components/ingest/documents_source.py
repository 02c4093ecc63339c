"""The format `documents`: a folder or archive with a folder for each class, a record a file; see `class_folders`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.class_folders import Chosen, Members
from components.ingest.encodings import AUTO, Decoder, Finder, is_declared_utf8, is_utf8, marked_encoding
from components.ingest.image_batch import contents
from components.ingest.image_codec import Limits, UnusableImageError
from components.ingest.kinds import Kind
from components.ingest.source import Block, Located, Malformed
from components.ingest.text_lines import MOST_TEXT_BYTES, NUL_PROBLEM, not_text, shorten

SUFFIXES = frozenset((".txt", ".text"))
_LIMITS = Limits(1, "reject")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass
class DocumentsSource:
    """The documents of one folder or archive.

    `text` is the whole file, `label` its first folder, `source` its name without its ending.

    Attributes:
        members: The files.
        declared: The encoding of all, or `encodings.AUTO`.
        labelled: Whether they have classes.
        malformed: See `source.Source`.
    """

    members: Members
    declared: str
    labelled: bool
    malformed: list[Malformed] = field(default_factory=list)
    unit: Literal["line", "row"] = "row"
    measured: frozenset[str] = frozenset({"label", "source"})
    _found: Counter[str] = field(default_factory=Counter)

    @property
    def path(self) -> Path:
        """See `source.Source`."""
        return self.members.path

    @property
    def inputs(self) -> Iterator[Path]:
        """The files and folders that hold what is read."""
        return self.members.inputs

    @property
    def encoding(self) -> str:
        """Those of the documents that the last `blocks()` met."""
        return ", ".join(sorted(self._found)) if self.declared == AUTO else self.declared

    @property
    def num_ignored(self) -> int:
        """Files that are no records."""
        return self._chosen.num_ignored

    @property
    def header(self) -> list[str]:
        """See `source.Source`."""
        return list(self.kinds)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See `source.Source`."""
        names = ("text", "label", "source") if self.labelled else ("text", "source")
        return dict.fromkeys(names, "string")

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`."""
        store, chosen = self.members.store, self._chosen
        names = pc.replace_substring_regex(store.names.take(pa.array(chosen.indices)), r"([^/])\.[^./]*$", r"\1")
        malformed: list[Malformed] = []
        self.malformed = malformed
        self._found = Counter()
        num_rows = 0
        for records, found in self._contents(np.arange(len(chosen.indices))):
            texts: list[bytes] = []
            good: list[int] = []
            for index, content in zip(records, found, strict=True):
                text = self._read(index, content)
                if isinstance(text, Malformed):
                    malformed.append(text)
                else:
                    texts.append(text)
                    good.append(index)
            rows = pa.array(good, pa.int64())
            arrays = {"text": pa.array(texts, pa.binary()), "source": names.take(rows).cast(pa.binary())}
            if self.labelled:
                arrays["label"] = chosen.labels.take(rows).cast(pa.binary())
            wanted = {name: array for name, array in arrays.items() if columns is None or name in columns}
            yield Block(num_rows, wanted, len(good))
            num_rows += len(good)

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`; `text` and the field of it are the document's beginning."""
        store, chosen = self.members.store, self._chosen
        for records, found in self._contents(np.array(indices, np.int64)):
            for index, content in zip(records, found, strict=True):
                text = self._read(index, content)
                shown = text.value if isinstance(text, Malformed) else shorten(text.decode())
                name = store.names[int(chosen.indices[index])].as_py()
                fields = {"text": shown, "label": chosen.labels[index].as_py() or "", "source": name}
                yield Located(index + 1, [fields[column] for column in self.header], shown, store.place(name))

    @cached_property
    def _chosen(self) -> Chosen:
        return self.members.choose(labelled=self.labelled)

    def _contents(self, records: np.ndarray) -> Iterator[tuple[list[int], list[bytes | UnusableImageError | None]]]:
        """The contents of these records, a few MiB at a time, in order; None for those that are too long."""
        store = self.members.store
        files = self._chosen.indices[records]
        taken = store.sizes[files] <= MOST_TEXT_BYTES
        start = 0
        for part, task in store.tasks(files[taken], _LIMITS):
            found = iter(contents(task))
            end = start
            left = len(part)
            while left:
                left -= bool(taken[end])
                end += 1
            yield records[start:end].tolist(), [next(found) if taken[place] else None for place in range(start, end)]
            start = end
        if start < len(records):
            yield records[start:].tolist(), [None] * (len(records) - start)

    def _read(self, index: int, content: bytes | UnusableImageError | None) -> bytes | Malformed:
        """The document as UTF-8, or why it is none."""
        if content is None:
            size = int(self.members.store.sizes[self._chosen.indices[index]])
            expected = f"at most {MOST_TEXT_BYTES >> 20} MiB"
            return Malformed(index, "overlong", f"the file has {size:,} bytes", expected, fix="Split the document")
        if isinstance(content, UnusableImageError):
            return Malformed(index, "missing_file", content.problem, content.expected, fix=content.fix)
        encoding = self._encoding(content)
        self._found[encoding] += 1
        problem = ""
        if is_declared_utf8(encoding) and is_utf8(content):
            text = content.removeprefix(_BYTE_ORDER_MARK)
        else:
            decoder = Decoder(encoding)
            text = decoder.to_utf8(content, final=True)
            problem = decoder.undecodable[0].problem(encoding) if decoder.undecodable else ""
        if not problem and b"\0" in text:
            problem = NUL_PROBLEM
        return not_text(index, "text", problem, text.decode(), encoding) if problem else text

    def _encoding(self, content: bytes) -> str:
        if self.declared != AUTO:
            return self.declared
        return marked_encoding(content) or ("utf-8" if is_utf8(content) or b"\0" in content else self._guess)

    @cached_property
    def _guess(self) -> str:
        """The encoding of the documents that are not in UTF-8 and do not mark theirs: one for all, as their letters look."""
        finder = Finder()
        for _, found in self._contents(np.arange(len(self._chosen.indices))):
            for content in found:
                if (
                    isinstance(content, bytes)
                    and not marked_encoding(content)
                    and b"\0" not in content
                    and not is_utf8(content)
                ):
                    finder.add_sample(content)
        return finder.guess(str(self.path))

"""What lies in the folder of the raw data now, before any stage has read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.bridge.job import Job
from components.errors import UserError
from components.tracking.provenance import digest_paths


@dataclass(frozen=True)
class RawData:
    """The raw data.

    Attributes:
        folder: Digest of the folder that params.yaml gives as pipelines.NAME.data: names and contents.
        digest: Of what ingest would read, as in ingest.json; None if ingest would stop.
        problem: Why it would.
        spans: Names, in their order; None where data.path has no {span}.
    """

    folder: str
    digest: str | None
    problem: str | None
    spans: tuple[str, ...] | None


def look(job: Job) -> RawData:
    """Looks at the raw data; the working directory is the repository's root."""
    from components.ingest.sources import digest, find_sources, input_paths

    path = job.shared.pipelines[job.name].data
    folder = digest_paths([path], job.root)[path]
    try:
        spans = _spans(job.root, job.params.data.path)
        found = digest(path for source, _ in find_sources(job.params.data) for path in input_paths(source))
    except UserError as error:
        return RawData(folder, None, str(error), None)
    return RawData(folder, found, None, spans)


def _spans(root: Path, path: str | None) -> tuple[str, ...] | None:
    if path is None or "{span}" not in path:
        return None
    from components.ingest.spans import find_spans

    return tuple(span.name for span in find_spans(root, path))

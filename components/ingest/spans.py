"""Finds the spans of data that arrive over time: what stands for `{span}` in `data.path`, a number or a date.

As TFX's ExampleGen has them (`{SPAN}`, https://www.tensorflow.org/tfx/guide/examplegen#span), but for dates, which need no
pattern of their own here, and for the error where a name is neither. Imports neither TensorFlow nor Arrow.
"""

from __future__ import annotations

import datetime as dt
import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import ParamsError
from components.params.models import SPAN

_KINDS = {
    "dates": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "months": r"[0-9]{4}-[0-9]{2}",
    "numbers": r"[0-9]+",
}
"""How spans may be named, those that hold others first."""
_EXPECTED = "a number or a date, as 7, 20240131, 2024-01-31 or 2024-01"
_MOST_SHOWN = 5


@dataclass(frozen=True)
class Span:
    """Data that arrived together.

    Attributes:
        name: Its number without leading zeros, or its date.
        files: What the path matches, sorted: files, or folders and archives where these are the data; from the root.
        path: `data.path` with the span as the files have it in place of `{span}`.
    """

    name: str
    files: tuple[Path, ...]
    path: str


def find_spans(root: Path, path: str) -> list[Span]:
    """The spans that lie at a path, the oldest first.

    Args:
        root: The repository's root.
        path: `data.path`: a glob with one `{span}`, from the root.

    Raises: ParamsError if there is none, a name is neither a number nor a date, names are of several kinds, or two are the
        same span.
    """
    by_text: dict[str, list[Path]] = {}
    malformed: list[tuple[Path, str]] = []
    found = sorted(glob.glob(as_glob(path), root_dir=root, recursive=True))  # noqa: PTH207 (absolute patterns too)
    for name in found:
        text, is_span = _span_of(path, name)
        if is_span:
            by_text.setdefault(text, []).append(Path(name))
        else:
            malformed.append((Path(name), text))
    if malformed:
        shown = "; ".join(f"{file}: {text!r}" for file, text in malformed[:_MOST_SHOWN])
        more = f"; and {len(malformed) - _MOST_SHOWN:,} more" if len(malformed) > _MOST_SHOWN else ""
        raise ParamsError(
            f"data.path: no span can be told from {shown}{more}. Expected {_EXPECTED}, where '{path}' has {SPAN}. Rename it, "
            "or move it elsewhere."
        )
    if not by_text:
        raise ParamsError(_nothing(root, path))
    _check_kinds(by_text)
    spans: dict[str, Span] = {}
    for text, files in by_text.items():
        name = str(int(text)) if text.isdigit() else text
        if name in spans:
            raise ParamsError(
                f"data.path: {spans[name].files[0]} and {files[0]} are both of the span {name}. Expected each span under one "
                "name. Rename one of them."
            )
        spans[name] = Span(name, tuple(files), path.replace(SPAN, text))
    # ISO dates of one kind sort as their texts do.
    return sorted(spans.values(), key=lambda span: (int(span.name), "") if span.name.isdigit() else (0, span.name))


def newest(spans: Sequence[Span], number: int | None) -> list[Span]:
    """The newest so many of the spans, which must be sorted; all for None."""
    return list(spans if number is None else spans[-number:])


def as_glob(path: str) -> str:
    """The glob that matches every span's files."""
    return path.replace(SPAN, "*")


def _span_of(path: str, name: str) -> tuple[str, bool]:
    """What stands for the span in the name of a file that the path matches, and whether it is a span."""
    for kind in ("|".join(_KINDS.values()), "[^/]*"):
        match = re.fullmatch(_regex(path, kind), name)
        if match:
            return match["span"], kind != "[^/]*" and _is_date(match["span"])
    raise AssertionError(f"{name} is matched by {as_glob(path)}, but not by {_regex(path, '[^/]*')}")


def _regex(path: str, span: str) -> str:
    """The path as a regular expression that prefers short texts for what comes before the span."""
    pieces = []
    for piece in re.findall(r"\{span\}|\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", path, re.DOTALL):
        if piece == SPAN:
            pieces.append(f"(?P<span>{span})")
        elif piece.startswith("["):
            negated = piece[1] == "!"
            inner = piece[2 if negated else 1 : -1].replace("\\", "\\\\").replace("^", "\\^").replace("[", "\\[")
            pieces.append(f"[{'^' if negated else ''}{inner}]" if len(piece) > 2 else re.escape(piece))
        else:
            known = {"**/": "(?:.*?/)?", "**": ".*?", "*": "[^/]*?", "?": "[^/]"}
            pieces.append(known.get(piece, re.escape(piece)))
    return "".join(pieces)


def _is_date(text: str) -> bool:
    """Whether the text is a number, or a date that there is."""
    if "-" not in text:
        return True
    try:
        return bool(dt.date.fromisoformat(text if text.count("-") == 2 else f"{text}-01"))
    except ValueError:
        return False


def _check_kinds(by_text: dict[str, list[Path]]) -> None:
    firsts: dict[str, Path] = {}
    for text, files in by_text.items():
        kind = next(kind for kind, pattern in _KINDS.items() if re.fullmatch(pattern, text))
        firsts.setdefault(kind, files[0])
    if len(firsts) > 1:
        shown = ", ".join(f"{kind} ({file})" for kind, file in firsts.items())
        raise ParamsError(
            f"data.path: the spans are named by {shown}. Expected all spans by numbers, by dates or by months, so that they "
            "have an order. Rename some of them."
        )


def _nothing(root: Path, path: str) -> str:
    parts = Path(path).parts
    fixed = next(index for index, part in enumerate(parts) if SPAN in part or glob.has_magic(part))
    folder = Path(*parts[:fixed])
    there = sorted(entry.name for entry in (root / folder).iterdir()) if (root / folder).is_dir() else []
    shown = f"In {folder} there are: {', '.join(there[:10])}." if there else f"Folder {folder} holds nothing."
    return (
        f"data.path: no file matches '{path}', from the repository's root, so there is no span. {shown} Expected {_EXPECTED}, "
        f"in place of {SPAN}."
    )

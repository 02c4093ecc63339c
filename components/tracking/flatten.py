"""Turns parameters into what MLflow takes: flat, with names of few characters, and strings of limited length."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.tracking.redaction import redact, redact_value

MAX_PARAM_CHARS = 6000
MAX_TAG_CHARS = 8000
_MAX_KEY_CHARS = 250
_NOT_IN_KEYS = re.compile(r"[^\w.\- :/]")


def flatten(params: Mapping[str, Any]) -> dict[str, str]:
    """Nested parameters as dotted names and text, credentials blanked, long values cut visibly.

    >>> flatten({"train": {"epochs": 3, "early_stopping": None}, "slices": [["a"], ["b"]]})
    {'train.epochs': '3', 'train.early_stopping': 'None', 'slices': '[["a"], ["b"]]'}
    """
    flat: dict[str, str] = {}
    for name, value in _leaves(params, ()):
        key = _unused(key_for(name), flat)
        flat[key] = cut(redact_value(name, value), MAX_PARAM_CHARS)
    return flat


def key_for(name: str) -> str:
    """`name` with `_` for each character that MLflow refuses in the name of a parameter, a metric or a tag."""
    return _NOT_IN_KEYS.sub("_", name).strip("/")[:_MAX_KEY_CHARS]


def tag_values(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags as MLflow takes them, credentials blanked."""
    return {key_for(name): cut(redact_value(name, value), MAX_TAG_CHARS) for name, value in tags.items()}


def cut(text: str, max_chars: int) -> str:
    """`text`, cut with a note if it has more than `max_chars` characters."""
    if len(text) <= max_chars:
        return text
    note = f"… (cut: {len(text):,} characters)"
    return text[: max_chars - len(note)] + note


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and (value or not path):
        for key, child in value.items():
            yield from _leaves(child, (*path, str(key)))
    elif isinstance(value, (Mapping, list, tuple)):
        yield ".".join(path), redact(json.dumps(value, ensure_ascii=False, default=str))
    else:
        yield ".".join(path), str(value)


def _unused(key: str, taken: Mapping[str, str]) -> str:
    """`key`, numbered if two names became the same."""
    number, candidate = 1, key
    while candidate in taken:
        number += 1
        candidate = f"{key[: _MAX_KEY_CHARS - 4]}_{number}"
    return candidate

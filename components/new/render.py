"""Parameters with the reasons for them, as YAML that a person goes on with."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_WIDTH = 120


@dataclass(frozen=True)
class Entry:
    """A key with its value.

    Attributes:
        key: In its section.
        value: As JSON types; of a list or of keys that have reasons each, see `parts`.
        why: What stands above it as a comment.
        parts: Reason → items of the list, or keys with their values, that have it; in place of `value`.
    """

    key: str
    value: Any = None
    why: str = ""
    parts: dict[str, list[Any] | dict[str, Any]] = field(default_factory=dict)

    @property
    def content(self) -> Any:
        """The value, whichever way it is given."""
        if not self.parts:
            return self.value
        groups = list(self.parts.values())
        if isinstance(groups[0], dict):
            return {key: value for group in groups if isinstance(group, dict) for key, value in group.items()}
        return [item for group in groups for item in group]


def render(head: Sequence[str], recipe: Entry, sections: dict[str, list[Entry]]) -> str:
    """The text of a parameter file.

    Args:
        head: Paragraphs of the comment at its top.
        recipe: The recipe's name.
        sections: Section → its keys; a section without any takes the defaults.
    """
    lines = [line for paragraph in head for line in _comment(paragraph, "")]
    lines += [*_comment(recipe.why, ""), f"recipe: {flow(recipe.value)}"]
    for section, entries in sections.items():
        lines += ["", f"{section}:" if entries else f"{section}: {{}}"]
        for entry in entries:
            lines += [*_comment(entry.why, "  "), *_entry(entry)]
    return "\n".join(lines) + "\n"


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = True
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 1 << 20
    text = io.StringIO()
    writer.dump(value, text)
    return text.getvalue().removesuffix("\n").removesuffix("\n...")


def _entry(entry: Entry) -> Iterable[str]:
    if not entry.parts:
        yield f"  {flow(entry.key)}: {flow(entry.value)}"
        return
    yield f"  {flow(entry.key)}:"
    for why, group in entry.parts.items():
        yield from _comment(why, "    ")
        if isinstance(group, dict):
            yield from (f"    {flow(key)}: {flow(value)}" for key, value in group.items())
        else:
            yield from (f"    - {flow(item)}" for item in group)


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_long_words=False)


def shown(value: object) -> str:
    """A name or a value within a message or a comment: on one line, and not too long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def listed(values: Iterable[object], most: int = 10) -> str:
    """The first of some names or values, and how many more there are."""
    all_values = [shown(value) for value in values]
    more = f" and {len(all_values) - most:,} more" if len(all_values) > most else ""
    return ", ".join(all_values[:most]) + more

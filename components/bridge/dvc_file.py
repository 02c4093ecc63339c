"""Reads dvc.yaml, which alone says what a stage depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StageDependencies:
    """What DVC reruns a stage for: files and folders, and keys of parameter files."""

    paths: tuple[str, ...]
    params: dict[str, tuple[str, ...]]


def stage_dependencies(root: Path, stage: str, pipeline: str, entry: Mapping[str, str]) -> StageDependencies:
    """The dependencies of `stage` for one pipeline.

    Args:
        root: The repository's root.
        stage: A key of `stages`.
        pipeline: What `${key}` stands for.
        entry: What `${item.…}` stands for: the pipeline's entry in params.yaml.
    """
    from ruamel.yaml import YAML

    template: dict[str, Any] = YAML(typ="safe", pure=True).load((root / "dvc.yaml").read_text(encoding="utf-8"))
    body = template["stages"][stage]["do"]

    def fill(text: str) -> str:
        text = text.replace("${key}", pipeline)
        for name, value in entry.items():
            text = text.replace(f"${{item.{name}}}", value)
        return text

    params: dict[str, tuple[str, ...]] = {}
    for item in body.get("params", []):
        if isinstance(item, Mapping):
            params |= {fill(file): tuple(keys) for file, keys in item.items()}
        else:
            params["params.yaml"] = (*params.get("params.yaml", ()), item)
    return StageDependencies(tuple(fill(path) for path in body["deps"]), params)

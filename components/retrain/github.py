"""What a job of GitHub Actions is told, in the files that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from components.retrain.retrain import Result

_TRUTH = {True: "true", False: "false"}


def outputs(results: Sequence[Result]) -> dict[str, str]:
    """The step's outputs: whether anything was built, promoted, refused or stopped, and which pipelines were built."""
    retrained = [each.story.name for each in results if each.retrained]
    outcomes = {each.story.outcome for each in results}
    return {
        "retrained": _TRUTH[bool(retrained)],
        "promoted": _TRUTH["promoted" in outcomes],
        "refused": _TRUTH["refused" in outcomes],
        "stopped": _TRUTH[any(each.story.is_stopped for each in results)],
        "pipelines": " ".join(retrained),
    }


def tell(results: Sequence[Result], report: str, environment: Mapping[str, str]) -> None:
    """Adds to the files of $GITHUB_OUTPUT and $GITHUB_STEP_SUMMARY, where they are set."""
    if file := environment.get("GITHUB_OUTPUT"):
        _append(Path(file), "".join(f"{name}={value}\n" for name, value in outputs(results).items()))
    if file := environment.get("GITHUB_STEP_SUMMARY"):
        _append(Path(file), f"{report}\n")


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)

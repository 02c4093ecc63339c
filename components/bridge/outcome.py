"""What a stage has to tell: lines for whoever watches the terminal, and what goes to its MLflow run.

Each stage package has a module `outcome` with `outcome(job, artifacts) -> Outcome`, where `artifacts` maps output keys to
folders. A stage that failed may still have an outcome (the anomalies, say): then some of the folders are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Trial:
    """One trial of a search, logged as a nested run; `reason` says why it failed, or was cut short."""

    name: str
    params: dict[str, Any]
    epochs: list[dict[str, float]]
    score: float | None
    status: str
    reason: str | None = None


@dataclass
class Outcome:
    """See the module's docstring.

    Attributes:
        lines: For the terminal.
        params: Beside the section of params.yaml, which is always logged.
        metrics: Single values.
        model_metrics: Single values that also belong to the run that trained the model.
        files: Files or folders → folder of the run's artifacts ('' is its root).
        model_files: Likewise, for the run that trained the model.
        figures: File name → picture.
        dataset: (name, digest, source) of the data that the stage read.
        trials: Nested runs.
        tags: On the run.
    """

    lines: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    model_metrics: dict[str, float] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)
    model_files: dict[Path, str] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    dataset: tuple[str, str, str] | None = None
    trials: list[Trial] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

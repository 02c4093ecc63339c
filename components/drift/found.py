"""Holds the training data against the champion's and against the eval split, and says what that means for the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.drift.profile import Profile
from components.drift.report import DRIFT_FILE, EVAL_FILE, as_text, judge, load_baseline, write_comparisons
from components.errors import DriftError
from components.params.models import DriftParams

TRAIN_SPLIT, EVAL_SPLIT = "train", "eval"


@dataclass(frozen=True)
class Champion:
    """What is known of the champion's data.

    Attributes:
        profile: Folder of their profile; None if there is none,
        reason: and why.
        version: The champion's; '' if there is none.
    """

    profile: Path | None
    version: str
    reason: str


def find_drift(training: Profile, evaluation: Profile | None, champion: Champion, params: DriftParams, out: Path) -> None:
    """Writes the drift artifact.

    Args:
        training: Of the training split.
        evaluation: Of the eval split; None if there is none.
        champion: What the training split is held against.
        params: Limits, and what is to be done.
        out: Folder of the artifact.

    Raises: DriftError if the training data have drifted from the champion's, and that is to stop the pipeline.
    """
    how: dict[str, Any] = {"limits": params.limits.model_dump(), "significance": params.significance, "ignore": params.ignore}
    baseline, reason = None, champion.reason
    if champion.profile is not None:
        baseline, reason = load_baseline(champion.profile)
    against = judge("champion", baseline, training, version=champion.version or None, reason=reason, **how)
    if evaluation is not None:
        split = judge("eval", training, evaluation, **how)
    else:
        split = judge("eval", None, None, reason="there is no eval split", **how)
    write_comparisons(out, [(DRIFT_FILE, against), (EVAL_FILE, split)])
    if params.on_drift == "fail" and against.drifted:
        raise DriftError(
            f"validate.drift: the training data have drifted from those of the champion, version {against.version}, in "
            f"{len(against.drifted)} of {len(against.features)} features:\n{as_text(against.as_dict())}\n"
            "Mend the data. If they are meant to have changed, set validate.drift.on_drift: warn to go on all the same, "
            "or name the features in validate.drift.ignore."
        )

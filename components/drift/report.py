"""What came of a comparison: a JSON file, pictures, and a page for people."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from components.drift.compare import FeatureDrift, compare
from components.drift.pictures import feature_figure, overview_figure
from components.drift.profile import Profile, read_profile
from components.errors import TensorlineError
from components.plot_style import write_png
from components.validate.contents import file_name

State = Literal["no_baseline", "no_drift", "drift"]
Against = Literal["champion", "eval", "serving"]
DRIFT_FILE, EVAL_FILE, PAGE_FILE = "drift.json", "eval.json", "drift.html"
MAX_PICTURES = 50
"""Of the features that drifted the first MAX_PICTURES have one."""
_TEMPLATE = Path(__file__).with_name("drift.html.jinja")
_TITLES = {
    "champion": "Training data now, against those of the champion",
    "eval": "Eval split against training split",
    "serving": "Requests, against the training data of the champion",
}
_SIDES: dict[str, tuple[str, str]] = {
    "champion": ("before", "now"),
    "eval": ("in train", "in eval"),
    "serving": ("in training", "in requests"),
}
"""What baseline and current are called."""


@dataclass(frozen=True)
class Comparison:
    """Two profiles and what came of them.

    Attributes:
        against: What was compared.
        version: Of the champion; None if it has no part in it, or there is none.
        reason: Why there is no baseline; '' if there is one.
        baseline, current: None if there is none.
        features: Those that drifted first.
        limits, significance: As they were compared by.
    """

    against: Against
    version: str | None
    reason: str
    baseline: Profile | None
    current: Profile | None
    features: list[FeatureDrift]
    limits: Mapping[str, float]
    significance: float

    @property
    def state(self) -> State:
        """no_baseline, no_drift or drift."""
        if self.reason:
            return "no_baseline"
        return "drift" if self.drifted else "no_drift"

    @property
    def drifted(self) -> list[FeatureDrift]:
        """The features that did."""
        return [feature for feature in self.features if feature.drifted]

    @property
    def sides(self) -> tuple[str, str]:
        """What baseline and current are called."""
        return _SIDES[self.against]

    @property
    def title(self) -> str:
        """For people."""
        version = f" (version {self.version})" if self.version else ""
        return _TITLES[self.against] + version

    def as_dict(self) -> dict[str, Any]:
        """JSON types, for drift.json."""
        return {
            "state": self.state,
            "reason": self.reason,
            "against": self.against,
            "version": self.version,
            "num_baseline": self.baseline.num_records if self.baseline else 0,
            "num_current": self.current.num_records if self.current else 0,
            "significance": self.significance,
            "limits": dict(self.limits),
            "features": [asdict(feature) for feature in self.features],
        }


def told(content: Mapping[str, Any]) -> str:
    """What a comparison (`Comparison.as_dict`, a JSON file) found, in one sentence."""
    if content["state"] == "no_baseline":
        return f"no baseline: {content['reason']}"
    features = content["features"]
    sizes = f"{content['num_current']:,} records against {content['num_baseline']:,}"
    num_drifted = sum(feature["drifted"] for feature in features)
    return f"{f'drift in {num_drifted} of' if num_drifted else 'no drift in'} {len(features)} features, {sizes}"


def as_text(content: Mapping[str, Any]) -> str:
    """The features that drifted, a line each."""
    return "\n".join(
        f"    {feature['feature']}: {feature['distance_name'].replace('_', ' ')} {feature['distance']:.3f} (limit "
        f"{feature['limit']:.3f}, p-value {feature['p_adjusted']:.2g}); {feature['detail']}"
        for feature in content["features"]
        if feature["drifted"]
    )


def load_baseline(folder: Path) -> tuple[Profile | None, str]:
    """(a stored profile, ''), or (None, why it can't be compared with): one of another format, or a damaged one."""
    try:
        return read_profile(folder), ""
    except TensorlineError as error:
        return None, str(error)


def judge(
    against: Against,
    baseline: Profile | None,
    current: Profile | None,
    *,
    limits: Mapping[str, float],
    significance: float,
    ignore: Collection[str] = (),
    only: Collection[str] | None = None,
    version: str | None = None,
    reason: str = "",
) -> Comparison:
    """Compares two profiles; see `compare.compare`.

    Args:
        against: What is compared.
        baseline: None if there is none, for `reason`.
        current: Likewise.
        limits: As `compare.compare` takes them, as the following.
        significance: See there.
        ignore: See there.
        only: See there.
        version: Of the champion that the baseline is of.
        reason: Why there is no baseline.
    """
    for profile in (baseline, current):
        if profile is not None and profile.num_records == 0 and not reason:
            reason = f"the split {profile.split} holds no record"
    features: list[FeatureDrift] = []
    if baseline is not None and current is not None and not reason:
        features = compare(baseline, current, limits, significance, ignore=ignore, only=only, sides=_SIDES[against])
    return Comparison(against, version, reason, baseline, current, features, limits, significance)


def write_comparisons(folder: Path, comparisons: Sequence[tuple[str, Comparison]]) -> None:
    """Writes each comparison to its JSON file, its pictures to a folder of its name, and all of them to drift.html."""
    pages = []
    for file, comparison in comparisons:
        content = json.dumps(comparison.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        (folder / file).write_text(content + "\n", encoding="utf-8")
        pictures = _draw(folder / comparison.against, comparison)
        pages.append((comparison, [base64.b64encode(path.read_bytes()).decode() for path in pictures]))
    (folder / PAGE_FILE).write_text(_page(pages), encoding="utf-8")


def _draw(folder: Path, comparison: Comparison) -> list[Path]:
    if not comparison.features or comparison.baseline is None or comparison.current is None:
        return []
    folder.mkdir()
    figures = {"overview": overview_figure(comparison.features)}
    for index, feature in enumerate(comparison.drifted[:MAX_PICTURES]):
        name = f"{index + 1:02}_{file_name(feature.feature)}"  # numbered: two names may give one file name
        figures[name] = feature_figure(feature, comparison.baseline, comparison.current, comparison.sides)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        write_png(figure, paths[-1])
    return paths


def _page(pages: Sequence[tuple[Comparison, list[str]]]) -> str:
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        pages=[(comparison, told(comparison.as_dict()), pictures) for comparison, pictures in pages]
    )

"""The types of the artifacts that DataDrift makes."""

from __future__ import annotations

from tfx import types


class Profile(types.Artifact):
    """A folder of profile.json: what must be known of the training split later; see `profile.Profile`."""

    TYPE_NAME = "components.Profile"


class Drift(types.Artifact):
    """A folder of drift.json (against the champion), eval.json (train against eval), drift.html and their pictures."""

    TYPE_NAME = "components.Drift"

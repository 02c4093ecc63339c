"""The type of the artifact that Register makes."""

from __future__ import annotations

from tfx import types


class Registration(types.Artifact):
    """A folder of registration.json: model name, version, digest, verdict, reason, whether the champion moved, run id."""

    TYPE_NAME = "components.Registration"

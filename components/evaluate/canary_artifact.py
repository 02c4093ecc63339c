"""The type of the artifact in which ModelReport notes what the canary measured."""

from __future__ import annotations

from tfx import types


class CanaryReport(types.Artifact):
    """A folder of canary.json, which holds `files.MEASURED`: milliseconds; the difference as `CanaryParams.tolerance` has it.

    Apart from the report, since these numbers differ from time to time and no stage depends on them.
    """

    TYPE_NAME = "components.CanaryReport"

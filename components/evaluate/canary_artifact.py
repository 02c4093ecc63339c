"""The type of the artifact in which ModelReport notes what the canary measured."""

from __future__ import annotations

from tfx import types

CANARY_FILE = "canary.json"
MEASURED = ("num_requests", "max_difference", "latency_ms", "champion_latency_ms")
"""What the file holds; null where it was not measured."""


class CanaryReport(types.Artifact):
    """A folder of canary.json, which holds `MEASURED`: milliseconds, and the difference as `CanaryParams.tolerance` has it.

    Apart from the report, since these numbers differ from time to time and no stage depends on them.
    """

    TYPE_NAME = "components.CanaryReport"

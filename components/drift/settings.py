"""What a pipeline's parameters say of drift."""

from __future__ import annotations

from dataclasses import dataclass

from components.params.models import WINDOW_TIME, DriftParams, PipelineParams
from components.validate.measured import Columns


@dataclass(frozen=True)
class Settings:
    """See the module's docstring.

    Attributes:
        columns: The label, images and texts.
        overlap: Windows that share rows, so that they tell about as much as one; 1 without windows.
        drift: The parameters. The time of a window is ignored, for it goes on.
    """

    columns: Columns
    overlap: float
    drift: DriftParams


def settings_of(params: PipelineParams) -> Settings:
    """The settings of a pipeline."""
    data, drift = params.data, params.validate_.drift
    columns = Columns(data.label, tuple(data.image_columns), tuple(data.text_columns), data.window_shapes)
    if data.windows is None:
        return Settings(columns, 1.0, drift)
    overlap = max(1.0, data.windows.num_rows / data.windows.stride)
    return Settings(columns, overlap, drift.model_copy(update={"ignore": [*drift.ignore, WINDOW_TIME]}))

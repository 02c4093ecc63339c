"""What the sections `transform` and `model` of a forecaster may hold."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

Architecture = Literal["linear", "dense", "multi_step_dense", "conv", "lstm", "residual_lstm", "autoregressive_lstm"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
Signal = Literal["day", "year"]


class TimeSeriesParams(BaseModel):
    """Base of every section: strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class TransformParams(TimeSeriesParams):
    """How windows become features: every input as z-scores over train, and the time as waves."""

    signals: list[Signal] = Field(
        default=[], description="Sine and cosine of the time of day, of the year: what comes back with them is then seen."
    )

    @field_validator("signals")
    @classmethod
    def _each_once(cls, signals: list[Signal]) -> list[Signal]:
        if len(set(signals)) < len(signals):
            raise ValueError(f"expected each signal once, got {', '.join(signals)}")
        return signals


class ModelParams(TimeSeriesParams):
    """Which network, and the values that are taken where nothing is tuned."""

    architecture: Architecture = Field(
        default="lstm",
        description="linear: a weight for each value of the window; dense: two layers over the last row; multi_step_dense: "
        "over the whole window; conv: over the last kernel_size rows; residual_lstm: forecasts the change from the last "
        "value; autoregressive_lstm: one step at a time, each from the one before.",
    )
    units: Annotated[int, Field(ge=1)] = Field(default=32, description="Of each hidden layer.")
    kernel_size: Annotated[int, Field(ge=1)] = Field(default=3, description="Rows that conv sees.")
    loss: Literal["mse", "mae", "huber"] = "mse"
    season: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Rows after which the baseline mae_repeat has the series repeat; none: input_width."
    )

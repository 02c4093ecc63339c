"""What the sections `transform` and `model` of a tabular pipeline may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Name = Annotated[str, StringConstraints(min_length=1)]
NumBuckets = Annotated[int, Field(ge=3, le=256, description="Quantile buckets of about equally many examples.")]


class TabularParams(BaseModel):
    """Base of every section: strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ZScore(TabularParams):
    """A number: (x - mean) / standard deviation."""

    kind: Literal["zscore"]


class Log(TabularParams):
    """A number with a long tail: the z-score of sign(x) * log(1 + |x|)."""

    kind: Literal["log"]


class Piecewise(TabularParams):
    """A number: its z-score, and how far it has risen through each inner quantile bucket (0: below it, 1: above it).

    The model sees a curve of as many pieces, whatever the scale or the tail, so a linear model too can bend.
    """

    kind: Literal["piecewise"]
    num_buckets: NumBuckets = 16


class Buckets(TabularParams):
    """A number turned into a category: the id of its quantile bucket, and an id of its own for a missing value."""

    kind: Literal["buckets"]
    num_buckets: NumBuckets = 16


class Vocabulary(TabularParams):
    """A category: an id for each frequent value of the training split; all others share the out-of-vocabulary ids."""

    kind: Literal["vocabulary"]
    top_k: Annotated[int, Field(ge=1)] = Field(default=1000, description="The most values that get an id of their own.")
    # Values seen once teach nothing of their own; sharing an id, they train the one that unseen values get at serving.
    min_count: Annotated[int, Field(ge=1)] = Field(default=2, description="Values rarer than this get no id of their own.")
    num_oov_buckets: Annotated[int, Field(ge=1)] = Field(default=1, description="Ids for all other values, by their hash.")


class Hash(TabularParams):
    """A category of very many values: the hash of the value; no pass over the data, and values may share an id."""

    kind: Literal["hash"]
    num_buckets: Annotated[int, Field(ge=2)] = 1000


Numeric = Annotated[ZScore | Log | Piecewise | Buckets, Field(discriminator="kind")]
Categorical = Annotated[Vocabulary | Hash, Field(discriminator="kind")]
Feature = Annotated[ZScore | Log | Piecewise | Buckets | Vocabulary | Hash, Field(discriminator="kind")]


class TransformParams(TabularParams):
    """How raw columns become features.

    The schema says what a column is: FLOAT and INT are numbers; BYTES, and INT with `is_categorical`, are categories. A
    category whose values the schema lists (a domain of at most 256 values) takes its ids from there.
    """

    numeric: Numeric = Field(default=Piecewise(kind="piecewise"), description="Numbers that `features` does not name.")
    categorical: Categorical = Field(
        default=Vocabulary(kind="vocabulary"), description="Categories without a domain that `features` does not name."
    )
    features: dict[Name, Feature] = Field(default={}, description="Column: how it, and not the others, is treated.")
    ignore: list[Name] = Field(default=[], description="Columns that are no features.")
    crosses: list[list[Name]] = Field(default=[], description="Lists of categories whose combined values are a feature too.")
    cross_buckets: Annotated[int, Field(ge=2)] = Field(default=1000, description="Hash buckets of each cross.")
    missing_indicators: bool = Field(
        default=True, description="A 0/1 feature for each number that the schema lets be missing."
    )

    @field_validator("crosses")
    @classmethod
    def _two_columns_at_least(cls, crosses: list[list[str]]) -> list[list[str]]:
        for cross in crosses:
            if len(set(cross)) < 2 or len(set(cross)) < len(cross):
                raise ValueError(f"a cross needs two or more different columns, got {cross}")
        return crosses


class ModelParams(TabularParams):
    """Which network, and the values that are taken where nothing is tuned."""

    kind: Literal["deep", "linear", "wide_and_deep"] = "deep"
    hidden_units: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = [64, 32]
    activation: Literal["relu", "gelu", "silu", "elu", "selu", "tanh"] = "relu"
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    weight_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        default=1e-4, description="Decoupled L2 (AdamW): shrinks weights without entering the loss."
    )
    max_embedding_dim: Annotated[int, Field(ge=1)] = Field(
        default=32, description="A category of n ids is embedded in min(this, 1.6 * n ** 0.56) dimensions."
    )
    loss: Literal["mse", "mae", "msle"] | None = Field(
        default=None,
        description="Of tabular.regressor only: mse (its default), mae (fewer worries about outliers), or msle (the model "
        "learns log(1 + label), for labels >= 0 with a long tail).",
    )

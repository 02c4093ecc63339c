"""What the sections `transform` and `model` of a variational autoencoder may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recipes.image.params import ImageParams
from recipes.image.params import TransformParams as ImageTransformParams


class TransformParams(ImageTransformParams):
    """As for a classifier, but that pixels lie between 0 and 1: each is taken as the probability of white."""

    channels: Literal[1, 3] = Field(default=1, description="1: grey, 3: red, green and blue; transparency is dropped.")
    normalise: Literal["zero_one"] = "zero_one"


class ModelParams(ImageParams):
    """Size of the encoder and of the decoder, which mirrors it."""

    latent_dim: Annotated[int, Field(ge=1)] = Field(
        default=2, description="Numbers that an image is encoded as; of 2 the whole manifold can be drawn."
    )
    filters: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(
        default=[32, 64], description="Of each convolution; each halves height and width."
    )
    hidden_units: Annotated[int, Field(ge=1)] = Field(default=128, description="Of the dense layers beside the latent one.")

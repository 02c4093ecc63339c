"""What the sections `transform` and `model` of an image pipeline may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(min_length=1)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
Pixels = Annotated[int, Field(ge=1, le=2048)]


class ImageParams(BaseModel):
    """Base of every section: strict, frozen, no unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class TransformParams(ImageParams):
    """How an encoded image becomes the feature `image`, float32 [batch, height, width, channels]."""

    image: Name | None = Field(default=None, description="Column of the image; none: the schema's only one.")
    height: Pixels = Field(description="In pixels, after resizing.")
    width: Pixels = Field(description="In pixels, after resizing.")
    channels: Literal[1, 3] = Field(default=3, description="1: grey, 3: red, green and blue; transparency is dropped.")
    resize: Literal["bilinear", "area", "bicubic", "lanczos3", "nearest"] = Field(
        default="bilinear", description="How pixels are interpolated; only nearest is not smoothed when it makes smaller."
    )
    fit: Literal["stretch", "crop", "pad"] = Field(
        default="stretch",
        description="An image of another aspect is stretched, cropped to its middle, or padded with black on both sides.",
    )
    normalise: Literal["zero_one", "minus_one_one", "standardise", "none"] = Field(
        default="zero_one",
        description="Range of the values; standardise: each image to mean 0 and variance 1; none: 0 to 255.",
    )


class Augment(ImageParams):
    """Random changes of the training images, anew each epoch; 0 leaves a change out. What shifts into view is reflected."""

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    crop: Annotated[float, Field(ge=0.0, le=0.5)] = Field(
        default=0.0, description="Pads by this fraction of height and width, then crops: a shift by whole pixels."
    )
    rotation: Annotated[float, Field(ge=0.0, le=0.5)] = Field(default=0.0, description="Up to this fraction of a full turn.")
    zoom: Rate = Field(default=0.0, description="In or out by up to this fraction.")
    contrast: Rate = Field(default=0.0, description="Up or down by up to this fraction.")
    brightness: Rate = Field(default=0.0, description="Up or down by up to this fraction of the whole range.")
    cutout: Rate = Field(default=0.0, description="A rectangle of up to this fraction of height and width is blackened.")


class Backbone(ImageParams):
    """A trained model whose features are taken, by its path from the repository's root.

    DVC tracks a pipeline's `data` and `recipe` folders (params.yaml) and no other: a backbone that lies elsewhere is not seen
    to change, so keep it in the data folder, or give the folder of the backbone as a dependency in dvc.yaml.
    """

    path: Name = Field(description="A .keras file, or the folder of a SavedModel.")
    layer: Name | None = Field(
        default=None,
        description="Whose output is taken as features: a layer of a .keras file, an output of a SavedModel; none: the last.",
    )
    signature: Name = Field(default="serving_default", description="Of a SavedModel only.")
    unfreeze_from: Name | Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="The first layer that is fine-tuned, by name or place; of a SavedModel 0, for all. None: no fine-tuning.",
    )
    fine_tune_epochs: Annotated[int, Field(ge=1)] = Field(default=10, description="After the train.epochs of the new layers.")
    fine_tune_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-5


class ModelParams(ImageParams):
    """Which network, and the values that are taken where nothing is tuned."""

    network: Literal["cnn", "resnet", "transfer"] = "cnn"
    filters: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(
        default=[32, 64, 128], description="Of cnn and resnet: the filters of each stage; a stage halves height and width."
    )
    blocks: Annotated[int, Field(ge=1)] = Field(
        default=2, description="Of cnn: convolutions a stage; of resnet: residual blocks, of two convolutions each."
    )
    head: Literal["average", "flatten"] = Field(
        default="average",
        description="Of cnn and resnet: the last maps are averaged over height and width, or, of aligned images, kept apart.",
    )
    dense_units: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="A hidden layer before the last one; null: none."
    )
    dropout: Rate = Field(default=0.3, description="Before each dense layer.")
    weight_decay: Rate = Field(default=1e-3, description="Decoupled L2 (AdamW): shrinks weights without entering the loss.")
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="cosine: the learning rate rises in the first tenth and falls to 0 at the last epoch."
    )
    augment: Augment = Augment()
    backbone: Backbone | None = Field(default=None, description="Of transfer only.")

    @model_validator(mode="after")
    def _backbone_where_it_is_used(self) -> ModelParams:
        if self.network == "transfer" and self.backbone is None:
            raise ValueError("network transfer needs a backbone; give model.backbone.path")
        if self.network != "transfer" and self.backbone is not None:
            raise ValueError(f"network {self.network} has no backbone; remove model.backbone, or take network transfer")
        return self

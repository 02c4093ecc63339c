"""Backbones: models that others trained, loaded from a path, frozen, and thawed from some layer on.

After Keras' guide to transfer learning (https://keras.io/guides/transfer_learning/): the backbone stays in inference mode,
also while it is fine-tuned, so that batch normalisation keeps the statistics of the data that it was trained on.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import keras
import tensorflow as tf

from recipes.contract import RecipeError
from recipes.image.inference import InferenceLayer
from recipes.image.params import Backbone
from recipes.image.saved_model import SavedModelLayer

NAME = "backbone"
"""The layer of a model that is its backbone."""


def backbone_features(images: keras.KerasTensor, params: Backbone) -> keras.KerasTensor:
    """The frozen backbone's features, float32 [batch, n]; maps of features are averaged over height and width.

    Args:
        images: [batch, height, width, channels], as the backbone was trained on.
        params: Which backbone, and which of its layers.

    Raises: RecipeError if there is none, it takes other images, or it gives no features.
    """
    backbone = _load(params, images.shape[1:])
    backbone.trainable = False
    features = backbone(images)
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name="features")(features)
    if len(features.shape) != 2 or None in features.shape[1:]:
        raise RecipeError(
            f"model.backbone.layer: what comes out of {params.path} has the shape {_shown(features.shape)}. Expected "
            "[batch, n] or [batch, height, width, n]. Choose another layer."
        )
    return features


def unfreeze(model: keras.Model, params: Backbone) -> None:
    """Makes the backbone trainable from `params.unfreeze_from` on."""
    backbone = model.get_layer(NAME)
    backbone.trainable = True
    if isinstance(backbone, InferenceLayer):
        for layer in backbone.model.layers[: _first(backbone.model, params)]:
            layer.trainable = False


def _load(params: Backbone, shape: tuple[int, ...]) -> InferenceLayer | SavedModelLayer:
    path = Path(params.path)
    if not path.exists():
        raise RecipeError(
            f"model.backbone.path: there is nothing at {path}. Expected a .keras file or the folder of a SavedModel. Correct "
            "the path (from the repository's root), or build what writes it."
        )
    if path.is_dir():
        layer = SavedModelLayer(params.path, params.signature, params.layer, name=NAME)
        if layer.spec is not None:
            _check_shape(params, tuple(layer.spec.shape), layer.spec.dtype.name, shape)
        if params.unfreeze_from not in (None, 0):
            raise RecipeError(
                f"model.backbone.unfreeze_from: {path} is a SavedModel, which has no layers to choose from. Expected 0 (all "
                f"of it) or null, got {params.unfreeze_from!r}."
            )
        _try(layer, shape)
        return layer
    try:
        loaded = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise RecipeError(
            f"model.backbone.path: {path} cannot be loaded as a Keras model. Expected a .keras file as keras.Model.save "
            f"writes it. Keras says: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    if len(loaded.inputs) != 1:
        names = ", ".join(tensor.name for tensor in loaded.inputs)
        raise RecipeError(
            f"model.backbone.path: {path} takes {len(loaded.inputs)} inputs ({names}). Expected one, the images."
        )
    _check_shape(params, tuple(loaded.inputs[0].shape), loaded.inputs[0].dtype, shape)
    output = loaded.layers[_place(loaded, params.layer, "layer", params)].output if params.layer else loaded.outputs[0]
    backbone = keras.Model(loaded.inputs[0], output, name="model")
    _first(backbone, params)
    return InferenceLayer(backbone, name=NAME)


def _try(layer: SavedModelLayer, shape: tuple[int, ...]) -> None:
    """Calls the SavedModel with one black image, for its own message rather than Keras' about shapes that it cannot infer."""
    try:
        layer.call(tf.zeros([1, *shape]))
    except RecipeError:
        raise
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        raise RecipeError(
            f"model.backbone.signature: {layer.folder} cannot be called with float32 {_shown((None, *shape))} (batch, height, "
            f"width, channels), as transform makes it. Set transform.height, width and channels as the backbone needs them, "
            f"or take another signature. TensorFlow says: {str(error).splitlines()[0]}"
        ) from error


def _check_shape(params: Backbone, taken: tuple[int | None, ...], dtype: str, made: tuple[int, ...]) -> None:
    fits = len(taken) == 4 and all(size in (None, other) for size, other in zip(taken[1:], made, strict=True))
    if fits and dtype == "float32":
        return
    raise RecipeError(
        f"model.backbone.path: {params.path} takes {dtype} {_shown(taken)}, and transform makes float32 "
        f"{_shown((None, *made))} (batch, height, width, channels). Set transform.height, width and channels as the backbone "
        "needs them, or take another backbone."
    )


def _first(backbone: keras.Model, params: Backbone) -> int:
    """Place of the first layer that is fine-tuned; all layers lie before it if none is."""
    if params.unfreeze_from is None:
        return len(backbone.layers)
    return _place(backbone, params.unfreeze_from, "unfreeze_from", params)


def _place(model: keras.Model, wanted: str | int, key: str, params: Backbone) -> int:
    names = [layer.name for layer in model.layers]
    if isinstance(wanted, int) and wanted < len(names):
        return wanted
    if wanted in names:
        return names.index(str(wanted))
    close = difflib.get_close_matches(str(wanted), names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise RecipeError(
        f"model.backbone.{key}: {params.path} has no layer {wanted!r}.{hint} It has {len(names)} up to its features: "
        f"{_some(names)}."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names if len(names) <= 12 else [*names[:6], "…", *names[-5:]])


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('batch' if not place and size is None else str(size) for place, size in enumerate(shape))}]"

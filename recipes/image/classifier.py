"""`image.classifier`: two classes or more, as the label's domain in the schema lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import tensorflow as tf

from recipes.classification import Classifier
from recipes.contract import LABEL_KEY, Gradients, InputKind, RecipeError, Task
from recipes.image.backbone import unfreeze
from recipes.image.column import image_column
from recipes.image.network import Network
from recipes.image.params import ModelParams, TransformParams
from recipes.image.schedule import CosineSchedule, num_batches

if TYPE_CHECKING:
    from recipes.raw import RawTensor

IMAGE_KEY = "image"
"""Name of the image among the transformed features."""
_RANGES = {"zero_one": (0.0, 1.0), "minus_one_one": (-1.0, 1.0), "none": (0.0, 255.0)}
"""transform.normalise → black and white."""


class ImageClassifier(Classifier):
    """One image, one label.

    Raises: RecipeError where params and schema do not agree.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._params: ModelParams = task.model
        self._transform: TransformParams = task.transform
        self._column = image_column(task.schema, self._transform.image)
        augment = self._params.augment
        if self._transform.normalise == "standardise" and (augment.contrast or augment.brightness):
            key = "contrast" if augment.contrast else "brightness"
            raise RecipeError(
                f"model.augment.{key}: transform.normalise standardise has already taken contrast and brightness out of each "
                f"image. Remove model.augment.{key}, or take another normalise."
            )

    @property
    def inputs(self) -> dict[str, InputKind]:
        """The column of the encoded image."""
        return {self._column: "image"}

    def preprocessing_fn(self, inputs: Mapping[str, RawTensor]) -> dict[str, tf.Tensor]:
        """See `Recipe`: `image`, float32 [batch, height, width, channels]."""
        from recipes.image.features import make_image

        outputs = {IMAGE_KEY: make_image(inputs[self._column], self._transform)}
        if self.label in inputs:
            outputs[LABEL_KEY] = self.label_ids(inputs[self.label])
        return outputs

    def explain(self, model: keras.Model) -> Gradients:
        """From a black image, as the tutorial "Integrated gradients" has it; from a grey one where images are standardised."""
        normalise = self._transform.normalise
        low, high = _RANGES[normalise] if normalise != "standardise" else (-3.0, 3.0)

        def shown(raw: dict[str, Any], features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {"picture": tf.clip_by_value((features[IMAGE_KEY] - low) / (high - low), 0.0, 1.0)}

        return Gradients(
            self.logits(model),
            0.0 if normalise == "standardise" else low,
            lambda attributions: {self._column: tf.reduce_sum(attributions[IMAGE_KEY], axis=3)},
            form="image",
            shown=shown,
        )

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Answers the probability of the second class [batch, 1], or of each class [batch, classes]."""
        shape = tuple(self.feature_spec[IMAGE_KEY].shape)
        bias = self.bias_initializer()
        network = Network(self._params, self._transform.normalise, hp, seed=self.task.seed, bias_initializer=bias)
        images = keras.Input(shape=shape, dtype="float32", name=IMAGE_KEY)
        logits = network.logits(images, self.num_outputs)
        model = keras.Model({IMAGE_KEY: images}, self.probabilities(logits), name="image_classifier")
        self.compile(model, network.optimizer(self.task.learning_rate))
        return model

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        x: tf.data.Dataset,
        *,
        epochs: int = 1,
        initial_epoch: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Fits as Keras does; a backbone with `unfreeze_from` is then fine-tuned for more epochs, at a lower rate.

        Each of the two has its own schedule of the learning rate, and early stopping starts anew. The better one's weights are
        kept, where early stopping restores the best.

        Returns: One history, of all epochs.
        """

        def run(first_epoch: int, last_epoch: int) -> keras.callbacks.History:
            added = []
            if self._params.schedule == "cosine":
                added = [CosineSchedule(num_batches(x), last_epoch, first_epoch)]
            # Early stopping restores weights at its end; the schedule goes first, so that others see the rate in use.
            return model.fit(x, epochs=last_epoch, initial_epoch=first_epoch, callbacks=[*added, *callbacks], **kwargs)

        history = run(initial_epoch, epochs)
        backbone = self._params.backbone
        if backbone is None or backbone.unfreeze_from is None:
            return history
        stoppers = [
            (callback, callback.best)
            for callback in callbacks
            if isinstance(callback, keras.callbacks.EarlyStopping) and callback.restore_best_weights
        ]
        kept = [(variable, variable.numpy()) for variable in model.variables]
        unfreeze(model, backbone)
        first = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # of the one that scales the loss for float16
        optimizer = keras.optimizers.AdamW(backbone.fine_tune_learning_rate, weight_decay=first.weight_decay)
        self.compile(model, optimizer)
        first_epoch = initial_epoch + len(history.epoch)
        tuned = run(first_epoch, first_epoch + backbone.fine_tune_epochs)
        if any(not callback.monitor_op(callback.best, best) for callback, best in stoppers):
            for variable, value in kept:
                variable.assign(value)
        tuned.epoch = [*history.epoch, *tuned.epoch]
        tuned.history = {name: [*values, *tuned.history[name]] for name, values in history.history.items()}
        return tuned

"""What classifiers of every field share: classes from the schema, loss and metrics, what is answered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import keras
import tensorflow as tf

from recipes.contract import Recipe, Task, TaskKind
from recipes.label import class_ids, classes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from recipes.raw import RawTensor

PROBABILITIES = "probabilities"
"""Name of the last layer."""


class Classifier(Recipe):
    """With two classes the second one is the positive class: of a column of 0 and 1, the 1.

    Raises: RecipeError if the schema lists no classes for the label.
    """

    objective_direction: Literal["min", "max"]

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._classes = classes_of(task.schema, self.label)
        # The loss on eval still tells models apart when all of a small eval split is classified correctly.
        self.objective = "val_auc" if self.kind == "binary" else "val_loss"
        self.objective_direction = "max" if self.kind == "binary" else "min"

    @property
    def kind(self) -> TaskKind:
        """`binary` if the label's domain has two values, else `multiclass`."""
        return "binary" if len(self._classes) == 2 else "multiclass"

    @property
    def key_metric(self) -> str:
        """`auc` of two classes, `accuracy` of more."""
        return "auc" if self.kind == "binary" else "accuracy"

    @property
    def class_names(self) -> list[str]:
        """The label's values in the order of its domain."""
        return [str(name) for name in self._classes]

    @property
    def num_outputs(self) -> int:
        """Units of the last layer: one of two classes, else one a class."""
        return 1 if self.kind == "binary" else len(self._classes)

    def probabilities(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Logits → the probability of the second class [batch, 1], or of each class [batch, classes].

        In float32, also where mixed precision has the layers before compute in less.
        """
        activation = "sigmoid" if self.kind == "binary" else "softmax"
        return keras.layers.Activation(activation, dtype="float32", name=PROBABILITIES)(logits)

    def bias_initializer(self) -> keras.initializers.Initializer:
        """Of the last layer: it then answers how frequent the classes are, before it has learned anything else.

        So the first epochs are not spent on learning that a class is rare, and the first loss is that of knowing just this
        (TensorFlow tutorial "Classification on imbalanced data"). Zeros where nobody told how frequent the classes are.
        """
        if not self.class_counts:
            return keras.initializers.Zeros()
        # A class that training has no example of is taken for one that it has a single one of.
        logarithms = [math.log(count or 1.0) for count in self.class_counts]
        if self.kind == "binary":
            return keras.initializers.Constant(logarithms[1] - logarithms[0])
        mean = sum(logarithms) / len(logarithms)  # the softmax is the same, whatever is taken from all
        return keras.initializers.Constant([each - mean for each in logarithms])

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        """Cross entropy, and the metrics that belong to it."""
        if self.kind == "binary":
            metrics = [
                keras.metrics.AUC(name="auc"),
                keras.metrics.AUC(curve="PR", name="aucpr"),
                keras.metrics.BinaryAccuracy(name="accuracy"),
            ]
            model.compile(optimizer, loss="binary_crossentropy", metrics=metrics)
        else:
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
            model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=metrics)

    def outputs(self, predictions: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities`, `label` and, of two classes, `score`."""
        binary = self.kind == "binary"
        probabilities = tf.concat([1.0 - predictions, predictions], axis=1) if binary else predictions
        outputs = {
            "probabilities": probabilities,
            "label": tf.gather(tf.constant(self.class_names), tf.argmax(probabilities, axis=1)),
        }
        return outputs | {"score": predictions} if binary else outputs

    def logits(self, model: keras.Model) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
        """Transformed features → what `probabilities` was given, float32 [batch, 1] of two classes, else [batch, classes].

        Explanations are of these: probabilities near 0 and 1 hardly move, whatever an example has more of.
        """
        network = keras.Model({each.name: each for each in model.inputs}, model.get_layer(PROBABILITIES).input)
        return lambda features: tf.cast(network(features, training=False), tf.float32)

    def label_ids(self, raw: RawTensor) -> tf.Tensor:
        """The raw label as class ids, int64 [batch, 1]."""
        return class_ids(raw, self._classes)

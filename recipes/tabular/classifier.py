"""`tabular.classifier`: two classes or more, as the label's domain in the schema lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import keras_tuner

from recipes.contract import RecipeError, Task, TaskKind
from recipes.tabular.label import class_ids, classes_of
from recipes.tabular.recipe import TabularRecipe

if TYPE_CHECKING:
    import tensorflow as tf


class TabularClassifier(TabularRecipe):
    """With two classes the second one is the positive class: of a column of 0 and 1, the 1."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if task.model.loss is not None:
            raise RecipeError(
                f"model.loss: tabular.classifier always minimises the cross entropy, got {task.model.loss}. Remove the key, "
                "or take the recipe tabular.regressor."
            )
        self._classes = classes_of(task.schema, task.label)
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

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Answers the probability of the second class [batch, 1], or of each class [batch, classes]."""
        binary = self.kind == "binary"
        network = self._network(hp, 1 if binary else len(self._classes))
        optimizer = network.optimizer(self.task.learning_rate)
        activation = keras.layers.Activation("sigmoid" if binary else "softmax", name="probabilities")
        model = keras.Model(network.inputs, activation(network.logits), name="tabular_classifier")
        if binary:
            metrics = [
                keras.metrics.AUC(name="auc"),
                keras.metrics.AUC(curve="PR", name="aucpr"),
                keras.metrics.BinaryAccuracy(name="accuracy"),
            ]
            model.compile(optimizer, loss="binary_crossentropy", metrics=metrics)
        else:
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
            model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=metrics)
        return model

    def outputs(self, predictions: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities`, `label` and, of two classes, `score`."""
        import tensorflow as tf

        binary = self.kind == "binary"
        probabilities = tf.concat([1.0 - predictions, predictions], axis=1) if binary else predictions
        outputs = {
            "probabilities": probabilities,
            "label": tf.gather(tf.constant(self.class_names), tf.argmax(probabilities, axis=1)),
        }
        return outputs | {"score": predictions} if binary else outputs

    def _label(self, raw: Any) -> tf.Tensor:
        return class_ids(raw, self._classes)

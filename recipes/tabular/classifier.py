"""`tabular.classifier`: two classes or more, as the label's domain in the schema lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner

from recipes.classification import Classifier
from recipes.contract import RecipeError, Task
from recipes.tabular.recipe import TabularRecipe

if TYPE_CHECKING:
    import tensorflow as tf


class TabularClassifier(TabularRecipe, Classifier):
    """See `Classifier`."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if task.model.loss is not None:
            raise RecipeError(
                f"model.loss: tabular.classifier always minimises the cross entropy, got {task.model.loss}. Remove the key, "
                "or take the recipe tabular.regressor."
            )

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Answers the probability of the second class [batch, 1], or of each class [batch, classes]."""
        network = self._network(hp, self.num_outputs, self.bias_initializer())
        model = keras.Model(network.inputs, self.probabilities(network.logits), name="tabular_classifier")
        self.compile(model, network.optimizer(self.task.learning_rate))
        return model

    def _explained(self, model: keras.Model) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
        return self.logits(model)

    def _label(self, raw: Any) -> tf.Tensor:
        return self.label_ids(raw)

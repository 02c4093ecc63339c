"""What the tabular recipes share."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import keras_tuner
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import LABEL_KEY, Gradients, InputKind, Recipe, Task
from recipes.tabular.network import Network
from recipes.tabular.plan import make_plan

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


class TabularRecipe(Recipe):
    """Features from the schema, a network over them; subclasses know the label and the last layer.

    Raises: RecipeError where params and schema do not agree.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._plan = make_plan(task.schema, self.label, task.transform)

    @property
    def inputs(self) -> dict[str, InputKind]:
        """Every column that becomes a feature, in the order of the schema."""
        used = {number.column for number in self._plan.numbers} | {category.column for category in self._plan.categories}
        return {
            feature.name: "string" if feature.type == schema_pb2.BYTES else "number"
            for feature in self.task.schema.feature
            if feature.name in used
        }

    def preprocessing_fn(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """See `Recipe`."""
        # TensorFlow Transform takes 3 s to import, and training needs none of it.
        from recipes.tabular.features import make_features

        outputs = make_features(inputs, self._plan)
        if self.label in inputs:
            outputs[LABEL_KEY] = self._label(inputs[self.label])
        return outputs

    def explain(self, model: keras.Model) -> Gradients:
        """From the mean example: of numbers the mean, of categories the mean of their vectors."""
        from recipes.tabular.attribution import by_column, embedding_layers

        return Gradients(self._explained(model), None, partial(by_column, self._plan), embedding_layers(model))

    @abc.abstractmethod
    def _explained(self, model: keras.Model) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
        """See `Gradients.answer`."""

    @abc.abstractmethod
    def _label(self, raw: Any) -> tf.Tensor:
        """The raw label as [batch, 1]: class ids, or numbers."""

    def _network(
        self,
        hp: keras_tuner.HyperParameters,
        num_outputs: int,
        bias_initializer: keras.initializers.Initializer | str = "zeros",
    ) -> Network:
        return Network(
            self.feature_spec,
            self._plan.num_ids(self.transform_output),
            self.task.model,
            hp,
            num_outputs=num_outputs,
            seed=self.task.seed,
            bias_initializer=bias_initializer,
        )

"""What regressors of every field share: the label's type, what they are judged by, what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import Recipe, RecipeError, Task, TaskKind
from recipes.label import label_feature, quantities

if TYPE_CHECKING:
    import tensorflow as tf

    from recipes.raw import RawTensor


class Regressor(Recipe):
    """Predicts a quantity, in the label's units.

    Raises: RecipeError if the label is no number.
    """

    otherwise: ClassVar[str]
    """What to do where the label is a class, as the end of a message: `or take the recipe …`."""

    objective = "val_mae"
    objective_direction: Literal["min", "max"] = "min"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        feature = label_feature(task.schema, self.label)
        if feature.type not in (schema_pb2.FLOAT, schema_pb2.INT):
            raise RecipeError(
                f"data.label: the label '{self.label}' has the type {schema_pb2.FeatureType.Name(feature.type)}. A regression "
                f"needs FLOAT or INT. Cast the column (data.cast), {self.otherwise}."
            )

    @property
    def kind(self) -> TaskKind:
        """A quantity."""
        return "regression"

    @property
    def key_metric(self) -> str:
        """The mean absolute error, in the label's units."""
        return "mae"

    def outputs(self, predictions: tf.Tensor) -> dict[str, tf.Tensor]:
        """`prediction`, in the label's units."""
        return {"prediction": predictions}

    def _label(self, raw: RawTensor) -> tf.Tensor:
        return quantities(raw)

"""A forest as a Keras layer and model, for all that takes Keras models: KerasTuner, `.keras` files, SavedModels."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from recipes.forest.curves import class_order
from recipes.forest.growing import PREFIX, read_files

LAYER = "forest"


@keras.saving.register_keras_serializable(package="tensorline")
class ForestLayer(keras.layers.Layer):
    """{feature: [batch, 1]} → probabilities or a number, by a forest that grows outside of TensorFlow.

    The forest's files are assets: of the `.keras` file, and, through YDF's operation (`ydf_tf`), of a SavedModel. The layer
    has no gradient and one weight, `num_steps`: how many steps of boosting count. Whatever restores weights, as early stopping
    does, so restores a smaller forest; it is cut down to that when it stands.

    Attributes:
        trees: The YDF model; None until it has grown.
        loaded: The same as an object of TensorFlow; whoever exports a function that calls this layer must track it.
    """

    def __init__(self, columns: Mapping[str, str], classes: Sequence[str], settings: Mapping[str, Any], **kwargs: Any) -> None:
        """An empty place for a forest.

        Args:
            columns: Transformed feature → column of the forest.
            classes: Names by id; empty for a regression.
            settings: What `growing.grow` goes by.
            **kwargs: As every Keras layer takes them.
        """
        super().__init__(**kwargs)
        self.columns, self.classes, self.settings = dict(columns), list(classes), dict(settings)
        self.trees: Any = None
        self.loaded: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes the one weight."""
        self.num_steps = self.add_weight(name="num_steps", shape=(), dtype="int32", initializer="zeros", trainable=False)

    def plant(self, folder: Path) -> None:
        """Takes the forest that `growing.write_files` wrote into `folder`."""
        import ydf_tf

        # TensorFlow reads the files again whenever it saves the model: they stay as long as the layer.
        self._files = tempfile.TemporaryDirectory(prefix="forest-")
        home = Path(self._files.name) / LAYER
        shutil.copytree(folder, home)
        self.trees = read_files(home)
        self.loaded = ydf_tf.tf_op.ModelV2(str(home), verbose=False, file_prefix=PREFIX)
        # YDF's operation keeps the forest that it met first. Called eagerly, TensorFlow takes the same operation for every
        # forest with as many outputs, so that all answer as the first one; within a function each has its own.
        self._apply = tf.function(self.loaded.apply)
        self._home = home

    def call(self, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Numbers float32 (NaN where missing) and categories string ("" where missing), [batch, 1] each.

        Returns: float32: the second class' probability [batch, 1], that of each [batch, classes], or a number [batch, 1].

        Raises: ValueError if no forest has grown yet.
        """
        if self.trees is None:
            raise ValueError("the forest has not grown yet: fit the model, or load a fitted one.")
        answers = self._apply({name: features[feature] for feature, name in self.columns.items()}).dense_predictions
        if not self.classes:
            return answers
        all_classes = tf.gather(tf.pad(answers, [[0, 0], [0, 1]]), class_order(self.trees, self.classes), axis=1)
        return all_classes[:, 1:] if len(self.classes) == 2 else all_classes

    def compute_output_spec(self, features: Mapping[str, keras.KerasTensor]) -> keras.KerasTensor:
        """Told, since there is nothing to trace before the forest has grown."""
        batch = next(iter(features.values())).shape[0]
        return keras.KerasTensor((batch, len(self.classes) if len(self.classes) > 2 else 1), "float32")

    def save_assets(self, dir_path: str) -> None:
        """Writes the forest's files; none of a forest that has not grown."""
        if self.trees is not None:
            shutil.copytree(self._home, dir_path, dirs_exist_ok=True)

    def load_assets(self, dir_path: str) -> None:
        """Reads what `save_assets` wrote."""
        if (Path(dir_path) / f"{PREFIX}done").is_file():
            self.plant(Path(dir_path))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "columns": self.columns, "classes": self.classes, "settings": self.settings}


@keras.saving.register_keras_serializable(package="tensorline")
class ForestModel(keras.Model):
    """A functional model around one `ForestLayer`. It is never compiled: the recipe's `fit` has it grow."""

    def fit(
        self,
        x: tf.data.Dataset,
        *,
        steps: Sequence[Mapping[str, float]],
        epochs: int,
        initial_epoch: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> keras.callbacks.History:
        """Has the callbacks live through what a forest that has grown was after each step, as if it learned in epochs.

        The weight `num_steps` is what it is then. So a callback that stops ends it there, and one that restores the weights of
        an earlier step, as early stopping does, or those of a training that was killed, decides how much of the forest counts.

        Args:
            x: Not read: whoever stands around this method, as backups do, may count its passes.
            steps: Metrics after each of `epochs` steps.
            epochs: How many there are.
            initial_epoch: The first that is told, counted from 0.
            callbacks: As for Keras.
        """
        told = keras.callbacks.CallbackList(list(callbacks), add_history=True, model=self, epochs=epochs, verbose=0)
        self.stop_training = False
        told.on_train_begin()
        logs: dict[str, float] = {}
        for epoch in range(initial_epoch, epochs):
            told.on_epoch_begin(epoch)
            self.forest.num_steps.assign(epoch + 1)
            logs = dict(steps[epoch])
            told.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        told.on_train_end(logs)
        return self.history

    @property
    def forest(self) -> ForestLayer:
        """The layer."""
        return self.get_layer(LAYER)

    def count_params(self) -> int:
        """Nodes of all trees: each holds a condition, or a value."""
        trees = self.forest.trees
        return 0 if trees is None else int(trees.num_nodes())

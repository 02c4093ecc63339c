"""Applies a transform graph to serialized raw examples; what stage transform does once, or training each time it reads.

Where `transform.materialize` is false the artifact of transformed examples holds the raw ones, in files that say so by their
names: whoever reads them applies the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow_transform as tft

RAW_SUFFIX = ".raw.tfrecord"
"""How the names of files of raw examples end among transformed ones."""


def are_raw(files: Sequence[str]) -> bool:
    """Whether the files hold raw examples."""
    return any(Path(file).name.endswith(RAW_SUFFIX) for file in files)


def graph_function(output: tft.TFTransformOutput) -> Any:
    """Serialized raw tf.Examples (string, [batch]) → transformed features by name, as the preprocessing function made them."""
    import tensorflow as tf

    spec = output.raw_feature_spec()

    def apply(serialized: tf.Tensor) -> dict[str, Any]:
        transformed: dict[str, Any] = output.transform_raw_features(tf.io.parse_example(serialized, spec))
        return transformed

    # Nothing of it is Python that depends on values, and to look for that takes longer than to trace.
    return tf.function(apply, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)

"""Draws examples of rare classes more often: `train.oversample`.

After the TensorFlow tutorial "Classification on imbalanced data" (structured_data/imbalanced_data, "Oversampling"). There, as
here, each class is a data set of its own, shuffled and repeated, and the next example is drawn from one of them at random. To
draw an example w times as often does to the loss, on average, what a class weight of w does; but a batch then holds many
examples of the rare class, rather than a few heavy ones or none, so that the gradient is steadier.

An epoch has no natural end. It is as long as the tutorial has it (`resampled_steps_per_epoch`): as many examples as it takes,
on average, to see once each example of the class that is drawn least often. With two balanced classes that is twice the
frequent one. In the meantime those of the rare class come back many times, each pass in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

_BUFFER = 100_000
_BATCH_SIZE = 1024
"""So many labels are read, or classes drawn, at once."""


def oversampled(
    records: tf.data.Dataset, labels: Callable[[tf.Tensor], tf.Tensor], weights: Mapping[int, float], seed: int
) -> tuple[tf.data.Dataset, int]:
    """One epoch of records, drawn at random by their classes.

    Args:
        records: What stands for examples, in an order that never changes.
        labels: Finds the class ids [batch, 1] of a batch of records.
        weights: Class id → how often each of its examples is drawn, in proportion. A class without examples is left out.
        seed: Of the draws and the orders, which are others each epoch, and the same for the same seed.

    Returns: Records, and how many they are: an epoch, as the module has it.
    """
    least = min(weight for weight in weights.values() if weight)

    def of_class(each: int) -> tf.data.Dataset:
        def matching(batch: tf.Tensor) -> tf.Tensor:
            return tf.boolean_mask(batch, tf.equal(tf.reshape(labels(batch), [-1]), each))

        chosen = records.batch(_BATCH_SIZE).map(matching).unbatch()
        # What comes back within the epoch is kept, or all records would be read to find the few again; what comes once is not.
        return chosen.cache() if weights[each] > least else chosen

    classes = {each: of_class(each) for each, weight in weights.items() if weight}
    counts = {each: int(dataset.reduce(np.int64(0), lambda count, _: count + 1)) for each, dataset in classes.items()}
    present = [each for each in classes if counts[each]]
    drawn = [counts[each] * weights[each] for each in present]
    num_examples = math.ceil(sum(drawn) / min(weights[each] for each in present) - 1e-6)
    passes = [
        classes[each].shuffle(min(counts[each], _BUFFER), seed=seed + each, reshuffle_each_iteration=True).repeat()
        for each in present
    ]
    bounds = np.cumsum(drawn)[:-1] / sum(drawn)

    def choose(random: tf.Tensor) -> tf.Tensor:
        fractions = tf.cast(tf.bitwise.bitwise_and(random, 2**31 - 1), tf.float64) / 2.0**31
        return tf.searchsorted(tf.constant(bounds, tf.float64), fractions, side="right", out_type=tf.int64)

    # What `sample_from_datasets` does, which draws one by one, and takes ten times as long as all the rest of the pipeline.
    choices = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(_BATCH_SIZE).map(choose).unbatch()
    return tf.data.Dataset.choose_from_datasets(passes, choices).take(num_examples), num_examples

"""The signature `explain_examples`: what each answer owes to which raw column, computed in the graph of the SavedModel.

Of networks by integrated gradients (Sundararajan, Taly & Yan 2017, arXiv:1703.01365; the tutorial "Integrated gradients"): the
gradient of the answer, averaged on the straight way from a baseline to the example, times how far the example is from it. What
the columns get adds up to the answer less that of the baseline, as far as the sum over points comes to the integral.
The caller says at which points, so that one who wants to be nearer takes more. Of forests the signature gives what the trees
see, and whoever explains takes YDF's SHAP values of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

SIGNATURE = "explain_examples"
MAX_BASELINE_EXAMPLES = 16_384
"""The mean example is that of so many of the eval split at most."""
_EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")
Parse: TypeAlias = Callable[[tf.Tensor], dict[str, Any]]
Transform: TypeAlias = Callable[[Mapping[str, Any]], dict[str, tf.Tensor]]


def explanation(
    parse: Parse, transform: Transform, model: keras.Model, recipe: Any, examples: tf.data.Dataset
) -> tuple[dict[str, Any], Any]:
    """How a model is explained.

    Args:
        parse: Serialized tf.Examples → raw features.
        transform: Raw features → transformed ones.
        model: The trained model.
        recipe: Of the model.
        examples: The eval split, as `fit` takes it.

    Returns: What model.json says under `explain`, and the function of the signature; None where there is none.
    """
    told = recipe.explain(model)
    if isinstance(told, str):
        return {"method": None, "why": told}, None
    if hasattr(told, "prefix"):
        return _of_trees(parse, transform, told)
    try:
        return _of_network(parse, transform, model, told, examples)
    except (LookupError, _UnmovedError) as error:  # an operation of a SavedModel within the model may have no gradient
        return {"method": None, "why": f"the network can't be differentiated: {str(error).splitlines()[0]}."}, None


class _UnmovedError(ValueError):
    """No gradient reaches what the network sees."""


def _of_trees(parse: Parse, transform: Transform, told: Any) -> tuple[dict[str, Any], Any]:
    names = {f"input_{index}": feature for index, feature in enumerate(told.features)}

    @tf.function(input_signature=[_EXAMPLES])
    def explain_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = transform(parse(examples))
        return {name: features[feature] for name, feature in names.items()}

    columns = {name: told.features[feature] for name, feature in names.items()}
    outputs = [int(place) for place in told.outputs]
    content = {"method": "shap", "form": "table", "columns": columns, "prefix": told.prefix}
    return content | {"outputs": outputs, "sign": told.sign}, explain_examples


def _of_network(
    parse: Parse, transform: Transform, model: keras.Model, told: Any, examples: tf.data.Dataset
) -> tuple[dict[str, Any], Any]:
    gradients = _IntegratedGradients(model, told, examples)
    columns: dict[str, str] = {}
    points = tf.TensorSpec([None], tf.float32, name="points")
    weights = tf.TensorSpec([None], tf.float32, name="weights")

    @tf.function(input_signature=[_EXAMPLES, points, weights], autograph=False)  # which would disguise the errors
    def explain_examples(examples: tf.Tensor, points: tf.Tensor, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = parse(examples)
        features = transform(raw)
        found = gradients(features, points, weights)
        attributions = told.columns(found.pop("attributions"))
        columns.update({f"attribution_{index}": name for index, name in enumerate(attributions)})
        answers = {name: attributions[column] for name, column in columns.items()}
        return found | answers | (told.shown(raw, features) if told.shown is not None else {})

    explain_examples.get_concrete_function()
    content = {"method": "integrated_gradients", "form": told.form, "columns": dict(columns)}
    return content | ({"joined": told.joined} if told.form == "text" else {}), explain_examples


class _IntegratedGradients:
    """Along the way the inputs that are numbers move, and in place of ids the vectors that embeddings make of them.

    Args:
        model: The trained model.
        told: The recipe's `Gradients`.
        examples: The eval split, of which the baseline is the mean if the recipe names none.
    """

    def __init__(self, model: keras.Model, told: Any, examples: tf.data.Dataset) -> None:
        self._answer = told.answer
        self._numbers = [each.name for each in model.inputs if tf.as_dtype(each.dtype).is_floating]
        self._embeddings = {
            name: (feature, model.get_layer(name)) for feature, layers in told.embeddings.items() for name in layers
        }
        self._baseline = self._mean(examples) if told.baseline is None else None
        self._constant = told.baseline

    def __call__(self, features: dict[str, tf.Tensor], points: tf.Tensor, weights: tf.Tensor) -> dict[str, Any]:
        """Integrates.

        Args:
            features: Transformed, [batch, …] each.
            points: On the way, 0 being the baseline and 1 the example; float32 [points].
            weights: Of the points in the integral, float32 [points].

        Returns: `value` and `baseline`, the answers to the example and the baseline, float32 [batch]; `output`, which of
            several outputs is explained, the greatest, int64 [batch]; `attributions`, transformed feature → float32 of its
            shape.
        """
        ends = self._seen(features)
        starts = {name: self._start(name, end) for name, end in ends.items()}
        answer = tf.function(self._with, reduce_retracing=True)  # traced once, for all three that call it
        outputs = answer(ends, features)
        output = tf.argmax(outputs, axis=1)
        chosen = tf.one_hot(output, tf.shape(outputs)[1], dtype=tf.float32)
        ways = {name: tf.cast(end, tf.float32) - starts[name] for name, end in ends.items()}

        def at(point: tf.Tensor) -> dict[str, tf.Tensor]:
            found = {name: tf.cast(starts[name] + point * way, ends[name].dtype) for name, way in ways.items()}
            return {name: tf.ensure_shape(tensor, ends[name].shape) for name, tensor in found.items()}

        def value(seen: dict[str, tf.Tensor]) -> tf.Tensor:
            return _chosen(answer(seen, features), chosen)

        def step(index: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
            seen = at(points[index])
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(seen)
                height = value(seen)
            slopes = tape.gradient(height, seen)
            if all(slope is None for slope in slopes.values()):
                raise _UnmovedError("nothing that it sees moves its answer")
            moved = (0.0 if slopes[name] is None else tf.cast(slopes[name], tf.float32) for name in ways)
            return (index + 1, *(total + weights[index] * slope for total, slope in zip(sums, moved, strict=True)))

        zeros = [tf.zeros_like(way) for way in ways.values()]
        _, *sums = tf.while_loop(lambda index, *_: index < tf.size(points), step, [tf.constant(0), *zeros])
        products = {name: mean * way for (name, way), mean in zip(ways.items(), sums, strict=True)}
        attributions = {name: products[name] for name in self._numbers}
        for name, (feature, _) in self._embeddings.items():
            of_ids = tf.reduce_sum(products[name], axis=-1)
            attributions[feature] = attributions[feature] + of_ids if feature in attributions else of_ids
        return {
            "value": _chosen(outputs, chosen),
            "baseline": value(at(tf.constant(0.0))),
            "output": output,
            "attributions": attributions,
        }

    def _seen(self, features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Input of numbers, or layer → what the network sees of the examples there."""
        vectors = {name: layer(features[feature]) for name, (feature, layer) in self._embeddings.items()}
        return {name: features[name] for name in self._numbers} | vectors

    def _start(self, name: str, end: tf.Tensor) -> tf.Tensor:
        """The baseline as float32 of the shape of `end`."""
        if self._baseline is None:
            return tf.fill(tf.shape(end), tf.constant(self._constant, tf.float32))
        return tf.broadcast_to(tf.constant(self._baseline[name]), tf.shape(end))

    def _mean(self, examples: tf.data.Dataset) -> dict[str, np.ndarray]:
        sums: dict[str, np.ndarray] = {}
        count = 0
        for batch in examples:
            features = batch[0] if isinstance(batch, tuple) else batch
            for name, seen in self._seen(features).items():
                values = np.asarray(seen, np.float64)
                sums[name] = sums.get(name, 0.0) + values.sum(axis=0, keepdims=True)
                size = len(values)
            count += size
            if count >= MAX_BASELINE_EXAMPLES:
                break
        return {name: (total / count).astype(np.float32) for name, total in sums.items()}

    def _with(self, seen: Mapping[str, tf.Tensor], features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The answer to other numbers, and other vectors of the same ids, whose masks stay."""
        with contextlib.ExitStack() as stack:
            for name, (_, layer) in self._embeddings.items():
                stack.enter_context(_answering(layer, seen[name]))
            return self._answer({**features, **{name: seen[name] for name in self._numbers}})


def _chosen(outputs: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """[batch]: the one output; of the logits of several classes the log-odds of the chosen one against all others."""
    if outputs.shape[1] == 1:
        return outputs[:, 0]
    others = tf.reduce_logsumexp(tf.where(chosen > 0.0, outputs.dtype.min, outputs), axis=1)
    return tf.reduce_sum(outputs * chosen, axis=1) - others


@contextlib.contextmanager
def _answering(layer: keras.layers.Layer, vectors: tf.Tensor) -> Iterator[None]:
    """The layer gives these, whatever ids it is given; not set as an attribute, for Keras tracks those."""
    layer.__dict__["call"] = lambda ids: vectors
    try:
        yield
    finally:
        del layer.__dict__["call"]

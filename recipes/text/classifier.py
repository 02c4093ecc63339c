"""`text.classifier`: two classes or more, as the label's domain in the schema lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import numpy as np

from recipes.classification import Classifier
from recipes.contract import LABEL_KEY, Gradients, InputKind, RecipeError, Task
from recipes.text.column import text_column
from recipes.text.description import write_projector
from recipes.text.network import EMBEDDING, Network
from recipes.text.params import Characters, Encoder, ModelParams, RawText, TransformParams, UnicodeScript, WordPiece, Words
from recipes.text.vectors import read_vectors
from recipes.text.vocabulary import OTHER, PADDING, SUBWORD_MARK, token_names

if TYPE_CHECKING:
    import tensorflow as tf

    from recipes.raw import RawTensor

TOKENS_KEY, TEXT_KEY = "tokens", "text"
"""Name of the transformed feature: ids of tokens, or the text itself."""
COVERAGE_FILE = "coverage.json"


class TextClassifier(Classifier):
    """One text, one label.

    Raises: RecipeError where params and schema do not agree.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._params: ModelParams = task.model
        self._transform: TransformParams = task.transform
        self._column = text_column(task.schema, self._transform.text, self.label)
        self._coverage: dict[str, Any] | None = None
        self.objective = "val_accuracy"
        self.objective_direction = "max"
        self._check_network()

    def _check_network(self) -> None:
        tokenizer, network = self._transform.tokenizer, self._params.network
        if isinstance(tokenizer, RawText) != isinstance(network, Encoder):
            raise RecipeError(
                f"model.network.kind: {network.kind} does not fit transform.tokenizer.kind {tokenizer.kind}. Of the two, "
                "encoder and none go together: take both, or neither."
            )
        if network.kind in ("lstm", "gru", "transformer"):
            added = [key for key, value in (("ngrams", 1), ("subwords", None)) if getattr(tokenizer, key, value) != value]
            if added:
                raise RecipeError(
                    f"model.network.kind: {network.kind} reads tokens in their order, and transform.tokenizer appends "
                    f"{' and '.join(added)}. Set transform.tokenizer.ngrams to 1 and subwords to null, or take mean_embedding."
                )

    @property
    def key_metric(self) -> str:
        """Accuracy, as text classification is commonly reported."""
        return "accuracy"

    @property
    def inputs(self) -> dict[str, InputKind]:
        """The column of the text."""
        return {self._column: "text"}

    @property
    def libraries(self) -> list[str]:
        """TensorFlow Text, where the tokenizer or the encoder has its ops."""
        tokenizer, network = self._transform.tokenizer, self._params.network
        if isinstance(tokenizer, RawText):
            needed = isinstance(network, Encoder) and network.tensorflow_text
        else:
            in_library = isinstance(tokenizer, UnicodeScript | WordPiece)
            needed = in_library or tokenizer.normalize is not None or tokenizer.case == "fold"
        return ["tensorflow_text"] if needed else []

    def preprocessing_fn(self, inputs: Mapping[str, RawTensor]) -> dict[str, Any]:
        """See `Recipe`: `tokens`, int64 sparse [batch, None], or `text`, string [batch, 1]."""
        # TensorFlow Transform takes 3 s to import, and training needs none of it.
        from recipes.text.tokens import make_text, make_tokens

        tokenizer, raw = self._transform.tokenizer, inputs[self._column]
        outputs: dict[str, Any] = (
            {TEXT_KEY: make_text(raw)} if isinstance(tokenizer, RawText) else {TOKENS_KEY: make_tokens(raw, tokenizer)}
        )
        if self.label in inputs:
            outputs[LABEL_KEY] = self.label_ids(inputs[self.label])
        return outputs

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Answers the probability of the second class [batch, 1], or of each class [batch, classes]."""
        network = Network(self._params, hp, seed=self.task.seed, bias_initializer=self.bias_initializer())
        tokenizer, kind = self._transform.tokenizer, self._params.network
        if isinstance(kind, Encoder):
            feature = keras.Input(shape=(1,), dtype="string", name=TEXT_KEY)
            logits, table = network.over_texts(feature, kind, self.num_outputs), None
        else:
            assert not isinstance(tokenizer, RawText)  # noqa: S101  checked in __init__
            names = token_names(self.transform_output, tokenizer)
            table = self._trained_vectors(names)
            feature = keras.Input(shape=(None,), dtype="int64", name=TOKENS_KEY)
            dim = None if table is None else table.shape[1]
            logits = network.over_tokens(feature, len(names), tokenizer.max_tokens, self.num_outputs, dim)
        model = keras.Model({feature.name: feature}, self.probabilities(logits), name="text_classifier")
        if table is not None:
            layer = model.get_layer(EMBEDDING)
            missing = np.isnan(table).any(axis=1)
            # What the file does not have starts as embeddings do, or, if nothing can be learned, says nothing.
            start = layer.get_weights()[0] if layer.trainable else np.zeros_like(table)
            layer.set_weights([np.where(missing[:, np.newaxis], start, table)])
        self.compile(model, network.optimizer(self.task.learning_rate))
        return model

    def explain(self, model: keras.Model) -> Gradients | str:
        """From a text of as many tokens that mean nothing: vectors of zeros."""
        tokenizer = self._transform.tokenizer
        if isinstance(tokenizer, RawText):
            return "an encoder reads whole texts, and tells nothing of their words."
        names = token_names(self.transform_output, tokenizer)

        def shown(raw: dict[str, Any], features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            from recipes.text.tokens import named_tokens, words_of

            words = words_of(raw[self._column], tokenizer).to_tensor("")
            return {"words": words, "tokens": named_tokens(features[TOKENS_KEY], names)}

        return Gradients(
            self.logits(model),
            0.0,
            lambda attributions: {self._column: attributions[TOKENS_KEY]},
            {TOKENS_KEY: [EMBEDDING]},
            form="text",
            shown=shown,
            joined=None if isinstance(tokenizer, WordPiece) else "" if isinstance(tokenizer, Characters) else " ",
        )

    def describe(self, model: keras.Model, folder: Path, examples: tf.data.Dataset) -> None:
        """Writes projector/ (see `write_projector`) without subwords, and how many words model.embeddings has, if given."""
        tokenizer = self._transform.tokenizer
        if isinstance(tokenizer, RawText):
            return
        names = token_names(self.transform_output, tokenizer)
        rows = np.array([row for row in range(1, len(names)) if not self._is_subword(names[row])])
        vectors = np.asarray(model.get_layer(EMBEDDING).get_weights()[0])
        write_projector(folder, [names[row] for row in rows], vectors[rows])
        if self._coverage is not None:
            (folder / COVERAGE_FILE).write_text(json.dumps(self._coverage, indent=1) + "\n", encoding="utf-8")

    def _is_subword(self, token: str) -> bool:
        tokenizer = self._transform.tokenizer
        has_subwords = isinstance(tokenizer, Words | UnicodeScript) and tokenizer.subwords is not None
        return has_subwords and token.startswith(SUBWORD_MARK)

    def _trained_vectors(self, names: list[str]) -> np.ndarray | None:
        """Float32 [ids, n] with the vectors of model.embeddings, NaN where the file has none; None where none are given."""
        embeddings, tokenizer = self._params.embeddings, self._transform.tokenizer
        if embeddings is None:
            return None
        joint = "" if isinstance(tokenizer, Characters | WordPiece) else " "
        special = [name for name in names if name == PADDING or name.startswith(OTHER)]
        words = [name for name in names[len(special) :] if not self._is_subword(name) and (not joint or joint not in name)]
        found, dim = read_vectors(Path(embeddings.path), words)
        if not found:
            raise RecipeError(
                f"model.embeddings.path: {embeddings.path} has none of the {len(words)} words of the vocabulary "
                f"({', '.join(words[:5])}, …). Check the language and the case (transform.tokenizer.case)."
            )
        self._coverage = {"path": embeddings.path, "num_words": len(words), "num_found": len(found)}
        table = np.full((len(names), dim), np.nan, np.float32)
        for row, name in enumerate(names):
            if name in found:
                table[row] = found[name]
        return table

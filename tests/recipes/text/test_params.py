"""Sections `transform` and `model`: what they hold, and where they say a mistake is."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from recipes.text.params import ModelParams, TransformParams

MISTAKES: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (TransformParams, {"txt": "review"}, "txt: Extra inputs are not permitted"),
    (TransformParams, {"text": ""}, "text: String should have at least 1 character"),
    (
        TransformParams,
        {"tokenizer": {"kind": "bpe"}},
        "tokenizer: Input tag 'bpe' found using 'kind' does not match any of the expected tags: 'words', 'unicode_script', "
        "'characters', 'wordpiece', 'none'",
    ),
    (
        TransformParams,
        {"tokenizer": {"kind": "words", "ngrams": 6}},
        "tokenizer.words.ngrams: Input should be less than or equal to 5",
    ),
    (
        TransformParams,
        {"tokenizer": {"kind": "words", "subwords": {"min_chars": 5, "max_chars": 3}}},
        "tokenizer.words.subwords: Value error, min_chars must not exceed max_chars, got 5 and 3",
    ),
    (
        TransformParams,
        {"tokenizer": {"kind": "words", "vocabulary": {"num_oov_buckets": 0}}},
        "tokenizer.words.vocabulary.num_oov_buckets: Input should be greater than or equal to 1",
    ),
    (
        TransformParams,
        {"tokenizer": {"kind": "characters", "subwords": None}},
        "tokenizer.characters.subwords: Extra inputs are not permitted",
    ),
    (
        TransformParams,
        {"tokenizer": {"kind": "wordpiece", "vocab_size": 99}},
        "tokenizer.wordpiece.vocab_size: Input should be greater than or equal to 100",
    ),
    (TransformParams, {"tokenizer": {"kind": "none", "case": "lower"}}, "tokenizer.none.case: Extra inputs are not permitted"),
    (
        ModelParams,
        {"network": {"kind": "cnn"}},
        "network: Input tag 'cnn' found using 'kind' does not match any of the expected tags: 'mean_embedding', 'lstm', "
        "'gru', 'transformer', 'encoder'",
    ),
    (ModelParams, {"network": {"kind": "lstm", "heads": 2}}, "network.lstm.heads: Extra inputs are not permitted"),
    (ModelParams, {"network": {"kind": "encoder"}}, "network.encoder.path: Field required"),
    (ModelParams, {"token_dropout": 1.0}, "token_dropout: Input should be less than 1"),
    (
        ModelParams,
        {"embedding_dim": 8, "embeddings": {"path": "glove.txt"}},
        ": Value error, the vectors of model.embeddings have their own dimension; remove model.embedding_dim",
    ),
    (
        ModelParams,
        {"network": {"kind": "encoder", "path": "data/use"}, "embedding_dim": 8},
        ": Value error, an encoder takes whole texts and embeds no tokens; remove model.embedding_dim",
    ),
]


@pytest.mark.parametrize(("model", "raw", "message"), MISTAKES)
def test_a_mistake_is_located(model: type[BaseModel], raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(raw)
    assert [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in caught.value.errors()] == [message]


def test_params_cannot_change() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        ModelParams().dropout = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("model", "raw"),
    [
        (TransformParams, {}),
        (TransformParams, {"tokenizer": {"kind": "words", "subwords": None}}),
        (TransformParams, {"text": "review", "tokenizer": {"kind": "wordpiece", "normalize": "NFKC"}}),
        (TransformParams, {"tokenizer": {"kind": "none"}}),
        (ModelParams, {}),
        (ModelParams, {"network": {"kind": "gru", "layers": 2}, "embeddings": {"path": "glove.txt", "trainable": False}}),
        (ModelParams, {"network": {"kind": "encoder", "path": "data/use"}}),
    ],
)
def test_params_come_back_from_json(model: type[BaseModel], raw: dict[str, Any]) -> None:
    params = model.model_validate(raw)
    assert model.model_validate(params.model_dump(mode="json")) == params

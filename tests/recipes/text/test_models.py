"""Networks: every kind builds, trains, is saved and comes back; padding says nothing; keys are obeyed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from recipes import RECIPES
from recipes.contract import RecipeError
from recipes.text import RECIPE_CLASSES

KINDS: dict[str, dict[str, Any]] = {
    "mean_embedding": {"kind": "mean_embedding", "hidden_units": [8]},
    "lstm": {"kind": "lstm", "units": 4},
    "gru": {"kind": "gru", "units": 3, "layers": 2},
    "transformer": {"kind": "transformer", "heads": 2, "units": 8},
}
TOKENS = np.array([[2, 4, 7, 0], [3, 4, 0, 0], [2, 2, 5, 6], [0, 0, 0, 0]])
MOODS = np.array([[1], [0], [1], [0]])


def batches(tokens: np.ndarray = TOKENS, labels: np.ndarray = MOODS) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(({"tokens": tokens}, labels)).batch(4).repeat(8)


def train(recipe: Any) -> tuple[keras.Model, dict[str, list[float]]]:
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    hp = keras_tuner.HyperParameters()
    model = recipe.build(hp)
    return model, recipe.fit(hp, model, batches(), epochs=1, verbose=0, shuffle=False).history


def test_recipes_are_listed() -> None:
    assert set(RECIPE_CLASSES) == {name for name, package in RECIPES.items() if package == "recipes.text"}


def test_what_a_recipe_tells(make_recipe: Callable[..., Any]) -> None:
    told = {
        label: (recipe.kind, recipe.key_metric, recipe.class_names, recipe.objective, recipe.objective_direction)
        for label in ("mood", "stars")
        for recipe in [make_recipe(label=label)]
    }
    assert told == {
        "mood": ("binary", "accuracy", ["bad", "good"], "val_accuracy", "max"),
        "stars": ("multiclass", "accuracy", ["1", "2", "3"], "val_accuracy", "max"),
    }
    assert make_recipe().inputs == {"review": "text"}


@pytest.mark.parametrize(
    ("tokenizer", "needed"),
    [
        ({"kind": "words"}, []),
        ({"kind": "characters"}, []),
        ({"kind": "words", "case": "fold"}, ["tensorflow_text"]),
        ({"kind": "characters", "normalize": "NFC"}, ["tensorflow_text"]),
        ({"kind": "unicode_script"}, ["tensorflow_text"]),
        ({"kind": "wordpiece"}, ["tensorflow_text"]),
    ],
)
def test_libraries_are_those_that_the_graph_needs(
    tokenizer: dict[str, Any], needed: list[str], make_recipe: Callable[..., Any]
) -> None:
    assert make_recipe({"tokenizer": tokenizer}).libraries == needed


@pytest.mark.parametrize(
    ("transform", "model", "message"),
    [
        (
            {"tokenizer": {"kind": "none"}},
            {},
            "model.network.kind: mean_embedding does not fit transform.tokenizer.kind none. Of the two, encoder and none go "
            "together: take both, or neither.",
        ),
        (
            {},
            {"network": {"kind": "encoder", "path": "x"}},
            "model.network.kind: encoder does not fit transform.tokenizer.kind words. Of the two, encoder and none go "
            "together: take both, or neither.",
        ),
        (
            {},
            {"network": {"kind": "lstm"}},
            "model.network.kind: lstm reads tokens in their order, and transform.tokenizer appends ngrams and subwords. Set "
            "transform.tokenizer.ngrams to 1 and subwords to null, or take mean_embedding.",
        ),
    ],
)
def test_sections_that_do_not_agree(
    transform: dict[str, Any], model: dict[str, Any], message: str, make_recipe: Callable[..., Any]
) -> None:
    with pytest.raises(RecipeError) as caught:
        make_recipe(transform, model)
    assert str(caught.value) == message


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_saved_and_comes_back(kind: str, make_buildable: Callable[..., Any], tmp_path: Path) -> None:
    recipe = make_buildable({"network": KINDS[kind], "embedding_dim": 6}, ordered=True)
    model, history = train(recipe)
    assert set(history) == {"loss", "auc", "aucpr", "accuracy"}

    def predict(tokens: np.ndarray, model: keras.Model = model) -> np.ndarray:
        return model({"tokens": tokens}, training=False).numpy()

    expected = predict(TOKENS)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(predict(np.pad(TOKENS, ((0, 0), (0, 5)))), expected, rtol=2e-6)
    np.testing.assert_allclose(predict(TOKENS[1:2, :2]), expected[1:2], rtol=2e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(TOKENS, loaded), expected)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(make_buildable: Callable[..., Any]) -> None:
    recipe = make_buildable({"embedding_dim": 6})
    first, again = train(recipe)[0].get_weights(), train(recipe)[0].get_weights()
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))


def test_order_matters_to_those_that_read_it(make_buildable: Callable[..., Any]) -> None:
    def depends(kind: str) -> bool:
        recipe = make_buildable({"network": KINDS[kind], "embedding_dim": 6}, ordered=True)
        model = recipe.build(keras_tuner.HyperParameters())
        one, other = model({"tokens": np.array([[2, 3, 4], [4, 3, 2]])}).numpy()
        return not np.allclose(one, other, rtol=1e-6)

    assert {kind: depends(kind) for kind in ("mean_embedding", "gru", "transformer")} == {
        "mean_embedding": False,
        "gru": True,
        "transformer": True,
    }


def test_the_mean_is_over_tokens_alone(make_buildable: Callable[..., Any]) -> None:
    recipe = make_buildable({"embedding_dim": 3})
    model = recipe.build(keras_tuner.HyperParameters())
    mean = keras.Model(model.inputs, model.get_layer("mean").output)
    table = model.get_layer("embedding").get_weights()[0]
    answer = mean({"tokens": TOKENS}).numpy()
    expected = [table[[2, 4, 7]].mean(axis=0), table[[3, 4]].mean(axis=0), table[[2, 2, 5, 6]].mean(axis=0), np.zeros(3)]
    np.testing.assert_allclose(answer, expected, rtol=1e-5)


@pytest.mark.parametrize("label", ["mood", "stars"])
def test_outputs(label: str, make_buildable: Callable[..., Any]) -> None:
    recipe = make_buildable(label=label)
    model = recipe.build(keras_tuner.HyperParameters())
    outputs = {name: value.numpy() for name, value in recipe.outputs(model({"tokens": TOKENS})).items()}
    num_classes = len(recipe.class_names)
    assert (outputs["probabilities"].dtype, outputs["probabilities"].shape) == (np.float32, (4, num_classes))
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1.0, rtol=1e-6)
    assert ("score" in outputs) == (label == "mood")


def test_defaults_of_the_search_space_are_the_params(make_buildable: Callable[..., Any]) -> None:
    def defaults(model: dict[str, Any], **task: Any) -> dict[str, Any]:
        hp = keras_tuner.HyperParameters()
        make_buildable(model, ordered=True, **task).build(hp)
        return dict(hp.values)

    common = {"embedding_dim": 16, "token_dropout": 0.5, "dropout": 0.3, "weight_decay": 0.0}
    assert defaults({}) == {**common, "learning_rate": 4e-3}
    given = {"embedding_dim": 12, "token_dropout": 0.1, "dropout": 0.15, "weight_decay": 0.003}
    network = {"kind": "lstm", "units": 5, "layers": 3}
    assert defaults({**given, "network": network}) == {**given, "units": 5, "num_layers": 3, "learning_rate": 3e-3}
    assert defaults({}, learning_rate=0.5) == common


def test_tuned_values_are_taken(make_buildable: Callable[..., Any]) -> None:
    hp = keras_tuner.HyperParameters()
    recipe = make_buildable({"network": {"kind": "gru"}}, ordered=True)
    recipe.build(hp)
    tuned = {"units": 16, "num_layers": 2, "embedding_dim": 8, "dropout": 0.5, "token_dropout": 0.7, "weight_decay": 1e-3}
    hp.values |= {**tuned, "learning_rate": 0.02}
    model = recipe.build(hp)
    assert [model.get_layer(f"gru_{layer}").forward_layer.units for layer in range(2)] == [16, 16]
    assert model.get_layer("embedding").output_dim == 8
    assert (model.get_layer("dropout").rate, model.get_layer("token_dropout").rate) == (0.5, 0.7)
    assert model.optimizer.weight_decay == 1e-3
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)


@pytest.mark.parametrize("trainable", [True, False])
def test_trained_vectors_are_where_the_words_are(trainable: bool, make_buildable: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("film 1 2 3\nunused 9 9 9\ngood 4 5 6\n")
    recipe = make_buildable({"embeddings": {"path": str(path), "trainable": trainable}})
    model, _ = train(recipe)
    started = recipe.build(keras_tuner.HyperParameters()).get_layer("embedding")
    table = started.get_weights()[0]
    np.testing.assert_array_equal(table[[2, 4]], [[4, 5, 6], [1, 2, 3]])
    rest = np.delete(table, [2, 4], axis=0)
    assert rest.any() == trainable
    assert np.abs(rest).max() <= 0.05
    moved = not np.array_equal(model.get_layer("embedding").get_weights()[0], table)
    assert (started.trainable, moved) == (trainable, trainable)
    recipe.describe(model, tmp_path, tf.data.Dataset.range(0))
    # Four words: neither subwords nor n-grams are looked for; the shared id of other words is no word of a file.
    expected = f'{{\n "path": "{path}",\n "num_words": 4,\n "num_found": 2\n}}\n'
    assert (tmp_path / "coverage.json").read_text() == expected


def test_vectors_of_other_words_are_refused(make_buildable: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("GOOD 1 2\n")
    recipe = make_buildable({"embeddings": {"path": str(path)}})
    with pytest.raises(RecipeError) as caught:
        recipe.build(keras_tuner.HyperParameters())
    assert str(caught.value) == (
        f"model.embeddings.path: {path} has none of the 4 words of the vocabulary (good, bad, film, the, …). Check the "
        "language and the case (transform.tokenizer.case)."
    )


def test_the_description_of_a_model(make_buildable: Callable[..., Any], tmp_path: Path) -> None:
    recipe = make_buildable({"embedding_dim": 2})
    model = recipe.build(keras_tuner.HyperParameters())
    table = [[0, 0], [1, 0], [3, 4], [4, 3], [0, -1], [9, 9], [0.123456789, 1], [0, 0]]
    model.get_layer("embedding").set_weights([np.array(table, np.float32)])
    recipe.describe(model, tmp_path, tf.data.Dataset.range(0))
    files = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    # Ids: 0 padding, 1 other words, then good, bad, film, a subword, "good film", and "the", which is zero.
    neighbours = [
        ("[UNK]", [("bad", "0.8000"), ("good", "0.6000"), ("good film", "0.1225"), ("film", "0.0000")]),
        ("good", [("bad", "0.9600"), ("good film", "0.8675"), ("[UNK]", "0.6000"), ("film", "-0.8000")]),
        ("bad", [("good", "0.9600"), ("[UNK]", "0.8000"), ("good film", "0.6935"), ("film", "-0.6000")]),
        ("film", [("[UNK]", "0.0000"), ("bad", "-0.6000"), ("good", "-0.8000"), ("good film", "-0.9925")]),
        ("good film", [("good", "0.8675"), ("bad", "0.6935"), ("[UNK]", "0.1225"), ("film", "-0.9925")]),
    ]
    lines = [f"{token}\t{other}\t{cosine}\n" for token, others in neighbours for other, cosine in others]
    assert files == {
        "vectors.tsv": "1\t0\n3\t4\n4\t3\n0\t-1\n0.123457\t1\n0\t0\n",
        "metadata.tsv": "[UNK]\ngood\nbad\nfilm\ngood film\nthe\n",
        "neighbours.tsv": "token\tneighbour\tcosine\n" + "".join(lines),
    }

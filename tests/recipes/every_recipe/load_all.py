"""Loads what train_all.py wrote, as whoever serves it later: `python -m tests.recipes.every_recipe.load_all ROOT FOLDER`.

Writes FOLDER/loaded.json: recipe → way → problem, or null where all agree.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.recipes.every_recipe.cases import CASES
from tests.recipes.every_recipe.train_all import raw_examples

TOLERANCE = 1e-5


def main(root: Path, folder: Path) -> None:
    os.chdir(root)
    found: dict[str, dict[str, str | None]] = {}
    for recipe, case in CASES.items():
        examples = raw_examples(root / "artifacts" / case.pipeline)
        ways = [way for way in ("default", "mirrored_2") if (folder / recipe / way).is_dir()]
        found[recipe] = {way: problem(folder / recipe / way, recipe, examples) for way in ways}
    (folder / "loaded.json").write_text(json.dumps(found), encoding="utf-8")


def problem(folder: Path, recipe: str, examples: list[bytes]) -> str | None:
    """What differs between the model that was trained and the files that were written, if anything."""
    import keras
    import numpy as np
    import tensorflow as tf

    from components.bridge.recipe import recipe_class
    from components.saved_model import load

    with np.load(folder / "expected.npz") as file:
        arrays = dict(file)
    expected = {name.removeprefix("output:"): value for name, value in arrays.items() if name.startswith("output:")}
    features = {name.removeprefix("feature:"): value for name, value in arrays.items() if name.startswith("feature:")}
    model = load(folder / "model")
    raw = model.signatures["serve_raw"]
    answers = {
        "serving_default": model.signatures["serving_default"](examples=tf.constant(examples)),
        "serve_raw": raw(**raw_columns(raw, examples)),
    }
    for name, answer in answers.items():
        if answer.keys() != expected.keys():
            return f"{name} answers {sorted(answer)}, expected {sorted(expected)}"
        for key, value in expected.items():
            if (difference := differs(answer[key].numpy(), value)) is not None:
                return f"{name}: {key}: {difference}"
    if (difference := explained(folder / "model", model, recipe, examples, expected)) is not None:
        return f"explanation: {difference}"
    recipe_class(recipe)  # registers the classes of its own
    loaded = keras.saving.load_model(folder / "model" / "keras" / "model.keras", safe_mode=True)
    made = loaded({name: tf.constant(value) for name, value in features.items()}, training=False)
    for index, value in enumerate(tf.nest.flatten(made)):
        if (difference := differs(value.numpy(), arrays[f"model:{index}"])) is not None:
            return f".keras: {difference}"
    return None


def explained(folder: Path, model: Any, recipe: str, examples: list[bytes], expected: dict[str, Any]) -> str | None:
    """What is wrong with how answers are explained: each must be that of the model, and come about as is told."""
    import numpy as np
    import pyarrow as pa

    from components.errors import UserError
    from components.evaluate.model_info import read_model_info
    from components.explain.explainer import Explainer
    from components.explain.quadrature import far

    info = read_model_info(folder)
    try:
        explainer = Explainer(folder, model, info)
    except UserError as error:
        return None if recipe == "image.vae" else str(error)
    found = explainer.explain(pa.array(examples, pa.binary()))
    value, baseline, gap = (np.asarray(found[f"explained_{name}"], np.float64) for name in ("value", "baseline", "gap"))
    if info.class_names:
        probability = expected["probabilities"].astype(np.float64)
        probability = probability[:, 1] if len(info.class_names) == 2 else probability.max(axis=1)
        answer = np.log(probability / (1.0 - probability))
    else:
        answer = expected["prediction"].reshape(len(examples), -1).mean(axis=1)
    if not np.allclose(value, answer, rtol=1e-3, atol=1e-3):
        return f"of {value[:3]}, expected {answer[:3]}"
    columns = [name for name in explainer.schema.names if name.startswith("attribution_")]
    if sorted(columns) != sorted(f"attribution_{name}" for name in info.inputs):
        return f"has {columns}, expected the columns {sorted(info.inputs)}"
    if explainer.how.form == "image":
        return None if all(each.as_py().startswith(b"\x89PNG") for each in found[columns[0]]) else "no pictures"
    sums, totals = np.zeros(len(examples)), np.zeros(len(examples))
    for name in columns:
        lists = found[name].to_pylist()
        if explainer.how.form == "text":
            lists = [[word["attribution"] for word in each] for each in lists]
        sums += [np.sum(each) for each in lists]
        totals += [np.abs(each).sum() for each in lists]
    if not np.allclose(sums + baseline + gap, value, rtol=1e-3, atol=1e-3):
        return f"adds up to {(sums + baseline + gap)[:3]}, expected {value[:3]}"
    return "is not near enough" if far(gap, value - baseline, totals).any() else None


def differs(found: Any, expected: Any) -> str | None:
    import numpy as np

    if found.dtype == object:
        return None if found.astype("S").tolist() == expected.tolist() else f"{found[:3]}, expected {expected[:3]}"
    if found.shape != expected.shape:
        return f"shape {found.shape}, expected {expected.shape}"
    distance = float(np.max(np.abs(found - expected), initial=0.0))
    return None if distance <= TOLERANCE * max(1.0, float(np.max(np.abs(expected)))) else f"differs by {distance}"


def raw_columns(signature: Any, examples: list[bytes]) -> dict[str, Any]:
    """The columns that `serve_raw` takes, from serialized examples: missing numbers are NaN, missing strings empty."""
    import numpy as np
    import tensorflow as tf

    columns = {}
    for name, spec in signature.structured_input_signature[1].items():
        width = spec.shape[1]
        rows = []
        for serialized in examples:
            feature = tf.train.Example.FromString(serialized).features.feature[name]
            values = [*feature.int64_list.value, *feature.float_list.value, *feature.bytes_list.value]
            missing = b"" if spec.dtype == tf.string else np.nan
            rows.append([*values, *[missing] * (width - len(values))])
        columns[name] = tf.constant(np.array(rows, object) if spec.dtype == tf.string else np.array(rows, float), spec.dtype)
    return columns


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

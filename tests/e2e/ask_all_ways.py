"""Asks one model in every way there is, and fails unless the answers agree: ask_all_ways.py ROOT PIPELINE [MODEL_URI].

Without MODEL_URI, which names a registered model, the model is packed as the registry would do it.
"""

import base64
import json
import os
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

root, pipeline = Path(sys.argv[1]), sys.argv[2]
os.chdir(root)
sys.path.insert(0, str(root))

import keras  # noqa: E402
import mlflow  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_transform as tft  # noqa: E402
import uvicorn  # noqa: E402
from mlflow.models import Model  # noqa: E402
from mlflow.pyfunc import scoring_server  # noqa: E402
from tensorflow_data_validation import load_schema_text  # noqa: E402

from components.bridge.job import Job  # noqa: E402
from components.bridge.recipe import create_recipe, recipe_class  # noqa: E402
from components.examples_table import read_serialized  # noqa: E402
from components.saved_model import load  # noqa: E402
from components.serve.answer import to_json  # noqa: E402
from components.serve.request import parse  # noqa: E402
from components.serve.served import Served  # noqa: E402
from components.tracking.packaging import pack  # noqa: E402
from components.train.datasets import densify  # noqa: E402

TOLERANCE = 1e-5
folder = root / "artifacts" / pipeline
info = json.loads((folder / "model" / "model.json").read_text())
scored = info["kind"] == "scored"
columns_of = [f"probability_{name}" for name in info["class_names"]]
examples = [record for batch in read_serialized(folder / "examples", "test") for record in batch]


def agree(probabilities: np.ndarray, labels: list[str], way: str) -> None:
    np.testing.assert_allclose(probabilities, expected, atol=TOLERANCE, err_msg=way)
    assert labels == expected_labels, way


def agree_on_table(table: pd.DataFrame, way: str) -> None:
    if scored:  # a value or an array a row
        agree(side_by_side({name: np.array(table[name].tolist()) for name in outputs_of}), [], way)
    else:
        agree(table[columns_of].to_numpy(), table["label"].tolist(), way)


def agree_on_outputs(outputs: dict[str, tf.Tensor], way: str) -> None:
    if scored:
        agree(side_by_side(outputs), [], way)
    else:
        agree(outputs["probabilities"].numpy(), [label.decode() for label in outputs["label"].numpy()], way)


def side_by_side(outputs: Mapping[str, Any]) -> np.ndarray:
    return np.concatenate([np.asarray(outputs[name]).reshape(len(examples), -1) for name in outputs_of], axis=1)


# 1. SavedModel, serialized examples: what the others are held against.
model = load(folder / "model")
served = model.signatures["serving_default"](examples=tf.constant(examples))
outputs_of = sorted(served)
expected = side_by_side(served) if scored else served["probabilities"].numpy()
expected_labels = [] if scored else [label.decode() for label in served["label"].numpy()]

# 2. SavedModel, raw columns.
rows = []
for serialized in examples:
    features = tf.train.Example.FromString(serialized).features.feature
    row = {}
    for name, kind in info["inputs"].items():
        values = [*features[name].int64_list.value, *features[name].float_list.value, *features[name].bytes_list.value]
        value = values if len(values) > 1 else values[0] if values else None
        row[name] = value.decode() if isinstance(value, bytes) and kind != "image" else value
    rows.append(row)
frame = pd.DataFrame(rows)
columns = {}
for name, spec in model.signatures["serve_raw"].structured_input_signature[1].items():
    if spec.dtype == tf.string:
        values = [value.encode() if isinstance(value, str) else value or b"" for value in frame[name]]
        columns[name] = tf.constant(np.array(values, object).reshape(-1, 1))
    else:
        numbers = np.array(frame[name].tolist(), float).reshape(-1, *spec.shape[1:])
        columns[name] = tf.constant(numbers, spec.dtype)
agree_on_outputs(model.signatures["serve_raw"](**columns), "serve_raw")

# 3. MLflow's pyfunc.
mlflow.set_tracking_uri(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
if len(sys.argv) > 3:
    uri = sys.argv[3]
else:
    uri = str(Path(tempfile.mkdtemp()) / "model")
    pack(folder / "model", Path(uri), Model(), frame.head(2))
pyfunc = mlflow.pyfunc.load_model(uri)
agree_on_table(pyfunc.predict(frame), "pyfunc")

# 4. HTTP, as `mlflow models serve` answers.
listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(scoring_server.init(pyfunc), log_level="error"))
threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
deadline = time.monotonic() + 60
while not server.started:
    assert time.monotonic() < deadline, "the server does not start"
    time.sleep(0.05)
asked = [
    [
        base64.b64encode(value).decode()
        if isinstance(value, bytes)
        else None
        if not isinstance(value, list) and pd.isna(value)
        else value
        for value in row
    ]
    for row in frame.astype(object).to_numpy().tolist()
]
request = urllib.request.Request(
    f"http://127.0.0.1:{listener.getsockname()[1]}/invocations",
    json.dumps({"dataframe_split": {"columns": list(frame), "data": asked}}).encode(),
    {"Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as response:  # noqa: S310  loopback
    answer = pd.DataFrame(json.load(response)["predictions"])
server.should_exit = True
agree_on_table(answer, "HTTP")

# 5. As `tensorline serve` answers.
job = Job.load(pipeline, root)
schema_file = folder / "schema" / "schema.pbtxt"
offered = Served(pipeline, "1", folder / "model", job.params.data, job.reviewed_schema or load_schema_text(str(schema_file)))
body = json.dumps(
    {
        "instances": [
            {
                name: {"b64": value} if info["inputs"][name] == "image" else value
                for name, value in zip(frame, row, strict=True)
            }
            for row in asked
        ]
    }
)
question = parse(body.encode(), offered.signatures, offered.contract)
outputs = question.signature.call_rows(question.arrays, question.num_rows, 1024)
predictions = json.loads(to_json(outputs, question.format, question.num_rows))["predictions"]
if scored:
    single = len(outputs_of) == 1  # whose name is left out
    agree(side_by_side({name: [each if single else each[name] for each in predictions] for name in outputs_of}), [], "serve")
else:
    agree(np.array([each["probabilities"] for each in predictions]), [each["label"] for each in predictions], "serve")

# 6. Keras, behind the transform graph.
transform = tft.TFTransformOutput(str(folder / "transform_graph"))
features = densify(transform.transform_raw_features(tf.io.parse_example(examples, transform.raw_feature_spec())))
recipe_class(info["recipe"])  # registers the layers of its own
keras_model = keras.saving.load_model(folder / "model" / "keras" / "model.keras", safe_mode=True)
if scored:
    # What is predicted is judged by the recipe, in the SavedModel: the evaluation has the scores alone.
    scores = model.signatures["score_examples"](examples=tf.constant(examples))
    written = pd.read_parquet(folder / "report" / "predictions.parquet")
    for name in scores:
        if name in written:
            np.testing.assert_allclose(written[name], scores[name].numpy(), atol=TOLERANCE, err_msg="batch")
    schema = load_schema_text(str(next((folder / "schema").iterdir())))
    recipe = create_recipe(Job.load(pipeline, root).recipe_config(), schema)
    spec = transform.transformed_feature_spec()
    recipe.set_features({name: value for name, value in spec.items() if name != "label"}, transform)
    output = keras_model({name: features[name] for name in recipe.feature_spec}, training=False)
    agree_on_outputs(recipe.outputs(output), "Keras")
    print("all agree")
    sys.exit()
output = np.asarray(keras_model({name: features[name] for name in keras_model.input}, training=False))
truth = model.signatures["transform_labels"](examples=tf.constant(examples))["label"].numpy()[:, 0]
if len(info["class_names"]) == 2:
    output = np.concatenate([1 - output[:, -1:], output[:, -1:]], axis=1)
np.testing.assert_allclose(output, expected, atol=TOLERANCE, err_msg="Keras")

# 7. In batches, as the evaluation predicted; and what it measured.
batch = pd.read_parquet(folder / "report" / "predictions.parquet")
scores = np.stack(batch["probabilities"]) if "probabilities" in batch else batch[["score"]].to_numpy()
agree(
    scores if "probabilities" in batch else np.concatenate([1 - scores, scores], axis=1), batch["prediction"].tolist(), "batch"
)
evaluation = json.loads((folder / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
metrics = evaluation["slices"][0]["metrics"]
accuracy = float(np.mean(expected.argmax(axis=1) == truth))
assert abs(metrics["accuracy"] - accuracy) < 1e-6, (accuracy, metrics)
print("all agree")

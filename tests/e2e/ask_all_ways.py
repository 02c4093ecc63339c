"""Asks one model in every way there is, and fails unless the answers agree: ask_all_ways.py ROOT."""

import os
import sys
from pathlib import Path

root = Path(sys.argv[1])
os.chdir(root)
sys.path.insert(0, str(root))

import keras  # noqa: E402
import mlflow  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_model_analysis as tfma  # noqa: E402
import tensorflow_transform as tft  # noqa: E402

from components.examples_table import read_serialized  # noqa: E402

TOLERANCE = 1e-5
folder = root / "artifacts" / "taxi"
examples = [record for batch in read_serialized(folder / "examples", "test") for record in batch]

model = tf.saved_model.load(str(folder / "model" / "Format-Serving"))
served = model.signatures["serving_default"](examples=tf.constant(examples))
scores = served["score"].numpy()[:, 0]
labels = model.signatures["transform_labels"](examples=tf.constant(examples))["label"].numpy()[:, 0]

signature = model.signatures["serve_raw"].structured_input_signature[1]
rows = []
for serialized in examples:
    features = tf.train.Example.FromString(serialized).features.feature
    row = {}
    for name in signature:
        values = [*features[name].int64_list.value, *features[name].float_list.value, *features[name].bytes_list.value]
        row[name] = (values[0].decode() if isinstance(values[0], bytes) else values[0]) if values else None
    rows.append(row)
frame = pd.DataFrame(rows)

columns = {}
for name, spec in signature.items():
    if spec.dtype == tf.string:
        columns[name] = tf.constant(frame[name].fillna("").to_numpy(str).reshape(-1, 1))
    else:
        columns[name] = tf.constant(pd.to_numeric(frame[name]).to_numpy(float).reshape(-1, 1), spec.dtype)
raw = model.signatures["serve_raw"](**columns)
np.testing.assert_allclose(raw["score"].numpy()[:, 0], scores, atol=TOLERANCE)
assert raw["label"].numpy().tolist() == served["label"].numpy().tolist()

mlflow.set_tracking_uri(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
answer = mlflow.pyfunc.load_model("models:/taxi@champion").predict(frame)
np.testing.assert_allclose(answer["score"].to_numpy(), scores, atol=TOLERANCE)
assert answer["label"].tolist() == [label.decode() for label in served["label"].numpy()]

transform = tft.TFTransformOutput(str(folder / "transform_graph"))
features = dict(transform.transform_raw_features(tf.io.parse_example(examples, transform.raw_feature_spec())))
features.pop("label")
keras_model = keras.saving.load_model(folder / "model" / "keras" / "model.keras", safe_mode=True)
output = np.asarray(keras_model(features, training=False))
by_keras = output[:, -1] if output.min() >= 0 and output.max() <= 1 else 1 / (1 + np.exp(-output[:, -1]))
np.testing.assert_allclose(by_keras, scores, atol=TOLERANCE)

result = tfma.load_eval_result(str(folder / "evaluation"))
metrics = {
    name: value["doubleValue"]
    for (key, found) in result.slicing_metrics
    if not key
    for name, value in found[""][""].items()
    if "doubleValue" in value
}
accuracy = float(np.mean((scores > 0.5) == labels))
named = {name.lower(): value for name, value in metrics.items()}
assert any("accuracy" in name and abs(value - accuracy) < 1e-6 for name, value in named.items()), (accuracy, named)
print("all agree")

"""Real data as Examples in TFX's layout, and a small real SavedModel of each kind, as the train stage would write it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[3]
WORDS = ["great", "good", "love", "best", "bad", "not", "worst", "waste", "excellent", "don"]
"""What the model of texts knows."""


@dataclasses.dataclass
class Case:
    """A pipeline's examples, schema and model on disk, and the frame that the test split was written from."""

    kind: str
    label: str
    features: list[str]
    class_names: list[str]
    test: pd.DataFrame
    examples: Path
    schema: Path
    model: Path
    weights: np.ndarray
    bias: np.ndarray

    def labels(self) -> np.ndarray:
        """What `transform_labels` should give, computed without TensorFlow."""
        values = self.test[self.label]
        if self.kind == "regression":
            return values.to_numpy(np.float64)
        return np.array([self.class_names.index(str(value)) for value in values])

    def logits(self) -> np.ndarray:
        return np.nan_to_num(self.test[self.features].to_numpy(np.float64)) @ self.weights + self.bias


def write_examples(folder: Path, frame: pd.DataFrame, split: str = "test", num_shards: int = 2) -> None:
    """Writes a frame as plain TFRecord shards; missing values become missing features."""
    import tensorflow as tf

    records = []
    for row in frame.to_dict("records"):
        example = tf.train.Example()
        for name, value in row.items():
            if pd.isna(value):
                continue
            feature = example.features.feature[name]
            if isinstance(value, (str, bytes)):
                feature.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
            elif isinstance(value, (int, np.integer)):
                feature.int64_list.value.append(int(value))
            else:
                feature.float_list.value.append(value)
        records.append(example.SerializeToString())
    target = folder / f"Split-{split}"
    target.mkdir(parents=True)
    for shard, part in enumerate(np.array_split(np.arange(len(records)), num_shards)):
        with tf.io.TFRecordWriter(str(target / f"data-{shard:05}-of-{num_shards:05}.tfrecord")) as writer:
            for index in part:
                writer.write(records[index])


def write_schema(folder: Path, frame: pd.DataFrame, domains: dict[str, str] | None = None) -> None:
    folder.mkdir(parents=True)
    lines = []
    for name, dtype in frame.dtypes.items():
        kind = {"i": "INT", "f": "FLOAT"}.get(dtype.kind, "BYTES")
        always = "presence { min_fraction: 1 } shape { dim { size: 1 } }"
        shape = always if frame[name].notna().all() else "value_count { min: 1 max: 1 }"
        domain = (domains or {}).get(str(name), "")
        lines.append(f'feature {{ name: "{name}" type: {kind} {shape} {domain} }}')
    (folder / "schema.pbtxt").write_text("\n".join(lines), encoding="utf-8")


def write_model(folder: Path, case: Case, key_metric: str, digest: str = "0" * 64, **description: Any) -> None:
    """Writes a linear model of floats (missing: 0), an image or a text that answers as the contract says."""
    import tensorflow as tf

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(case.weights.astype(np.float32))
            self.bias = tf.Variable(case.bias.astype(np.float32))
            self.classes = tf.Variable(case.class_names or [""])

        def numbers(self, examples: Any) -> Any:
            if case.features == ["image"]:  # the mean brightness of 7 x 7 squares
                parsed = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([], tf.string)})
                images = tf.map_fn(tf.io.decode_png, parsed["image"], fn_output_signature=tf.TensorSpec([28, 28, 1], tf.uint8))
                return tf.reshape(tf.nn.avg_pool2d(tf.cast(images, tf.float32), 4, 4, "VALID"), [-1, 49])
            if case.features == ["text"]:  # whether a word is there
                parsed = tf.io.parse_example(examples, {"text": tf.io.FixedLenFeature([], tf.string)})
                words = tf.strings.regex_replace(tf.strings.lower(parsed["text"]), "[^a-z]+", " ")
                found = [tf.strings.regex_full_match(words, f"(.* )?{word}( .*)?") for word in WORDS]
                return tf.cast(tf.stack(found, axis=1), tf.float32)
            spec = {name: tf.io.FixedLenFeature([], tf.float32, 0.0) for name in case.features}
            parsed = tf.io.parse_example(examples, spec)
            return tf.stack([parsed[name] for name in case.features], axis=1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples: Any) -> dict[str, Any]:
            logits = self.numbers(examples) @ self.weights + self.bias
            if case.kind == "regression":
                return {"prediction": logits}
            if case.kind == "binary":
                score = tf.sigmoid(logits)
                probabilities = tf.concat([1 - score, score], axis=1)
            else:
                probabilities = tf.nn.softmax(logits)
            answer = {"probabilities": probabilities, "label": tf.gather(self.classes, tf.argmax(probabilities, axis=1))}
            return {**answer, "score": probabilities[:, 1:]} if case.kind == "binary" else answer

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def transform_labels(self, examples: Any) -> dict[str, Any]:
            if case.kind == "regression":
                value = tf.io.parse_example(examples, {case.label: tf.io.FixedLenFeature([], tf.float32)})[case.label]
                return {"label": value[:, None]}
            if case.test[case.label].dtype.kind == "i":
                value = tf.io.parse_example(examples, {case.label: tf.io.FixedLenFeature([], tf.int64)})[case.label]
                value = tf.strings.as_string(value)
            else:
                value = tf.io.parse_example(examples, {case.label: tf.io.FixedLenFeature([], tf.string)})[case.label]
            matches = tf.cast(value[:, None] == self.classes[None, :], tf.int64)
            known = tf.reduce_max(matches, axis=1)
            return {"label": (tf.argmax(matches, axis=1) * known + known - 1)[:, None]}

    model = Model()
    signatures = {"serving_default": model.serve, "transform_labels": model.transform_labels}
    tf.saved_model.save(model, str(folder / "Format-Serving"), signatures=signatures)
    content = {
        "recipe": "tabular.classifier",
        "kind": case.kind,
        "key_metric": key_metric,
        "class_names": case.class_names,
        "label": case.label,
        "digest": digest,
        "num_parameters": case.weights.size + case.bias.size,
        **description,
    }
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


def make_case(
    folder: Path,
    frame: pd.DataFrame,
    kind: str,
    label: str,
    features: Sequence[str],
    class_names: Sequence[str],
    key_metric: str,
) -> Case:
    """Fits a linear model on even rows, keeps odd rows as the test split."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    train, test = frame[::2], frame[1::2].reset_index(drop=True)
    x = np.nan_to_num(train[list(features)].to_numpy(np.float64))
    scale = x.std(axis=0) + 1e-9
    if kind == "regression":
        fitted = LinearRegression().fit(x / scale, train[label])
    else:
        ids = [list(class_names).index(str(value)) for value in train[label]]
        fitted = LogisticRegression(max_iter=2000).fit(x / scale, ids)
    weights = np.atleast_2d(fitted.coef_).T / scale[:, None]
    case = Case(
        kind, label, list(features), list(class_names), test, folder / "examples", folder / "schema", folder / "model",
        weights, np.atleast_1d(fitted.intercept_),
    )  # fmt: skip
    write_examples(case.examples, test)
    write_schema(case.schema, frame)
    write_model(case.model, case, key_metric)
    return case


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Taxi trips: is the tip over a fifth of the fare?"""
    frame = pd.read_csv(ROOT / "data/taxi/trips.csv")[:3000]
    frame = frame[["trip_miles", "fare", "trip_start_hour", "payment_type", "company", "trip_seconds", "tips"]].copy()
    frame = frame.dropna(subset=["fare", "tips"]).reset_index(drop=True)
    frame["big_tipper"] = (frame["tips"] > 0.2 * frame["fare"]).astype(np.int64)
    frame["card"] = (frame["payment_type"] == "Credit Card").astype(np.float64)
    frame["fare"] = frame["fare"].astype(np.float64)
    features = ["trip_miles", "fare", "card"]
    return make_case(
        tmp_path_factory.mktemp("binary"), frame.drop(columns="tips"), "binary", "big_tipper", features, ["0", "1"], "auc"
    )


@pytest.fixture(scope="session")
def multiclass(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Penguins: which species? By two measures only, so that some are predicted wrongly."""
    frame = pd.read_csv(ROOT / "data/penguins/penguins.csv").sample(frac=1, random_state=1).reset_index(drop=True)
    frame["body_mass_g"] = frame["body_mass_g"].astype(np.float64)
    features, names = ["bill_length_mm", "body_mass_g"], ["Adelie", "Chinstrap", "Gentoo"]
    return make_case(tmp_path_factory.mktemp("multiclass"), frame, "multiclass", "species", features, names, "accuracy")


@pytest.fixture(scope="session")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Cars: miles per gallon."""
    frame = pd.read_csv(ROOT / "data/mpg/auto_mpg.csv").sample(frac=1, random_state=1).reset_index(drop=True)
    frame["horsepower"] = frame["horsepower"].astype(np.float64)
    features = ["displacement", "horsepower", "weight", "acceleration"]
    return make_case(tmp_path_factory.mktemp("regression"), frame, "regression", "mpg", features, [], "mae")


def make_image_case(folder: Path) -> Case:
    """Fashion articles as PNGs of 28 x 28: which of ten classes? Columns as ingest writes them; 60 a class to test."""
    import io
    import zipfile

    from PIL import Image
    from sklearn.linear_model import LogisticRegression

    rows, squares = [], []
    with zipfile.ZipFile(ROOT / "data/fashion/fashion_5k.zip") as archive:
        members = sorted(name for name in archive.namelist() if name.endswith(".png"))
        for name in members[::4]:
            encoded = archive.read(name)
            pixels = np.asarray(Image.open(io.BytesIO(encoded)), np.float64)
            squares.append(pixels.reshape(7, 4, 7, 4).mean(axis=(1, 3)).ravel())
            measured = {"image_width": 28, "image_brightness": pixels.mean() / 255, "image_copies": 0}
            rows.append({"image": encoded, **measured, "class": name.split("/")[0], "source": name})
    frame, x = pd.DataFrame(rows), np.stack(squares)
    names = sorted(frame["class"].unique())
    train = np.arange(len(frame)) % 2 == 0
    fitted = LogisticRegression(max_iter=100).fit(x[train] / 255, [names.index(each) for each in frame["class"][train]])
    test = frame[~train].reset_index(drop=True)
    case = Case(
        "multiclass", "class", ["image"], names, test, folder / "examples", folder / "schema", folder / "model",
        fitted.coef_.T / 255, fitted.intercept_,
    )  # fmt: skip
    write_examples(case.examples, test)
    write_schema(case.schema, frame, {"image": "image_domain {}"})
    write_model(case.model, case, "accuracy", inputs={"image": "image"})
    return case


def make_text_case(folder: Path) -> Case:
    """Sentences of reviews: positive or negative? By ten words."""
    from sklearn.linear_model import LogisticRegression

    frame = pd.read_csv(ROOT / "data/reviews/sentences.csv").sample(frac=1, random_state=1).reset_index(drop=True)[:1200]
    frame["text_num_words"] = frame["text"].str.split().str.len().astype(np.int64)
    words = frame["text"].str.lower().str.replace("[^a-z]+", " ", regex=True).str.split(" ")
    x = np.array([[word in each for word in WORDS] for each in words], np.float64)
    names = ["negative", "positive"]
    fitted = LogisticRegression().fit(x[::2], [names.index(each) for each in frame["sentiment"][::2]])
    test = frame[1::2].reset_index(drop=True)
    case = Case(
        "binary", "sentiment", ["text"], names, test, folder / "examples", folder / "schema", folder / "model",
        fitted.coef_.T, fitted.intercept_,
    )  # fmt: skip
    write_examples(case.examples, test)
    write_schema(case.schema, frame, {"text": "natural_language_domain {}"})
    write_model(case.model, case, "auc", inputs={"text": "text"}, libraries=["tensorflow_text"])
    return case


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """See `make_image_case`."""
    return make_image_case(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """See `make_text_case`."""
    return make_text_case(tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="session")
def run_component() -> Callable[..., dict[str, Path]]:
    """Runs a component's executor on plain folders, as the bridge does; returns the outputs' folders."""

    def run(component_class: type, folder: Path, inputs: dict[str, Path], **arguments: Any) -> dict[str, Path]:
        from tfx.dsl.components.base import base_beam_executor, base_executor
        from tfx.types import channel_utils, standard_artifacts

        from components.evaluate.report_component import ModelReport

        kinds = {
            "examples": standard_artifacts.Examples,
            "model": standard_artifacts.Model,
            "baseline_model": standard_artifacts.Model,
            "schema": standard_artifacts.Schema,
            "evaluation": standard_artifacts.ModelEvaluation,
            "blessing": standard_artifacts.ModelBlessing,
            "anomalies": standard_artifacts.ExampleAnomalies,
        }
        if component_class is ModelReport:
            (folder / "anomalies").mkdir(parents=True, exist_ok=True)
            (folder / "anomalies" / "anomalies.json").write_text("[]\n", encoding="utf-8")
            inputs = {"anomalies": folder / "anomalies", **inputs}
            if not arguments.pop("asks_canary", False):  # the models of this module have no serve_raw
                arguments["params"] = arguments["params"].model_copy(update={"canary": None})
        artifacts = {}
        for key, path in inputs.items():
            artifact = kinds[key]()
            artifact.uri = str(path)
            if key == "examples":
                artifact.split_names = json.dumps([each.name.removeprefix("Split-") for each in sorted(path.iterdir())])
            artifacts[key] = artifact
        component = component_class(
            **{key: channel_utils.as_channel([artifact]) for key, artifact in artifacts.items()}, **arguments
        )
        outputs = {}
        for key, channel in component.spec.outputs.items():
            outputs[key] = channel.type()
            outputs[key].uri = str(folder / key)
            Path(outputs[key].uri).mkdir(parents=True)
        executor_class = component.executor_spec.executor_class
        if issubclass(executor_class, base_beam_executor.BaseBeamExecutor):
            context = base_beam_executor.BaseBeamExecutor.Context(
                beam_pipeline_args=["--runner=DirectRunner", "--direct_running_mode=in_memory"],
                tmp_dir=str(folder / "tmp"),
                unique_id="1",
            )
        else:
            context = base_executor.BaseExecutor.Context(tmp_dir=str(folder / "tmp"), unique_id="1")
        executor_class(context).Do(
            {key: [artifact] for key, artifact in artifacts.items()},
            {key: [artifact] for key, artifact in outputs.items()},
            dict(component.spec.exec_properties),
        )
        return {key: Path(artifact.uri) for key, artifact in outputs.items()}

    return run


@pytest.fixture(scope="session")
def evaluate(run_component: Callable[..., dict[str, Path]]) -> Callable[..., SimpleNamespace]:
    """Runs Evaluator (or TFMA's) and ModelReport on a case; returns all folders, and the report's numbers."""

    def run(folder: Path, case: Case, params: Any, champion: Path | None = None, *, by_tfma: bool = False) -> SimpleNamespace:
        from components.evaluate.evaluator import Evaluator
        from components.evaluate.report_component import ModelReport
        from components.evaluate.tfma_evaluator import TfmaEvaluator

        inputs = {"examples": case.examples, "model": case.model, "schema": case.schema}
        if by_tfma:
            outputs = run_component(TfmaEvaluator, folder, inputs, params=params)
        else:
            outputs = run_component(Evaluator, folder, inputs, params=params, seed=7)
        inputs |= outputs | ({"baseline_model": champion} if champion else {})
        outputs |= run_component(ModelReport, folder, inputs, params=params, seed=7, model_name="a <b>model</b> & more")
        report = outputs["report"]
        return SimpleNamespace(
            **outputs,
            metrics=json.loads((report / "metrics.json").read_text(encoding="utf-8")),
            verdict=json.loads((report / "verdict.json").read_text(encoding="utf-8")),
        )

    return run


@pytest.fixture(scope="session", name="write_examples")
def _write_examples() -> Callable[..., None]:
    return write_examples


@pytest.fixture(scope="session", name="write_schema")
def _write_schema() -> Callable[..., None]:
    return write_schema


@pytest.fixture(scope="session", name="write_model")
def _write_model() -> Callable[..., None]:
    return write_model

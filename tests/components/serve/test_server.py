"""What a server answers, over HTTP."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from components.examples_table import read_serialized
from components.serve.openapi import example
from components.serve.served import Served
from components.tracking.pyfunc_model import RawModel

MODEL = "/v1/models/penguins"
STATUS = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}


def test_rows_are_answered_by_rows(server: Any, birds: SimpleNamespace) -> None:
    response = server.predict({"instances": birds.rows})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    predictions = response.json()["predictions"]
    assert [list(each) for each in predictions[:2]] == [["label", "probabilities"]] * 2
    assert [each["label"] for each in predictions] == [label.decode() for label in birds.labels]
    found = np.array([each["probabilities"] for each in predictions])
    np.testing.assert_allclose(found, birds.probabilities, atol=1e-6)


def test_columns_are_answered_by_columns(server: Any, birds: SimpleNamespace) -> None:
    columns = {name: [row[name] for row in birds.rows] for name in birds.rows[0]}
    for path in (f"{MODEL}:predict", f"{MODEL}/versions/1:predict", f"{MODEL}/labels/champion:predict"):
        outputs = server.predict({"inputs": columns}, path).json()["outputs"]
        assert sorted(outputs) == ["label", "probabilities"]
        assert outputs["label"] == [label.decode() for label in birds.labels]
        np.testing.assert_allclose(outputs["probabilities"], birds.probabilities, atol=1e-6)


def test_the_registered_model_answers_the_same(server: Any, birds: SimpleNamespace) -> None:
    pyfunc = RawModel()
    pyfunc.load_context(SimpleNamespace(artifacts={"model": str(birds.job.artifact("model"))}))
    table = pyfunc.predict(None, pd.DataFrame(birds.rows))
    predictions = server.predict({"instances": birds.rows}).json()["predictions"]
    assert [each["label"] for each in predictions] == table["label"].tolist()
    found = np.array([each["probabilities"] for each in predictions])
    np.testing.assert_allclose(found, table.drop(columns="label").to_numpy(), atol=1e-6)


def test_serialized_examples(server: Any, birds: SimpleNamespace, b64: Callable[[bytes], dict[str, str]]) -> None:
    examples = [bytes(each) for batch in read_serialized(birds.job.artifact("examples"), "test") for each in batch]
    by_rows = server.predict({"instances": [b64(each) for each in examples]}).json()["predictions"]
    evaluated = pd.read_parquet(birds.job.artifact("report") / "predictions.parquet")
    assert [each["label"] for each in by_rows] == evaluated["prediction"].tolist()
    body = {"signature_name": "serving_default", "inputs": {"examples": [b64(each) for each in examples]}}
    assert server.predict(body).json()["outputs"]["label"] == evaluated["prediction"].tolist()
    labels = server.predict({**body, "signature_name": "transform_labels"}).json()["outputs"]
    assert np.shape(labels) == (len(examples), 1)  # one output has no name
    refused = server.predict({"instances": [b64(examples[0]), b64(b"no example"), b64(examples[1])]})
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("instances[1]: the model refuses it: ")


def test_status_and_metadata(server: Any) -> None:
    for path in (MODEL, f"{MODEL}/versions/1", f"{MODEL}/labels/champion"):
        assert server.client.get(path).json() == {"model_version_status": [STATUS]}
    metadata = server.client.get(f"{MODEL}/metadata").json()
    assert metadata["model_spec"] == {"name": "penguins", "signature_name": "", "version": "1"}
    definitions = metadata["metadata"]["signature_def"]["signature_def"]
    assert sorted(definitions) == ["explain_examples", "serve_raw", "serving_default", "transform_labels"]
    assert definitions["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert definitions["serving_default"]["inputs"]["examples"] == {
        "name": "serving_default_examples:0",
        "dtype": "DT_STRING",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }
    assert definitions["serve_raw"]["inputs"]["island"]["tensor_shape"]["dim"][1] == {"size": "1", "name": ""}


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/models/penguin:predict", 404, "no model 'penguin' is served here. Did you mean 'penguins'?"),
        ("POST", f"{MODEL}/versions/2:predict", 404, "version 2 of 'penguins' is not served here. Version 1 is"),
        ("GET", f"{MODEL}/versions/x", 404, "version x of 'penguins' is not served here. Version 1 is"),
        ("GET", f"{MODEL}/labels/canary", 404, "no version of 'penguins' has the label 'canary' here. Expected champion"),
        ("GET", "/v1/model", 404, "no such path: /v1/model. Look at /docs"),
        ("GET", f"{MODEL}:predict", 405, f"GET is not what {MODEL}:predict takes"),
        ("POST", f"{MODEL}/metadata", 405, f"POST is not what {MODEL}/metadata takes"),
        ("POST", f"{MODEL}:predict", 400, "the body is no JSON: line 1, column 1: Expecting value"),
    ],
)
def test_mistakes(server: Any, method: str, path: str, status: int, message: str) -> None:
    response = server.client.request(method, path)
    assert (response.status_code, response.json()) == (status, {"error": message})


def test_health_metrics_and_pages(server: Any, served: Served) -> None:
    assert server.client.get("/health").json() == {"status": "ok", "model": "penguins", "version": "1"}
    before = server.metric('rows_total{version="1"}')
    server.predict({"instances": [{"island": "Atlantis"}] * 3})
    text = server.client.get("/metrics").text
    assert f'tensorline_serve_rows_total{{version="1"}} {before + 3.0}\n' in text
    assert 'tensorline_serve_model_version{model="penguins",version="1"} 1.0\n' in text
    assert 'tensorline_serve_anomalies_total{anomaly="domain",column="island"} ' in text
    described = server.client.get("/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    assert f"{MODEL}:predict" in described["paths"]
    row = described["components"]["schemas"]["Row"]
    assert row["required"] == ["island"]
    assert row["properties"]["island"] == {
        "type": ["string", "null"],
        "description": "The schema expects Biscoe, Dream, Torgersen.",
    }
    body = {"instances": [example(served)]}
    assert described["components"]["schemas"]["Request"]["example"] == body
    checker = Draft202012Validator({"$ref": "#/components/schemas/Request", "components": described["components"]})
    assert list(checker.iter_errors(body)) == []
    answer = server.predict(body)
    checker = Draft202012Validator({"$ref": "#/components/schemas/Answer", "components": described["components"]})
    assert list(checker.iter_errors(answer.json())) == []
    page = server.client.get("/docs").text
    assert "http" not in page.replace("https://", "http://").replace("http-equiv", "")  # asks no other site
    assert all(f"<code>{name}</code>" in page for name in served.contract.columns)


def test_many_at_once_are_each_answered_with_their_own(server: Any, birds: SimpleNamespace) -> None:
    def ask(number: int) -> list[float]:
        answer = server.predict({"instances": birds.rows[number : number + 2]})
        return [each["probabilities"] for each in answer.json()["predictions"]]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, range(0, 200, 2)))
    np.testing.assert_allclose(np.concatenate(found), birds.probabilities[:200], atol=1e-6)


def test_limits(served: Served, running: Any, versions_of: Any, birds: SimpleNamespace) -> None:
    body = {"instances": birds.rows[:2]}
    with running(versions_of(served), most_body_bytes=1000, rate=0.5, burst=3.0, reject_anomalies=True) as server:
        assert server.predict(body).status_code == 200
        large = server.predict({"instances": birds.rows})
        assert (large.status_code, large.json()) == (
            413,
            {"error": "the body has more than 1,000 bytes. Send fewer rows at a time"},
        )
        unexpected = server.predict({"instances": [{"island": "Atlantis"}]})
        assert (unexpected.status_code, unexpected.json()["error"]) == (
            400,
            "island: 1 value out of the schema's domain. Expected one of: Biscoe, Dream, Torgersen",
        )
        late = server.predict(body)
        assert (late.status_code, late.json(), late.headers["retry-after"]) == (429, {"error": "too many requests"}, "2")
        assert server.client.get("/health").status_code == 200  # only predictions are limited
        assert server.metric("rate_limited_total") == 1.0


def test_a_body_without_a_length_is_measured(served: Served, running: Any, versions_of: Any) -> None:
    with running(versions_of(served), most_body_bytes=1000) as server:
        response = server.client.post(f"{MODEL}:predict", content=(b" " * 400 for _ in range(5)))
        assert response.status_code == 413


def test_the_last_requests_are_answered_before_it_stops(
    served: Served, running: Any, versions_of: Any, birds: SimpleNamespace
) -> None:
    """A request of which half is sent when the server is told to stop."""
    body = json.dumps({"instances": birds.rows[:1]}).encode()
    head = f"POST {MODEL}:predict HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n"
    answers: list[bytes] = []
    with running(versions_of(served)) as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(head.encode() + body[:10])
        while server.metric("in_flight") < 1:
            pass

        def finish() -> None:
            connection.sendall(body[10:])
            while part := connection.recv(65536):
                answers.append(part)

        late = threading.Timer(0.5, finish)
        late.start()
    late.join()
    answer = b"".join(answers)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"][0]["label"] == birds.labels[0].decode()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


def test_a_fixed_version_has_no_label(served: Served, running: Any, versions_of: Any) -> None:
    with running(versions_of(served), fixed=True) as server:
        response = server.client.get(f"{MODEL}/labels/champion")
        assert response.json() == {
            "error": "no version of 'penguins' has the label 'champion' here. Version 1 was asked for by its number"
        }

from __future__ import annotations

import time

import pytest

from components.tracking.redaction import redact, redact_value

PRIVATE_KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\n+b3BlbnNzaC1rZXktdjEAAAAABG5v\n+bmUAAAAEbm9uZQ==\n+-----END RSA PRIVATE KEY-----"
)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("postgresql://ann:hunter2@db:5432/mlflow", "postgresql://***@db:5432/mlflow"),
        ("https://ghost@host/x and git@host:repo", "https://***@host/x and git@host:repo"),
        ("+password: correct horse, battery\n+user: ann", "+password: ***\n+user: ann"),
        ('- "api_key": "k-1", "user": "ann"', '- "api_key": ***'),
        ("+db:\n+  password: >-\n+    hunter2\n+  port: 1", "+db:\n+  password: >-\n+    ***\n+  port: 1"),
        ("connect(user='ann', password='a b', port=3)", "connect(user='ann', password=***, port=3)"),
        ("export AWS_SECRET_ACCESS_KEY=abc", "export AWS_SECRET_ACCESS_KEY=***"),
        ("https://host/x?user=ann&access_token=abc&page=2", "https://host/x?user=ann&access_token=***&page=2"),
        ("train --api-key abc --epochs 3", "train --api-key *** --epochs 3"),
        ("Authorization: Bearer abcdefghijk", "Authorization: Bearer ***"),
        ("id AKIAIOSFODNN7EXAMPLE.", "id ***."),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "***"),
        (f"+{PRIVATE_KEY}\n+next", "+***\n+next"),
        ("-----BEGIN RSA PRIVATE KEY-----\ncut off", "***"),
        # What a project about models and text writes every day stays readable.
        ("+max_tokens: 128\n+start_token: 2\n+oov_token: '[UNK]'", "+max_tokens: 128\n+start_token: 2\n+oov_token: '[UNK]'"),
        ("token_ids = tokenizer(text)", "token_ids = tokenizer(text)"),
        ("signature = model.signatures['serve_raw']", "signature = model.signatures['serve_raw']"),
        ("key_metric: auc\nsplit: {key: [id]}", "key_metric: auc\nsplit: {key: [id]}"),
        ("path: data/taxi/*.csv", "path: data/taxi/*.csv"),
    ],
)
def test_redact(text: str, redacted: str) -> None:
    assert redact(text) == redacted
    assert redact(redacted) == redacted


@pytest.mark.parametrize(
    ("key", "value", "redacted"),
    [
        ("store.password", "hunter2", "***"),
        ("beam.options.aws-secret-key", "x", "***"),
        ("model.start_token", "2", "2"),
        ("model.hf_token", "abc", "***"),
        ("data.path", "s3://key:secret@bucket/x.csv", "s3://***@bucket/x.csv"),
        ("train.epochs", "3", "3"),
    ],
)
def test_redact_value_goes_by_the_key(key: str, value: str, redacted: str) -> None:
    assert redact_value(key, value) == redacted


@pytest.mark.parametrize("text", ["a" * 200_000, "a_" * 100_000, " \n" * 100_000, "x-" * 50_000 + ": 1", "://" * 70_000])
def test_redact_takes_linear_time(text: str) -> None:
    start = time.perf_counter()
    assert redact(text) == text
    assert time.perf_counter() - start < 5

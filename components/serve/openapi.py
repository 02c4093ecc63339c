"""The OpenAPI description of what a served version takes and answers, and a page of it that needs no other site."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from components.serve.contract import Column, bounds
from components.serve.served import Served
from components.serve.signatures import RAW, Signature

_TYPES: dict[str, str] = {"integer": "integer", "number": "number", "string": "string"}
_ERRORS = {
    "400": "The request is wrong; the message says where.",
    "404": "There is no such model, version or label here.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "429": "Too many requests; Retry-After says when to ask again.",
    "503": "Too many rows wait for the model; Retry-After says when to ask again.",
}


def openapi(served: Served) -> dict[str, Any]:
    """The description, OpenAPI 3.1."""
    base = f"/v1/models/{served.name}"
    row = _row_schema(served)
    refused = {
        status: {"description": text, "content": _json({"$ref": "#/components/schemas/Error"})}
        for status, text in _ERRORS.items()
    }
    predict = {
        "summary": "Predict",
        "operationId": "predict",
        "requestBody": {"required": True, "content": _json({"$ref": "#/components/schemas/Request"})},
        "responses": {
            "200": {"description": "The answers.", "content": _json({"$ref": "#/components/schemas/Answer"})},
            **refused,
        },
    }
    number = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": served.name,
            "version": served.version,
            "description": f"Predicts {served.info.label or served.name}.",
        },
        "paths": {
            f"{base}:predict": {"post": predict},
            f"{base}/versions/{{version}}:predict": {
                "parameters": [number],
                "post": {**predict, "operationId": "predictOfVersion", "summary": "Predict with a version, if it is served"},
            },
            base: {"get": _get("status", "Which versions are served")},
            f"{base}/metadata": {"get": _get("metadata", "The signatures, as SignatureDefs")},
            "/health": {"get": _get("health", "Whether the server answers")},
            "/metrics": {
                "get": {
                    "summary": "Counters for Prometheus",
                    "operationId": "metrics",
                    "responses": {"200": {"description": "Text.", "content": {"text/plain": {}}}},
                }
            },
        },
        "components": {
            "schemas": {
                "Row": row,
                "Bytes": {
                    "type": "object",
                    "required": ["b64"],
                    "additionalProperties": False,
                    "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
                },
                "Request": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "signature_name": {"type": "string", "enum": sorted(served.signatures), "default": RAW},
                        "instances": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"$ref": "#/components/schemas/Row"},
                        },
                        "inputs": {"description": "Columns: a list of values each."},
                    },
                    "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
                    "example": {"instances": [example(served)]},
                },
                "Answer": {
                    "type": "object",
                    "properties": {
                        "predictions": {"type": "array", "items": {"type": "object", "properties": _outputs(served)}},
                        "outputs": {"type": "object", "properties": _outputs(served)},
                    },
                },
                "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
            }
        },
    }


def docs_page(served: Served) -> str:
    """HTML: what may be asked, with an example to try."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name("docs.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        name=served.name,
        version=served.version,
        label=served.info.label,
        columns=[_described(column) for column in served.contract.columns.values()],
        signatures=[
            {
                "name": name,
                "inputs": _inputs(signature, served),
                "outputs": ", ".join(sorted(served.metadata[name]["outputs"])),
            }
            for name, signature in sorted(served.signatures.items())
        ],
        example=json.dumps({"instances": [example(served)]}, indent=1),
        errors=sorted(_ERRORS.items()),
    )


def example(served: Served) -> dict[str, Any]:
    """A row that the schema allows: a middle number, the first of the listed strings."""
    return {name: _example(column) for name, column in served.contract.columns.items()}


def _example(column: Column) -> Any:
    if column.kind == "bytes":
        return {"b64": "…"}
    if column.kind == "string":
        return sorted(column.domain)[0].decode(errors="replace") if column.domain else "some text"
    if column.shape != (1,):
        value: Any = 0.0
        for size in reversed(column.shape):
            value = [value] * size
        return value
    least, most = column.least, column.most
    middle = 0.0 if math.inf in (-least, most) else (least + most) / 2
    middle = min(max(middle, least), most)
    return int(middle) if column.kind == "integer" else middle


def _described(column: Column) -> dict[str, str]:
    kind = {"bytes": 'image, as {"b64": "…"}'}.get(column.kind, column.kind)
    if column.shape != (1,):
        kind = f"list of {' × '.join(map(str, column.shape))} numbers"
    needed = (
        "never null" if not column.may_be_null or column.shape != (1,) else "required" if column.is_required else "optional"
    )
    return {"name": column.name, "kind": kind, "needed": needed, "expected": _expected(column)}


def _expected(column: Column) -> str:
    if column.domain is not None:
        return ", ".join(value.decode(errors="replace") for value in sorted(column.domain))
    return bounds(column) if column.least > -math.inf or column.most < math.inf else ""


def _inputs(signature: Signature, served: Served) -> str:
    if signature.inputs.keys() == served.contract.columns.keys():
        return "the columns above"
    return ", ".join(f"{name}: {tensor}" for name, tensor in signature.inputs.items())


def _row_schema(served: Served) -> dict[str, Any]:
    columns = served.contract.columns.values()
    required = [column.name for column in columns if column.is_required or not column.may_be_null or column.shape != (1,)]
    schema: dict[str, Any] = {"type": "object", "properties": {column.name: _column_schema(column) for column in columns}}
    return {**schema, "required": required} if required else schema


def _column_schema(column: Column) -> dict[str, Any]:
    if column.kind == "bytes":
        return {"$ref": "#/components/schemas/Bytes"}
    if column.shape != (1,):
        nested: dict[str, Any] = {"type": "number"}
        for size in reversed(column.shape):
            nested = {"type": "array", "items": nested, "minItems": size, "maxItems": size}
        return nested
    kind = _TYPES[column.kind]
    schema: dict[str, Any] = {"type": [kind, "null"] if column.may_be_null else kind}
    expected = _expected(column)
    return {**schema, "description": f"The schema expects {expected}."} if expected else schema


def _outputs(served: Served) -> dict[str, Any]:
    kinds = {"DT_STRING": "string", "DT_BOOL": "boolean", "DT_INT64": "integer", "DT_INT32": "integer"}
    found = {}
    for name, output in sorted(served.metadata[RAW]["outputs"].items()):
        value: dict[str, Any] = {"type": kinds.get(output["dtype"], "number")}
        for _ in output["tensor_shape"]["dim"][1:]:
            value = {"type": "array", "items": value}
        found[name] = value
    return found


def _get(operation: str, summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": operation,
        "responses": {"200": {"description": "JSON.", "content": _json({"type": "object"})}},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}

"""The HTTP application: TensorFlow Serving's REST shapes, and what a server needs beside them."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from components.ingest.expression import suggest
from components.serve.answer import dump, to_json
from components.serve.batching import Batcher
from components.serve.keeper import Keeper
from components.serve.limits import TokenBucket
from components.serve.metrics import Metrics
from components.serve.openapi import docs_page, openapi
from components.serve.refusal import RefusalError, bad_request
from components.serve.request import parse
from components.serve.request_log import RequestLog
from components.serve.served import Served
from components.serve.signatures import EXAMPLES, RowRefusalError

LABEL = "champion"
"""The registry's alias, in the place of TensorFlow Serving's version labels."""
_LARGE_BYTES = 1 << 15  # whose JSON takes milliseconds: read in a thread, so that other requests go on
_LARGE_ROWS = 256
_BODY_WITHIN_S = 30.0
_logger = logging.getLogger("tensorline.serve")
Endpoint = Callable[[HttpRequest], Awaitable[Response]]


class _Plain(StringConvertor):
    """A part of a path that a verb may follow, as in `taxi:predict`; no name of a model has a colon."""

    regex = "[^/:]+"


register_url_convertor("plain", _Plain())


@dataclass(frozen=True)
class Policy:
    """What requests are allowed.

    Attributes:
        most_body_bytes: Of a body.
        reject_anomalies: Whether values that the schema does not expect are refused, not only counted.
    """

    most_body_bytes: int
    reject_anomalies: bool


class Application:
    """Answers requests; `asgi` is what a server runs.

    Args:
        keeper: Holds the version that is served.
        batcher: Calls it.
        metrics: Told of everything.
        policy: What is allowed.
        limit: How often may be asked to predict; None for as often as one likes.
        log: Of requests; None for none.
        fixed: Whether another version than the champion was asked for.
    """

    def __init__(
        self,
        keeper: Keeper,
        batcher: Batcher,
        metrics: Metrics,
        policy: Policy,
        limit: TokenBucket | None = None,
        log: RequestLog | None = None,
        *,
        fixed: bool = False,
    ) -> None:
        self._keeper, self._batcher, self._metrics, self._policy = keeper, batcher, metrics, policy
        self._limit, self._log, self._fixed = limit, log, fixed
        model = "/v1/models/{name:plain}"
        which = ("", "/versions/{version:plain}", "/labels/{label:plain}")
        self.asgi = Starlette(
            routes=[
                *(Route(f"{model}{one}:predict", self._guarded("predict", self._predict), methods=["POST"]) for one in which),
                *(Route(f"{model}{one}/metadata", self._guarded("metadata", self._metadata)) for one in which),
                *(Route(f"{model}{one}", self._guarded("status", self._status)) for one in which),
                Route("/health", self._health),
                Route("/metrics", self._text),
                Route("/openapi.json", self._openapi),
                Route("/docs", self._docs),
            ],
            exception_handlers={HTTPException: _not_found, Exception: _failed},
        )

    def _guarded(self, endpoint: str, answer: Endpoint) -> Endpoint:
        """Turns a refusal into its answer, and counts."""

        async def guarded(request: HttpRequest) -> Response:
            started = time.perf_counter()
            self._metrics.in_flight.inc()
            status = 500
            try:
                response = await answer(request)
                status = response.status_code
            except RefusalError as error:
                status = error.status
                response = _json({"error": str(error)}, status, error.headers)
            finally:
                self._metrics.in_flight.dec()
                self._metrics.requests.labels(endpoint, str(status)).inc()
                if endpoint == "predict":
                    self._metrics.seconds.observe(time.perf_counter() - started)
            return response

        return guarded

    async def _predict(self, request: HttpRequest) -> Response:
        served = self._chosen(request)
        self._take_token()
        body = await self._body(request)
        is_large = len(body) > _LARGE_BYTES or any(column.image is not None for column in served.contract.columns.values())
        if is_large:
            asked = await asyncio.to_thread(parse, body, served.signatures, served.contract)
        else:
            asked = parse(body, served.signatures, served.contract)
        if asked.anomalies:
            for (column, anomaly), number in asked.anomalies.items():
                self._metrics.anomalies.labels(column, anomaly).inc(number)
            if self._policy.reject_anomalies:
                served.contract.judge(asked.anomalies)
        try:
            outputs = await self._batcher.run(asked.signature, asked.arrays, asked.num_rows)
        except RowRefusalError as error:
            raise bad_request(f"{asked.format}[{error.row}]: {error}") from None
        if asked.num_rows > _LARGE_ROWS:
            answer = await asyncio.to_thread(to_json, outputs, asked.format, asked.num_rows)
        else:
            answer = to_json(outputs, asked.format, asked.num_rows)
        self._metrics.rows.labels(served.version).inc(asked.num_rows)
        if self._log is not None and (asked.raw or asked.signature.name == EXAMPLES):
            self._log.add(asked.arrays, asked.num_rows, served.contract if asked.raw else None)
        return Response(answer, media_type="application/json")

    def _chosen(self, request: HttpRequest) -> Served:
        """The version that the path names; whoever holds it can use it to the end, also when the champion moves."""
        served = self._keeper.current
        name, version, label = (request.path_params.get(key) for key in ("name", "version", "label"))
        if name != served.name:
            raise RefusalError(404, f"no model {name!r} is served here. {suggest(str(name), [served.name])}")
        if version is not None and version != served.version:
            raise RefusalError(404, f"version {version} of {name!r} is not served here. Version {served.version} is")
        if label is not None and (label != LABEL or self._fixed):
            known = f"Version {served.version} was asked for by its number" if self._fixed else f"Expected {LABEL}"
            raise RefusalError(404, f"no version of {name!r} has the label {label!r} here. {known}")
        return served

    def _take_token(self) -> None:
        wait_s = self._limit.take() if self._limit is not None else 0.0
        if wait_s:
            self._metrics.limited.inc()
            raise RefusalError(429, "too many requests", {"Retry-After": str(math.ceil(wait_s))})

    async def _body(self, request: HttpRequest) -> bytes:
        most = self._policy.most_body_bytes
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > most:
            raise _too_large(most)
        parts: list[bytes] = []
        size = 0

        async def read() -> None:
            nonlocal size
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)

        try:
            await asyncio.wait_for(read(), _BODY_WITHIN_S)
        except asyncio.TimeoutError:
            raise RefusalError(408, f"the body did not come within {_BODY_WITHIN_S:.0f} s") from None
        return b"".join(parts)

    async def _status(self, request: HttpRequest) -> Response:
        served = self._chosen(request)
        found = self._keeper.status()
        if {"version", "label"} & set(request.path_params):
            found = [each for each in found if each["version"] == served.version]
        return _json({"model_version_status": found})

    async def _metadata(self, request: HttpRequest) -> Response:
        served = self._chosen(request)
        spec = {"name": served.name, "signature_name": "", "version": served.version}
        return _json({"model_spec": spec, "metadata": {"signature_def": {"signature_def": served.metadata}}})

    async def _health(self, request: HttpRequest) -> Response:
        served = self._keeper.current
        return _json({"status": "ok", "model": served.name, "version": served.version})

    async def _text(self, request: HttpRequest) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def _openapi(self, request: HttpRequest) -> Response:
        return _json(openapi(self._keeper.current))

    async def _docs(self, request: HttpRequest) -> Response:
        return HTMLResponse(docs_page(self._keeper.current))


def _json(content: object, status: int = 200, headers: object = None) -> Response:
    return Response(dump(content), status, headers, media_type="application/json")  # type: ignore[arg-type]


def _too_large(most: int) -> RefusalError:
    # The rest of the body is not read, so the connection can't go on.
    return RefusalError(413, f"the body has more than {most:,} bytes. Send fewer rows at a time", {"Connection": "close"})


async def _not_found(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  Starlette calls it for nothing else
    message = {
        404: f"no such path: {request.url.path}. Look at /docs",
        405: f"{request.method} is not what {request.url.path} takes",
    }.get(error.status_code, error.detail)
    return _json({"error": message}, error.status_code, error.headers)


async def _failed(request: HttpRequest, error: Exception) -> Response:
    """Starlette raises the error again after this, and so it stands in the server's log."""
    return _json({"error": "the server failed; its log says why"}, 500)

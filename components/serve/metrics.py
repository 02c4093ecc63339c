"""What the server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_PREFIX = "tensorline_serve_"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Metrics:
    """Each server's own, so that a test can start several in one process."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            f"{_PREFIX}requests", "Requests answered, by status.", ["endpoint", "status"], registry=registry
        )
        self.seconds = Histogram(
            f"{_PREFIX}request_seconds", "From a request's first byte to its answer.", buckets=_SECONDS, registry=registry
        )
        self.rows = Counter(f"{_PREFIX}rows", "Rows predicted.", ["version"], registry=registry)
        self.batch_rows = Histogram(f"{_PREFIX}batch_rows", "Rows in one call of the model.", buckets=_ROWS, registry=registry)
        self.in_flight = Gauge(f"{_PREFIX}in_flight", "Requests that are being answered.", registry=registry)
        self.anomalies = Counter(
            f"{_PREFIX}anomalies",
            "Values that the schema does not expect: missing, out of a domain or range.",
            ["column", "anomaly"],
            registry=registry,
        )
        self.overloaded = Counter(f"{_PREFIX}overloaded", "Requests refused as too many rows wait.", registry=registry)
        self.limited = Counter(f"{_PREFIX}rate_limited", "Requests beyond the rate limit.", registry=registry)
        self.version = Gauge(
            f"{_PREFIX}model_version", "1 for the version that is served.", ["model", "version"], registry=registry
        )
        self.reloads = Counter(f"{_PREFIX}reloads", "Champions that took the place of the one before.", registry=registry)
        self.reload_failures = Counter(
            f"{_PREFIX}reload_failures", "Times that the registry or a new champion could not be read.", registry=registry
        )
        self.logged = Counter(f"{_PREFIX}logged_rows", "Rows in the request log.", registry=registry)
        self.unlogged = Counter(
            f"{_PREFIX}unlogged_rows", "Sampled rows that the request log lost, as it could not keep up.", registry=registry
        )

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

"""An answer that is an error: `{"error": "…"}` with a status."""

from __future__ import annotations

from collections.abc import Mapping


class RefusalError(Exception):
    """A request that is not answered as asked.

    Attributes:
        status: Of HTTP.
        headers: Further ones, as Retry-After.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


def bad_request(*problems: str) -> RefusalError:
    """400, with a problem a line."""
    return RefusalError(400, "\n".join(problems))


def busy(message: str, retry_after_s: int = 1) -> RefusalError:
    """503: what was asked for may be had later."""
    return RefusalError(503, message, {"Retry-After": str(retry_after_s)})

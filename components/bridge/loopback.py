"""Makes Beam's gRPC servers in this process listen on the loopback interface.

Beam 2.77 opens them on all interfaces ('[::]:0'), without authentication: what connects is given work, or has work done. But
it tells workers the address 'localhost', so no other interface is ever needed.
"""

from __future__ import annotations

from typing import Any

_EVERYWHERE = "[::]:"
_LOOPBACK = "localhost:"


def bind_to_loopback() -> None:
    """Replaces what Beam's modules that open such ports take for the module `grpc`; done once a process."""
    from apache_beam.runners.portability import local_job_service
    from apache_beam.runners.portability.fn_api_runner import worker_handlers
    from apache_beam.runners.worker import worker_pool_main

    for module in (local_job_service, worker_handlers, worker_pool_main):
        if not isinstance(module.grpc, _Grpc):
            module.grpc = _Grpc(module.grpc)


class _Grpc:
    """The module `grpc`, whose servers are `_Server`s."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def server(self, *args: Any, **kwargs: Any) -> _Server:
        return _Server(self._module.server(*args, **kwargs))


class _Server:
    """A `grpc.Server` that opens no port on all interfaces."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def add_insecure_port(self, address: str) -> int:
        if address.startswith(_EVERYWHERE):
            address = _LOOPBACK + address.removeprefix(_EVERYWHERE)
        port: int = self._server.add_insecure_port(address)
        return port

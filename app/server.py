"""How the gateway is served: uvicorn with uvloop and httptools (docs/decisions/0001), and its own bounds."""

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import BadRequest, Failure, HeadTooLarge
from app.request_id import new_id

MAX_HEAD_BYTES = 64 * 1024
"""Bound of a request's line and headers; the parser itself has none."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the idle time of common clients and proxies, so that they close first."""

WORKER_SECONDS = 30
"""How long a worker may take to start, or to show that it lives; starting took 8 s on a machine that was busy."""


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with a bounded head, and error objects for what is not HTTP."""

    _head_bytes: int | None = 0
    """How much of an unfinished head has come; None while a body is read."""

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadTooLarge(f"The request's headers are larger than {MAX_HEAD_BYTES} bytes."))

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest("This is not an HTTP/1.1 request."))

    def _refuse(self, failure: Failure) -> None:
        """Answer below ASGI, and close: what follows could not be understood."""
        body = failure.body()
        self.transport.write(
            b"HTTP/1.1 %d \r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"x-request-id: %b\r\nconnection: close\r\n\r\n%b" % (failure.status, len(body), new_id(), body)
        )
        self.transport.close()


def settings(
    application: ASGIApp | str,
    *,
    factory: bool = False,
    workers: int = 1,
    drain_seconds: float = 30.0,
) -> uvicorn.Config:
    """Uvicorn's settings for an application, or for the name of what makes one in each worker."""
    return uvicorn.Config(
        application,
        factory=factory,
        workers=workers,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks for the client's address
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(drain_seconds),
        timeout_worker_healthcheck=WORKER_SECONDS,
    )

"""The outermost ASGI application: model calls go straight to the relay, everything else to FastAPI.

FastAPI documents the model calls and could answer them as well; but the layers around an endpoint cost about
as much as all the rest of the gateway (docs/decisions/0002).
"""

import asyncio
import sys
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.contracts import CannotStart
from app.errors import Failure, Stopping
from app.operations import OPERATIONS
from app.relay import Relay
from app.request_id import SCOPE_KEY, request_id

SHOWN_TO_PAGES = (
    "x-request-id",
    "x-hyperbridge-upstream",
    "x-hyperbridge-model",
    "x-hyperbridge-attempts",
    "x-hyperbridge-route",
    "x-hyperbridge-mode",
    "x-hyperbridge-reason",
    "x-hyperbridge-thinking",
    "x-hyperbridge-scenes",
    "x-hyperbridge-adapter",
    "x-hyperbridge-recalled",
    "retry-after",
    *(
        f"x-ratelimit-{what}-{measure}"
        for measure in ("requests", "tokens")
        for what in ("limit", "remaining", "reset")
    ),
)
"""Headers that a script in an allowed web page may read."""


class Door:
    """What the server calls; the surface is everything behind it."""

    def __init__(self, relay: Relay, surface: FastAPI, cors_origins: Sequence[str] = ()) -> None:
        self._relay = relay
        self.surface = surface
        self.let_in(cors_origins)

    def let_in(self, origins: Sequence[str]) -> None:
        """From here on, web pages of these origins may call."""
        self._answer: ASGIApp = self._open
        if origins:
            self._answer = CORSMiddleware(
                self._open,
                allow_origins=origins,
                allow_methods=("GET", "POST"),
                allow_headers=("*",),
                expose_headers=SHOWN_TO_PAGES,
                max_age=3600,
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            operation = OPERATIONS.get(scope["path"]) if scope["method"] == "POST" else None
            if operation is not None:
                await self._relay.serve(operation, scope, receive, send)
                return
            identity = request_id(dict(scope["headers"]))
            await self._show({**scope, SCOPE_KEY: identity}, receive, _Named(send, identity))
        else:
            await self.surface(scope, receive, _explaining(send))

    async def _show(self, scope: Scope, receive: Receive, answer: "_Named") -> None:
        try:
            await self.surface(scope, receive, answer)
        except asyncio.CancelledError:  # the server waits no longer; this is its task's last act
            if answer.begun:
                raise
            await answer.fail(Stopping())


def _explaining(send: Send) -> Send:
    """Say why a start failed, without the way there, where the configuration is to blame."""

    async def explained(message: Message) -> None:
        error = sys.exception()
        if message["type"] == "lifespan.startup.failed" and isinstance(error, CannotStart):
            message["message"] = str(error)
        await send(message)

    return explained


class _Named:
    """What goes out, with the request id on it."""

    def __init__(self, send: Send, identity: bytes) -> None:
        self.begun = False
        self._send = send
        self._identity = identity

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            message["headers"] = [*message["headers"], (b"x-request-id", self._identity)]
        await self._send(message)

    async def fail(self, failure: Failure) -> None:
        headers = [(name.encode(), value.encode()) for name, value in failure.headers.items()]
        headers.append((b"content-type", b"application/json"))
        await self({"type": "http.response.start", "status": failure.status, "headers": headers})
        await self({"type": "http.response.body", "body": failure.body()})

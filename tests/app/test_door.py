"""What is neither a model call nor done when the server waits no longer."""

import asyncio
import json

from fastapi import FastAPI
from starlette.types import Message

from app.door import Door


async def test_who_is_being_shown_something_when_the_drain_ends_is_told_to_ask_again():
    surface, begun, sent = FastAPI(), asyncio.Event(), []

    @surface.get("/slow")
    async def slow() -> None:
        begun.set()
        await asyncio.sleep(60)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/slow", "query_string": b"", "headers": []}
    door = Door(None, surface)  # type: ignore[arg-type] # it is asked by no call
    shown = asyncio.ensure_future(door(scope, receive, send))
    await begun.wait()
    shown.cancel()
    await shown

    start, body = sent
    assert start["status"] == 503
    assert {b"x-request-id", b"retry-after", b"content-type"} <= dict(start["headers"]).keys()
    assert json.loads(body["body"])["error"]["code"] == "gateway_stopping"

"""Calls, as the relay makes them of requests."""

from collections.abc import Mapping

import msgspec

from app.contracts import Call, Caller
from app.operations import CHAT, Operation
from app.wire import Request
from app.wishes import wishes

ANYBODY = Caller("anybody")


def call(
    body: Mapping[str, object],
    operation: Operation = CHAT,
    caller: Caller = ANYBODY,
    headers: Mapping[bytes, bytes] | None = None,
) -> Call:
    """The call that this body makes."""
    request = Request.parse(msgspec.json.encode(body), operation)
    asked = wishes(headers or {}, request)
    return Call("id", operation, request.for_upstreams(), caller, (), 0.0, wishes=asked)


def asking(text: str, model: str = "auto", **members: object) -> dict[str, object]:
    """The body of a chat with one message."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **members}

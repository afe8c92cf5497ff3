"""What the model calls share: an answer made by the relay, and how each is described in the document."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from app.operations import Operation
from app.relay import Relay
from routers.objects import ErrorObject

REFUSED: Mapping[int, str] = {
    400: "The request is wrong, or the upstream finds it so.",
    401: "No key, or one that is not known, or does not count any more.",
    403: "The key may not do this, or this host name is not served.",
    404: "There is no such thing.",
    409: "A conflict: the upstream, or what is there already, does not let it be.",
    412: "What is there is not the version that the request names.",
    413: "The body is too large.",
    415: "The body is not JSON, or is compressed.",
    422: "A member has the wrong value: the upstream refuses it, or it is no valid configuration.",
    428: "The request does not say which version it replaces.",
    429: "A rate limit is reached; Retry-After says when to come back, where that is known.",
    500: "A defect of the gateway.",
    501: "The model's upstream does not offer this operation.",
    502: "The upstream's answer was broken, or it does not accept the gateway's credentials.",
    503: "The upstream cannot be reached, or is overloaded.",
    504: "The upstream did not answer in time.",
    507: "The disk is full.",
}


class Relayed(Response):
    """An answer that the relay makes: it reads the request itself and sends as it goes."""

    def __init__(self, relay: Relay, operation: Operation) -> None:
        super().__init__()
        self._relay = relay
        self._operation = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._relay.serve(self._operation, scope, receive, send)


def described(
    request: type[BaseModel],
    answer: type[BaseModel],
    event: type[BaseModel] | None = None,
    *,
    failure: type[BaseModel] = ErrorObject,
) -> dict[str, Any]:
    """What a route's decorator is told, so that the document shows bodies which only the relay reads."""
    success: dict[str, Any] = {"model": answer, "description": "The answer."}
    if event is not None:
        success["description"] = "The answer, whole or as a stream of events."
        success["content"] = {"text/event-stream": {"schema": _event_of(event)}}
    return {
        "responses": {200: success, **failures(*REFUSED, shape=failure)},
        "openapi_extra": asked(request),
    }


def asked(request: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """A body that FastAPI does not read, for the document; its schema is one of `routers.api.SHOWN`."""
    content = {"application/json": {"schema": _reference(request)}}
    return {"requestBody": {"required": required, "content": content}}


def failures(*statuses: int, shape: type[BaseModel] = ErrorObject) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for the document."""
    return {status: {"model": shape, "description": REFUSED[status]} for status in statuses}


def _event_of(model: type[BaseModel]) -> dict[str, Any]:
    """One event of a stream, in the form that OpenAPI 3.2 gives it: its data is JSON text."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": _reference(model)}
    return {
        "type": "object",
        "required": ["data"],
        "properties": {"event": {"type": "string"}, "data": data},
    }


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}

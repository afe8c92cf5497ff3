"""Asking the demo, and reading what it says the way clients do."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.demo import Demo
from app.contracts import Outbound
from app.operations import OPERATIONS
from app.reading import Reading
from app.sse import DONE, data, split

BY_NAME = {operation.name: operation for operation in OPERATIONS.values()}


def outbound(operation: str, body: Any, *, stream: bool = False, model: str = "demo") -> Outbound:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Outbound(BY_NAME[operation], model, raw, stream, (), asyncio.get_running_loop().time() + 60)


async def pieces(asked: Outbound, demo: Demo | None = None) -> tuple[list[bytes], Reading]:
    """Everything the answer gives, piece by piece, and what the gateway reads in it."""
    async with (demo or Demo()).open(asked) as answer:
        assert answer.streams == asked.stream
        got = []
        while piece := await answer.read():
            got.append(piece)
        return got, answer.reading


async def ask(operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A plain answer."""
    got, _ = await pieces(outbound(operation, body))
    assert len(got) == 1
    answer: dict[str, Any] = json.loads(got[0])
    return answer


async def stream(operation: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A stream's events; one with [DONE] ends there."""
    got, _ = await pieces(outbound(operation, body, stream=True))
    return list(_payloads(b"".join(got)))


def _payloads(text: bytes) -> Iterator[dict[str, Any]]:
    found = [data(event) for event in split(text)]
    for payload in found[:-1] if found[-1] == DONE else found:
        yield json.loads(payload)


def function(name: str, **properties: Any) -> dict[str, Any]:
    """A chat tool whose parameters are all required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}

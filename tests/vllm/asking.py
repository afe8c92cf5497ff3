"""What the tests ask the tiny model, and how they read its answers."""

import asyncio
import json
from typing import Any

import httpx

from app import sse
from tests.support.gateway import Served

MESSAGES = [{"role": "user", "content": "bada foli gudo"}]
ORDER = {
    "type": "object",
    "properties": {"side": {"enum": ["buy", "sell"]}, "whole": {"type": "boolean"}},
    "required": ["side", "whole"],
    "additionalProperties": False,
}
TOOL = {
    "type": "function",
    "function": {
        "name": "price",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"symbol": {"enum": ["AAA", "BBB"]}},
            "required": ["symbol"],
            "additionalProperties": False,
        },
    },
}


def chat(model: str = "local/base", **more: Any) -> dict[str, Any]:
    """A chat request that has one right answer."""
    return {"model": model, "messages": MESSAGES, "max_tokens": 12, "temperature": 0} | more


async def asked(client: httpx.AsyncClient, body: dict[str, Any], path: str = "/v1/chat/completions") -> Any:
    """The JSON of a plain answer."""
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def streamed(
    client: httpx.AsyncClient, body: dict[str, Any], path: str = "/v1/chat/completions"
) -> list[Any]:
    """The JSON of a stream's events; `[DONE]` is left as text."""
    answer = await client.post(path, json=body | {"stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream"), answer.text
    found = [sse.data(event).decode() for event in sse.split(answer.content)]
    return [data if data == "[DONE]" else json.loads(data) for data in found]


async def blanks(client: httpx.AsyncClient) -> dict[str, int]:
    """A `logit_bias` against blanks: vLLM's tool grammars allow any number, and random weights would take them."""
    found = await asked(client, {"model": "local/base", "prompt": "\t\r\n "}, "/tokenize")
    return {str(token): -100 for token in found["tokens"]}


async def logged(gateway: Served, text: str, times: int = 1) -> None:
    """Wait until the gateway's log, which is written now and then, holds this text so often."""
    end = asyncio.get_running_loop().time() + 5
    while gateway.log_text().count(text) != times:
        assert asyncio.get_running_loop().time() < end, gateway.log_text()
        await asyncio.sleep(0.02)

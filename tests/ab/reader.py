"""A model that looks answers up in what it is sent: the world outside, as an upstream of its own."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chaos.serving import Served, gateway_of, served
from scenes.contracts import MARKER
from scenes.forms import decoded

_BLOCK = re.compile(r"```json\n(.*)\n```", re.DOTALL)
_ASKED = re.compile(r"`(\w+)` of the record (\w+)")
CITIES = ("Graz", "Lyon", "Porto", "Oslo")


def questions(count: int) -> list[dict[str, Any]]:
    """Each about a table of 30 records, as lines of a user's own suite."""
    rows = [{"id": f"r{number}", "city": CITIES[number % 4], "seats": 17 * number} for number in range(30)]
    data = json.dumps(rows)
    return [
        {
            "id": f"q{number}",
            "kind": "number",
            "answer": rows[number % 30]["seats"],
            "messages": [
                {
                    "role": "user",
                    "content": f"```json\n{data}\n```\n\nQuestion {number}: `seats` of the record r{number % 30}?",
                }
            ],
        }
        for number in range(count)
    ]


def suite(folder: Path, lines: list[dict[str, Any]]) -> Path:
    path = folder / "records.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class Reader:
    """Answers from the table in the prompt. `blind` are records that it does not find in an encoded one."""

    def __init__(self, blind: frozenset[str] = frozenset(), failing: Mapping[int, int] | None = None) -> None:
        """`failing` gives the status by the number of a call, from 0 on; others are answered, each after `seconds`."""
        self._blind = blind
        self._failing = failing or {}
        self.seconds = 0.0
        self.calls = 0
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._answer, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "reader", "object": "model"}]})

    async def _answer(self, request: Request) -> Response:
        body = await request.json()
        number, self.calls = self.calls, self.calls + 1
        await asyncio.sleep(self.seconds)
        text = body["messages"][-1]["content"]
        status = self._failing.get(number)
        if status is not None:
            return JSONResponse({"error": {"message": text, "type": "failure", "code": "bad"}}, status)
        return JSONResponse({
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "reader",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": self._found(text)},
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": len(text) // 4,
                "completion_tokens": 2,
                "total_tokens": len(text) // 4 + 2,
            },
        })

    def _found(self, text: str) -> str:
        block, asked = _BLOCK.search(text), _ASKED.search(text)
        assert block is not None
        assert asked is not None
        name, record = asked.groups()
        if MARKER.search(block[1]) and record in self._blind:
            return "I do not know."
        rows = {row["id"]: row for row in json.loads(decoded(block[1]))}
        return f"**{rows[record][name]}**"


@asynccontextmanager
async def behind(reader: Reader, folder: Path) -> AsyncGenerator[Served]:
    """A gateway in front of it, with the model `asked`."""
    async with served(reader.app) as url:
        upstream = f'{{kind: openai, url: "{url}/v1", api_key: upstream-secret-1}}'
        yaml = f"upstreams:\n  world: {upstream}\nmodels:\n  asked: {{upstream: world, model: reader, retries: 0}}\n"
        async with gateway_of(yaml, folder) as gateway:
            yield gateway

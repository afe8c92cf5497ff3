"""A service of passages, asked over HTTP.

POST url {"query": "...", "limit": 8}    ->    {"data": [{"text": "...", "title": "..."}, ...]}, the best first
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import httpx
import msgspec
from pydantic import SecretStr

from app.contracts import Call
from app.retriever import Unanswered
from scenes.recollected import Passage

MOST_BYTES = 1 << 20
"""Of an answer."""


class _Found(msgspec.Struct):
    text: str
    title: str = ""


class _Answer(msgspec.Struct):
    data: Annotated[list[_Found], msgspec.Meta(max_length=1000)]


_answer = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class HttpPassages:
    """Asks anew each time, on a connection of its own: a question a turn is no load, and nothing is held open."""

    url: str
    api_key: SecretStr | None
    limit: int
    timeout_seconds: float

    async def passages(self, call: Call, question: str) -> Sequence[Passage]:
        body = msgspec.json.encode({"query": question, "limit": self.limit})
        try:
            async with (
                httpx.AsyncClient(timeout=self.timeout_seconds, trust_env=False) as client,
                client.stream("POST", self.url, content=body, headers=self._headers(call)) as answer,
            ):
                if answer.status_code != 200:
                    raise Unanswered(f"answered with {answer.status_code}")
                data = await _read(answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unanswered(type(error).__name__) from None
        try:
            return [Passage(each.text, each.title) for each in _answer.decode(data).data]
        except (msgspec.DecodeError, RecursionError):
            raise Unanswered("answered with no passages") from None

    def _headers(self, call: Call) -> dict[str, str]:
        own = {"content-type": "application/json", "accept-encoding": "identity", "x-request-id": call.id}
        if self.api_key is not None:
            own["authorization"] = f"Bearer {self.api_key.get_secret_value()}"
        return own


async def _read(answer: httpx.Response) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.aiter_raw():  # what was packed all the same is no JSON
        size += len(piece)
        if size > MOST_BYTES:
            raise Unanswered(f"answered with more than {MOST_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)

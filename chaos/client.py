"""A client that asks once on a connection of its own, and may leave at any moment."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httptools
import orjson

from app import sse
from chaos.faults import WORDS
from sim.script import Script
from sim.words import task

PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `id` is the request's id, and in its prompt, so that no two calls have the same answer."""

    id: str
    model: str
    words: int
    stream: bool
    timeout_seconds: float | None = None
    leaves_after: float | None = None

    def body(self) -> dict[str, Any]:
        messages = [{"role": "user", "content": f"Say {self.words} words for {self.id}."}]
        return {"model": self.model, "stream": self.stream, "messages": messages}

    def expected(self) -> str:
        """The whole answer, as the twin says it."""
        script = Script.of(f"twin?chunks={self.words}&{WORDS}")
        return "".join(task(PATH, self.body(), script).text())

    def lines(self) -> bytes:
        """The request as it goes over the wire."""
        body = orjson.dumps(self.body())
        head = f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nx-request-id: {self.id}\r\n"
        if self.timeout_seconds is not None:
            head += f"x-hyperbridge-timeout: {self.timeout_seconds}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body


@dataclass(slots=True)
class Heard:
    """What came of an answer: `whole` says that HTTP's own end of it came, `left` that the client did not wait."""

    request: Request
    status: int = 0
    body: bytes = b""
    whole: bool = False
    left: bool = False
    begun: float = 0.0
    ended: float = 0.0
    """Moments of the event loop's clock."""

    @property
    def events(self) -> Sequence[Mapping[str, Any]]:
        """The stream's events, without the one that ends it."""
        found = [sse.data(event) for event in sse.split(self.body)]
        return [orjson.loads(data) for data in found if data and data != sse.DONE]

    @property
    def choices(self) -> Sequence[Mapping[str, Any]]:
        bodies = self.events if self.request.stream else [orjson.loads(self.body)]
        return [choice for body in bodies for choice in body.get("choices") or ()]

    @property
    def text(self) -> str:
        spoken = [choice.get("delta") or choice.get("message") or {} for choice in self.choices]
        return "".join(said.get("content") or "" for said in spoken)

    @property
    def said(self) -> str:
        """The text, as far as it has come; "" of an error or of half of a plain answer."""
        if self.status != 200 or not (self.whole or self.request.stream):
            return ""
        return self.text

    @property
    def finish(self) -> str | None:
        """The last reason that was given for the answer's end."""
        reasons = [choice["finish_reason"] for choice in self.choices if choice.get("finish_reason")]
        return reasons[-1] if reasons else None

    def fault(self) -> str:
        """What is wrong with it: neither whole nor an explicit error; "" where nothing is."""
        if self.left:
            return ""
        if not self.whole:
            return f"cut below HTTP, status {self.status}"
        if self.status != 200:
            return "" if b'"error"' in self.body else f"status {self.status} without an error"
        return self._misheard()

    def _misheard(self) -> str:
        expected, text = self.request.expected(), self.text
        if not expected.startswith(text):
            return f"words are missing or came twice: {text!r}"
        if self.told:
            return "an error event, and then [DONE]" if self.body.rstrip().endswith(b"[DONE]") else ""
        if text == expected or self.finish == "content_filter":
            return ""
        return f"cut silently after {text!r}"

    @property
    def told(self) -> bool:
        """Whether it ends with an error event."""
        return self.request.stream and any("error" in event for event in self.events)


@dataclass(slots=True)
class _Parsed:
    """What the parser calls."""

    pieces: list[bytes] = field(default_factory=list)
    done: bool = False

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        self.done = True


async def ask(port: int, request: Request) -> Heard:
    """Ask, and hear the answer until its end or until this client leaves."""
    loop = asyncio.get_running_loop()
    heard, parsed = Heard(request, begun=loop.time()), _Parsed()
    parser = httptools.HttpResponseParser(parsed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.lines())
        async with asyncio.timeout(request.leaves_after):
            while not parsed.done and (data := await reader.read(65_536)):
                parser.feed_data(data)
    except TimeoutError:
        heard.left = True
    except ConnectionError:
        pass  # not whole, and so it is told
    finally:
        writer.transport.abort()
    heard.ended = loop.time()
    heard.status = parser.get_status_code() or 0
    heard.body, heard.whole = b"".join(parsed.pieces), parsed.done
    if request.stream and heard.status == 200 and not heard.whole:
        heard.body = sse.Framer().feed(heard.body)  # half an event says nothing
    return heard

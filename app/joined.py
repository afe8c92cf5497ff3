"""An answer that goes on, written as the rest of the one before it."""

from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from app import sse
from app.contracts import Answer, Headers
from app.errors import UpstreamBroken
from app.operations import Dialect
from app.overlap import Repeats
from app.passing import Passing
from app.reading import Reading, Said

_THOUGHTS = ("reasoning_content", "reasoning")


class Seam(Protocol):
    """What takes a repetition away from the beginning of a text; see `app.overlap`."""

    def feed(self, piece: str) -> str: ...

    def rest(self) -> str: ...


class Counting(Protocol):
    def __call__(self, prompt_tokens: int, completion_tokens: int) -> tuple[int, int]:
        """The counts of the whole answer, from those of its last part."""


class Joined(Passing):
    """One answer to the client: its name, no second role, no second thoughts, no repetition, usage of the whole.

    `said` grows by what the client gets. `note` is what the last event says about it, as the member `hyperbridge`.
    """

    def __init__(  # noqa: PLR0913 - what an answer is joined with
        self,
        answer: Answer,
        said: Said,
        seam: Seam,
        *,
        name: Mapping[str, Any],
        note: Mapping[str, Any],
        counting: Counting,
    ) -> None:
        super().__init__(answer)
        self._said = said
        self._seam = seam
        self._name = name
        self._note = note
        self._counting = counting
        self._in_delta = True
        self._last: Mapping[str, Any] = {}

    async def read(self) -> bytes:
        while piece := await self._answer.read():
            joined = b"".join(map(self._event, sse.split(piece)))
            if joined:
                return joined
        return self._held()

    def _event(self, event: bytes) -> bytes:
        payload = sse.data(event)
        if not payload:
            return event
        if payload == sse.DONE:
            return self._held() + event
        try:
            chunk = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise _malformed() from None
        if not isinstance(chunk, dict) or not isinstance(chunk.get("choices"), list):
            return event
        chunk |= self._name
        if isinstance(chunk.get("usage"), dict):
            self._count(chunk["usage"])
        if not chunk["choices"]:
            return self._held() + sse.write(orjson.dumps(chunk))
        self._last = chunk
        return self._written(chunk)

    def _written(self, chunk: dict[str, Any]) -> bytes:
        """A chunk with choices; b"" where nothing is left in them."""
        kept = [self._choice(choice) for choice in chunk["choices"]]
        if any(choice.get("finish_reason") for choice in chunk["choices"]):
            chunk["hyperbridge"] = self._note
        return sse.write(orjson.dumps(chunk)) if any(kept) or chunk.get("usage") else b""

    def _choice(self, choice: object) -> bool:
        """Change a choice in its place; False where nothing is left in it."""
        if not isinstance(choice, dict):
            raise _malformed()
        self._in_delta = "text" not in choice
        holder = (choice.get("delta") or {}) if self._in_delta else choice
        if not isinstance(holder, dict):
            raise _malformed()
        finish = bool(choice.get("finish_reason"))
        if not self._in_delta:
            holder["text"] = self._new(holder.get("text"), last=finish)
            return bool(holder["text"]) or finish
        for member in ("role", *_THOUGHTS):
            holder.pop(member, None)
        more = any(value for name, value in holder.items() if name != "content")
        text = self._new(holder.pop("content", None), last=finish or more)
        if text:
            holder["content"] = text
        choice["delta"] = holder
        return bool(text) or more or finish

    def _new(self, text: object, *, last: bool) -> str:
        """What of this text the client has not got yet; with all that is held where the `last` of it is here."""
        if text is not None and not isinstance(text, str):
            raise _malformed()
        try:
            new = self._seam.feed(text or "")
            if last:
                new += self._seam.rest()
        except Repeats as error:
            raise _unjoined(error) from None
        self._said.keep(new)
        return new

    def _held(self) -> bytes:
        """What was held back, as an event of its own: nothing of the text follows."""
        try:
            text = self._seam.rest()
        except Repeats as error:
            raise _unjoined(error) from None
        if not text:
            return b""
        self._said.keep(text)
        said: Mapping[str, Any] = {"delta": {"content": text}} if self._in_delta else {"text": text}
        members = {name: value for name, value in self._last.items() if name not in {"usage", "hyperbridge"}}
        choices = [{"index": 0, **said, "finish_reason": None}]
        return sse.write(orjson.dumps({**members, "choices": choices}))

    def _count(self, usage: dict[str, Any]) -> None:
        read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(read, int) and isinstance(written, int):
            usage["prompt_tokens"], usage["completion_tokens"] = self._counting(read, written)
            usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]


class Ended:
    """The end of an answer that had all its tokens: nobody has to be asked for it."""

    streams = True

    def __init__(self, chunks: list[Mapping[str, Any]], headers: Headers, dialect: Dialect) -> None:
        self.headers = headers
        self.reading = Reading(dialect)
        self._piece = b"".join(sse.write(orjson.dumps(chunk)) for chunk in chunks) + sse.write(sse.DONE)

    async def read(self) -> bytes:
        piece, self._piece = self._piece, b""
        if piece:
            self.reading.events(piece)
        return piece


def _malformed() -> UpstreamBroken:
    return UpstreamBroken("The upstream sent a malformed event.", detail="in a continuation")


def _unjoined(error: Repeats) -> UpstreamBroken:
    """It is the model that did so: its server is not to blame."""
    failure = UpstreamBroken(
        "The upstream's answer was cut.", detail=f"the continuation cannot be joined: {error}"
    )
    failure.blameless = True
    return failure

"""A stream that broke is gone on with: whether that can be, what is asked, and how the rest is joined to it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec
import orjson

from app import sse
from app.contracts import Answer, Call, Route, Source
from app.errors import UpstreamBroken, UpstreamFailure
from app.journal import Record
from app.overlap import Overlap, Repeats
from app.passing import Passing
from app.reading import Reading
from app.wire import Members, Request

GO_ON = (
    "Your last message was cut off. Go on exactly where its text ends, beginning with the very next character: "
    "repeat nothing, announce nothing, do not begin anew."
)
"""What an upstream is told that does not continue a message of the assistant's by itself."""

_ONE_TEXT: Mapping[str, frozenset[bytes]] = {
    "n": frozenset({b"1", b"null"}),
    "best_of": frozenset({b"1", b"null"}),
    "logprobs": frozenset({b"false", b"null"}),
    "echo": frozenset({b"false", b"null"}),
    "suffix": frozenset({b"null", b'""'}),
    "response_format": frozenset({b"null", b'{"type":"text"}'}),
    "continue_final_message": frozenset({b"false", b"null"}),
    **dict.fromkeys(("structured_outputs", "audio", "prompt_embeds"), frozenset({b"null"})),
    **dict.fromkeys(("guided_json", "guided_regex", "guided_choice", "guided_grammar"), frozenset({b"null"})),
}
"""Members whose answers are not one plain text, and the values with which they are."""

_LENGTHS = ("max_tokens", "max_completion_tokens")
_THOUGHTS = ("reasoning_content", "reasoning")


class Continuing(Protocol):
    """What asks for another answer in the place of one that broke."""

    async def continued(self, failure: UpstreamFailure, asked: "Asked") -> Answer: ...


class Asked(Protocol):
    def __call__(self, route: Route, *, refused: bool) -> Request: ...


def obstacle(call: Call, reading: Reading) -> str:
    """Why this answer cannot be gone on with; "" where it can."""
    if not call.operation.continuable or reading.said is None:
        return f"{call.operation.name} is not continued"
    if not reading.said.plain:
        return "it holds more than text"
    members = call.request.members
    for name, plain in _ONE_TEXT.items():
        raw = members.raw(name)
        if raw is not None and raw.translate(None, b" \t\r\n") not in plain:
            return f"{name} is set"
    if call.operation.dialect == "completions" and not (members.raw("prompt") or b"").startswith(b'"'):
        return "the prompt is not one text"
    return ""


@dataclass(slots=True)
class Rescuing:
    """Goes on with one call's answer, as often as it breaks and attempts are left."""

    call: Call
    record: Record
    sources: Mapping[str, Source]
    attempts: Continuing
    head: bytes = b""
    """The first events that the client got: they say what the whole answer is called."""
    _text: str = ""
    _tokens: int = 0
    _prefills: bool = False
    _joined: "Joined | None" = None

    async def gone_on(self, failure: UpstreamFailure, reading: Reading) -> Answer:
        """The rest of an answer that broke with this failure. Raises it where there is none."""
        reason = obstacle(self.call, reading)
        if reason:
            failure.detail += f"; not continued: {reason}"
            raise failure
        assert reading.said is not None
        self._text = reading.said.text if self._joined is None else self._joined.text
        self._tokens += reading.content_events
        answer = await self.attempts.continued(failure, self._asked)
        self.record.rescues += 1
        self._joined = Joined(answer, self._text, self._name(), trims=not self._prefills, tokens=self._tokens)
        self._joined.note = self._note()
        return self._joined

    def _asked(self, route: Route, *, refused: bool) -> Request:
        """The request that goes on with the text: as the upstream understands it best."""
        self._prefills = self.sources[route.upstream].continues and not (refused and self._prefills)
        return continuation(self.call, self._text, self._tokens, prefills=self._prefills)

    def _name(self) -> Mapping[str, Any]:
        """The id and the time that all chunks of the answer share."""
        for event in sse.split(self.head):
            try:
                chunk = orjson.loads(sse.data(event))
            except orjson.JSONDecodeError:
                continue
            if isinstance(chunk, dict):
                return {name: chunk[name] for name in ("id", "created") if name in chunk}
        return {}

    def _note(self) -> Mapping[str, Any]:
        route = self.record.route
        assert route is not None
        return {
            "rescues": self.record.rescues,
            "attempts": len(self.record.attempts),
            "upstream": route.upstream,
            "model": route.model,
        }


def continuation(call: Call, text: str, tokens: int, *, prefills: bool) -> Request:
    """The client's request, changed so that its answer is what follows `text` (of so many tokens)."""
    members = call.request.members
    changed: dict[str, bytes] = {}
    if text and call.operation.dialect == "completions":
        changed["prompt"] = msgspec.json.encode(members.value("prompt") + text)
    elif text:
        changed["messages"] = _with_messages(members, text, prefills=prefills)
        if prefills:
            changed |= {"continue_final_message": b"true", "add_generation_prompt": b"false"}
    for name in _LENGTHS if text else ():
        limit = members.raw(name)
        if limit is not None and limit.isdigit():
            changed[name] = b"%d" % max(1, int(limit) - tokens)
    return replace(call.request, members=Members.of(members.replaced(changed)))


def _with_messages(members: Members, text: str, *, prefills: bool) -> bytes:
    """The client's messages byte for byte, and behind them what was said so far."""
    added = [{"role": "assistant", "content": text}]
    if not prefills:
        added.append({"role": "user", "content": GO_ON})
    given = (members.raw("messages") or b"[]").rstrip()[:-1].rstrip()
    comma = b"" if given.endswith(b"[") else b","
    return given + comma + msgspec.json.encode(added)[1:]


class Joined(Passing):
    """The answer that goes on, as the rest of the one before: its name, no second role, no thoughts, no repetition."""

    note: Mapping[str, Any] = {}
    """What the last event says about it, as the member `hyperbridge`."""

    def __init__(
        self, answer: Answer, text: str, name: Mapping[str, Any], *, trims: bool, tokens: int
    ) -> None:
        super().__init__(answer)
        self._name = name
        self._tokens = tokens
        self._overlap = Overlap(text) if trims and text else None
        self._said = [text]

    @property
    def text(self) -> str:
        """All that the client has got."""
        return "".join(self._said)

    async def read(self) -> bytes:
        while piece := await self._answer.read():
            joined = b"".join(map(self._event, sse.split(piece)))
            if joined:
                return joined
        return b""

    def _event(self, event: bytes) -> bytes:
        payload = sse.data(event)
        if not payload or payload == sse.DONE:
            return event
        chunk = orjson.loads(payload)
        if not isinstance(chunk, dict) or not isinstance(chunk.get("choices"), list):
            return event
        chunk |= self._name
        if isinstance(chunk.get("usage"), dict):
            self._count(chunk["usage"])
        kept = [self._choice(choice) for choice in chunk["choices"]]
        if not any(kept) and not chunk.get("usage"):
            return b""
        if any(choice.get("finish_reason") for choice in chunk["choices"]):
            chunk["hyperbridge"] = self.note
        return sse.write(orjson.dumps(chunk))

    def _choice(self, choice: dict[str, Any]) -> bool:
        """Change a choice in its place; False where nothing is left in it."""
        delta = choice.get("delta")
        finish = choice.get("finish_reason")
        if isinstance(delta, dict):
            for member in ("role", *_THOUGHTS):
                delta.pop(member, None)
            self._trim(delta, "content", last=bool(finish))
            return bool(delta) or bool(finish)
        self._trim(choice, "text", last=bool(finish))
        return bool(choice.get("text")) or bool(finish)

    def _trim(self, holder: dict[str, Any], name: str, *, last: bool) -> None:
        text = holder.get(name) or ""
        if self._overlap is not None:
            try:
                text = self._overlap.feed(text)
                if last:
                    text += self._overlap.rest()
            except Repeats as error:
                raise UpstreamBroken("The upstream's answer was cut.", detail=str(error)) from None
        self._said.append(text)
        if text or name == "text":
            holder[name] = text
        else:
            holder.pop(name, None)

    def _count(self, usage: dict[str, Any]) -> None:
        """Count the answer as one: what was said before is part of this prompt, and belongs to the answer."""
        read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(read, int) and isinstance(written, int):
            usage["prompt_tokens"] = max(read - self._tokens, 0)
            usage["completion_tokens"] = written + self._tokens
            usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]

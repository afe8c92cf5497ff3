"""A stream that broke is gone on with: whether that can be, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from app import sse
from app.continuation import continuation, length_names
from app.contracts import Answer, Call, Route, Source
from app.course import Manner
from app.errors import UpstreamFailure
from app.estimate import input_tokens
from app.joined import Ended, Joined
from app.journal import Record
from app.overlap import Overlap, Spaces
from app.reading import Reading, Said
from app.wire import Request

MOST_HEAD_BYTES = 16 * 1024
"""How much of an answer's beginning is kept for its name."""

_NULL = frozenset({b"null"})
_ONE_TEXT: Mapping[str, frozenset[bytes]] = {
    "n": frozenset({b"1", b"null"}),
    "best_of": frozenset({b"1", b"null"}),
    "logprobs": frozenset({b"false", b"null"}),
    "echo": frozenset({b"false", b"null"}),
    "suffix": frozenset({b"null", b'""'}),
    "response_format": frozenset({b"null", b'{"type":"text"}'}),
    "continue_final_message": frozenset({b"false", b"null"}),
    **dict.fromkeys(("audio", "prompt_embeds", "structured_outputs", "structural_tag"), _NULL),
    **dict.fromkeys(("grammar", "json_schema", "regex", "ebnf"), _NULL),
    **dict.fromkeys(("guided_json", "guided_regex", "guided_choice", "guided_grammar"), _NULL),
}
"""Members whose answers are not one plain text, and the values with which they are."""


class Asking(Manner, Protocol):
    """What the attempts of one answer are asked: the client's request, or how a broken answer goes on."""

    def request(self, route: Route, *, refused: bool) -> Request:
        """The request for this route; `refused` says that the last one was, as it was put."""


class Continuing(Protocol):
    """What gets another answer in the place of one that broke."""

    async def continued(self, failure: UpstreamFailure, asking: Asking) -> Answer: ...


def obstacle(call: Call, reading: Reading, defaults: Mapping[str, bytes]) -> str:
    """Why this answer cannot be gone on with; "" where it can. `defaults` are members that the client did not send."""
    if not call.operation.continuable or reading.said is None:
        return f"{call.operation.name} is not continued"
    if reading.finished:
        return "it was over"
    if not reading.said.plain:
        return "it holds more than text, or too much"
    members = call.request.members
    for name, plain in _ONE_TEXT.items():
        raw = members.raw(name) if members.has(name) else defaults.get(name)
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
    continuing: bool = True
    prefilled: bool = False
    _head: bytes = b""
    _said: Said = field(default_factory=Said)
    """All that the client has got."""
    _joined: bool = False
    _repeated_tokens: int | None = None
    """How much of what was said stands in the prompt of what goes on, where that is the prompt and nothing else."""
    _limit: int | None = None
    """How many tokens the answer may have."""
    _written_tokens: int = 0
    _prompt_tokens: int | None = None
    """As the upstream reported it before the answer broke."""

    def begin(self, piece: bytes) -> None:
        """The first piece for the client: it says what the whole answer is called."""
        self._head = piece if len(piece) <= MOST_HEAD_BYTES else b"\n"

    @property
    def begun(self) -> bool:
        return bool(self._head)

    def obstacle(self, reading: Reading) -> str:
        """Why the answer cannot be gone on with; "" where it can."""
        assert self.record.route is not None
        if self._joined and not self._said.plain:
            return "it is too long"
        return obstacle(self.call, reading, self.record.route.defaults)

    async def gone_on(self, failure: UpstreamFailure, broken: Answer) -> Answer:
        """The rest of an answer that broke with this failure. Raises it where there is none."""
        reading = broken.reading
        reason = self.obstacle(reading)
        if reason:
            failure.detail += f"; not continued: {reason}"
            raise failure
        assert reading.said is not None
        if not self._joined:
            self._said = reading.said
            self._prompt_tokens = reading.usage.input_tokens if reading.usage is not None else None
            self._limit = self._allowed()
        self._written_tokens += max(
            reading.content_events, reading.usage.output_tokens if reading.usage else 0
        )
        if self._left() == 0:
            return self._ended(broken)
        answer = await self.attempts.continued(failure, self)
        self._joined = True
        self.record.rescues += 1
        text = self._said.text
        nothing_else = self.prefilled or self._is_appended() or not text.strip()
        self._repeated_tokens = (self._said.pieces if text.strip() else 0) if nothing_else else None
        seam = Spaces(text) if self.prefilled else Overlap("" if self._is_appended() else text)
        return Joined(answer, self._said, seam, name=self._name(), note=self._note(), counting=self._counted)

    def request(self, route: Route, *, refused: bool) -> Request:
        """The request that goes on with the text, as the upstream understands it best."""
        prefills = self.sources[route.upstream].continues and not (refused and self.prefilled)
        text = self._said.text
        self.prefilled = prefills and bool(text.strip()) and not self._is_appended()
        return continuation(self.call, text, self._left(), prefills=prefills)

    def _is_appended(self) -> bool:
        """Whether what was said is just the rest of the prompt."""
        return self.call.operation.dialect == "completions"

    def _left(self) -> int | None:
        """How many tokens the answer may still have; None is any number."""
        return None if self._limit is None else max(self._limit - self._written_tokens, 0)

    def _allowed(self) -> int | None:
        """The bound that the client sent, or else the route's own."""
        assert self.record.route is not None
        members, defaults = self.call.request.members, self.record.route.defaults
        limits = [members.raw(name) or defaults.get(name) for name in length_names(self.call)]
        numbers = [int(limit) for limit in limits if limit is not None and limit.isdigit()]
        return min(numbers, default=None)

    def _counted(self, prompt_tokens: int, completion_tokens: int) -> tuple[int, int]:
        """The usage of the whole, from that of the last part: what was said before stood in its prompt."""
        prompt = self._prompt_tokens
        if prompt is None and self._repeated_tokens is not None:
            prompt = max(prompt_tokens - self._repeated_tokens, 0)
        if prompt is None:
            prompt = input_tokens(self.call)
        return prompt, completion_tokens + self._written_tokens

    def _ended(self, broken: Answer) -> Answer:
        """The end of an answer that had all its tokens before it broke."""
        said: Mapping[str, Any] = {"text": ""} if self._is_appended() else {"delta": {}}
        choice = {"index": 0, **said, "finish_reason": "length"}
        chunks: list[Mapping[str, Any]] = [{**self._name(), "choices": [choice]}]
        if self.call.request.include_usage:
            prompt, written = self._counted(input_tokens(self.call), 0)
            counts = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
            chunks.append({**self._name(), "choices": [], "usage": counts})
        return Ended(chunks, broken.headers, self.call.operation.dialect)

    def _name(self) -> Mapping[str, Any]:
        """What all chunks of the answer share, from the first that is called anything."""
        for event in sse.split(self._head):
            try:
                chunk = orjson.loads(sse.data(event))
            except orjson.JSONDecodeError:
                continue
            if isinstance(chunk, dict) and chunk.get("id"):
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

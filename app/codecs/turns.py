"""A chat's messages as turns, and the chat without those that left it. Pure.

What stays is byte for byte as it was, but for what is put before or behind a user's own words; system texts always stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from app.errors import BadRequest
from app.wire import Members, Request
from scenes.pieces import Turn
from scenes.recollected import without
from scenes.remembering import Message, Remembering, Retold
from scenes.rough import ROUGH
from scenes.scene import Trust

_TRUST: Mapping[str, Trust] = {"user": "user", "assistant": "assistant"}
_SYSTEM = frozenset(("system", "developer"))
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Again:
    """A request that something left, by which `forms`, and the tokens of what left and of what came instead, roughly.

    `why` says in one word why nothing left that would have.
    """

    request: Request
    forms: Sequence[str] = ()
    before: int = 0
    after: int = 0
    why: str = ""


def said_again(request: Request, remembering: Remembering) -> Again:
    """The request without its old turns, where there is enough of them; else as it was."""
    chat = Chat.of(request)
    said = Retold() if chat is None else remembering.said(chat.messages())
    if chat is None or not said.begin:
        return Again(request, why=said.why)
    if chat.has_more_than_text(said):
        return Again(request, why="parts")
    try:
        changed = chat.request(request, said)
    except BadRequest:  # a message names a member twice: its upstream will judge
        return Again(request, why="parts")
    added = "".join((said.note, *said.recalled.values()))
    return Again(changed, ("memory",), ROUGH[0].count(chat.left(said)), ROUGH[0].count(added))


class _Wire(msgspec.Struct):
    role: str = ""
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


_raws = msgspec.json.Decoder(list[msgspec.Raw])
_wire = msgspec.json.Decoder(_Wire)


@dataclass(frozen=True, slots=True)
class Chat:
    """The messages of a request: as bytes, as they were read, and which of them hold more than text."""

    raws: Sequence[bytes]
    wires: Sequence[_Wire]

    @classmethod
    def of(cls, request: Request) -> "Chat | None":
        """None where the messages have another shape than is known here."""
        try:
            raws = [bytes(raw) for raw in _raws.decode(request.members.raw("messages") or b"[]")]
            return cls(raws, [_wire.decode(raw) for raw in raws])
        except msgspec.DecodeError:
            return None

    def messages(self) -> list[Message]:
        return [
            Message(_turn(wire), may_begin=wire.role == "user", stays=wire.role in _SYSTEM)
            for wire in self.wires
        ]

    def has_more_than_text(self, said: Retold) -> bool:
        """Whether what would leave holds an image, a sound or a file."""
        return any(
            part.get("type") not in {"text", "refusal"}
            for wire in self.wires[said.first : said.begin]
            if isinstance(wire.content, list)
            for part in wire.content
        )

    def left(self, said: Retold) -> str:
        """All that leaves."""
        return "\n".join(
            _turn(wire).text for wire in self.wires[said.first : said.begin] if wire.role not in _SYSTEM
        )

    def request(self, request: Request, said: Retold) -> Request:
        """The request as it is said again. Raises BadRequest where a message that changes names a member twice."""
        messages = b"[" + b",".join(self._kept(said)) + b"]"
        return replace(request, members=Members.of(request.members.replaced({"messages": messages})))

    def _kept(self, said: Retold) -> Iterator[bytes]:
        for place, raw in enumerate(self.raws):
            if said.first <= place < said.begin:
                if self.wires[place].role in _SYSTEM:
                    yield raw
                continue
            before = said.note if place == said.begin else ""
            behind = said.recalled.get(place, "")
            yield _around(raw, self.wires[place], before, behind) if before or behind else raw


def _turn(wire: _Wire) -> Turn:
    """What is said in it; what was recalled beneath a user's words is nothing that the user said."""
    agent = wire.name or wire.role
    text = _BETWEEN.join(filter(None, _texts(wire)))
    return Turn(agent, _TRUST.get(wire.role, "tool"), without(text) if wire.role == "user" else text)


def _texts(wire: _Wire) -> Iterator[str]:
    if isinstance(wire.content, str):
        yield wire.content
    for part in wire.content if isinstance(wire.content, list) else ():
        if isinstance(part.get("text"), str):
            yield part["text"]
    for call in wire.tool_calls or ():
        function = call.get("function")
        if isinstance(function, dict):
            yield f"called {function.get('name')}({function.get('arguments')})"


def _around(raw: bytes, wire: _Wire, before: str, behind: str) -> bytes:
    """The message with texts put before and behind its own."""
    members = Members.of(raw)
    content: object
    if isinstance(wire.content, list):
        first = [{"type": "text", "text": before}] if before else []
        last = [{"type": "text", "text": behind}] if behind else []
        content = [*first, *wire.content, *last]
    else:
        content = _BETWEEN.join(filter(None, (before, wire.content or "", behind)))
    return members.replaced({"content": msgspec.json.encode(content)})

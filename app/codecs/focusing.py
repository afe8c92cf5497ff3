"""The passages of a user's message that bear on its question: the others leave it. Pure.

Passages are parts of a message that say so, `{"type": "text", "text": "...", "hyperbridge": "context"}`; the question is the
rest of the message. So what becomes of a message depends on it alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from app.codecs.turns import Again
from app.errors import BadRequest
from app.wire import Members, Request
from scenes.focus import chosen
from scenes.meaning import Meaning
from scenes.recollected import without

TAG = "hyperbridge"
CONTEXT = "context"
_MARK = b'"hyperbridge"'

_HOLDERS = ("messages", "input")
_DEEPEST = 6
"""Arrays and objects within each other where marks may stand: parts of a tool's result within a part of a message."""

_raws = msgspec.json.Decoder(list[msgspec.Raw])


class _Part(msgspec.Struct):
    """A part of a message, as far as it is looked at."""

    text: str = ""
    hyperbridge: str | None = None


_part = msgspec.json.Decoder(_Part)


@dataclass(frozen=True, slots=True)
class _Focused:
    """A message with the passages that stay, and their tokens before and after."""

    raw: bytes
    before: int = 0
    after: int = 0


def focused(request: Request, budget_tokens: int, meaning: Meaning | None = None) -> Again:
    """The request with what bears on each question alone, of the passages that say they are some; else as it was.

    Raises BadRequest where a part's mark is another than `context`.
    """
    messages = request.members.raw("messages") or b"[]"
    if _MARK not in messages:
        return Again(request)
    try:
        found = [_message(bytes(raw), budget_tokens, meaning) for raw in _raws.decode(messages)]
    except msgspec.DecodeError:
        return Again(request)
    body = request.members.replaced({"messages": _array([each.raw for each in found])})
    before, after = sum(each.before for each in found), sum(each.after for each in found)
    forms = ("focus",) if after < before else ()
    return Again(replace(request, members=Members.of(body)), forms, before, after)


def is_marked(request: Request) -> bool:
    """Whether there may be passages in it."""
    return _MARK in request.members.body


def unmarked(request: Request) -> Request:
    """The request without the marks of passages, which no upstream knows; every other value as it was."""
    if not is_marked(request):
        return request
    raws = {name: request.members.raw(name) or b"" for name in _HOLDERS}
    changed = {name: _plain(raw, _DEEPEST) for name, raw in raws.items() if _MARK in raw}
    return replace(request, members=request.members.changed(changed)) if changed else request


def _plain(raw: bytes, depth: int) -> bytes:
    """A message or a part, or an array of them, without marks; as it was where it is nothing of these."""
    if _MARK not in raw or not depth:
        return raw
    try:
        if raw.startswith(b"["):
            return _array([_plain(bytes(each), depth - 1) for each in _raws.decode(raw)])
        return _plain_object(raw, depth) if raw.startswith(b"{") else raw
    except (BadRequest, msgspec.DecodeError):  # a member is there twice: its upstream will judge
        return raw


def _plain_object(raw: bytes, depth: int) -> bytes:
    members = Members.of(raw)
    if members.has(TAG):
        members = members.without({TAG})
    content = members.raw("content")
    return members.body if content is None else members.replaced({"content": _plain(content, depth - 1)})


def _message(raw: bytes, budget_tokens: int, meaning: Meaning | None) -> _Focused:
    if _MARK not in raw:
        return _Focused(raw)
    members = Members.of(raw)
    content = members.raw("content") or b""
    if members.raw("role") != b'"user"' or not content.startswith(b"["):
        return _Focused(raw)
    raws = [bytes(each) for each in _raws.decode(content)]
    parts = [_read(each) for each in raws]
    passages = [place for place, part in enumerate(parts) if part.hyperbridge is not None]
    question = without("\n".join(part.text for part in parts if part.hyperbridge is None))
    found = chosen(question, [parts[place].text for place in passages], budget_tokens, meaning)
    staying = {passages[place] for place in found.places}
    kept = [
        Members.of(each).without({TAG}).body if place in staying else each
        for place, each in enumerate(raws)
        if place in staying or place not in passages
    ]
    return _Focused(members.replaced({"content": _array(kept)}), found.before, found.after)


def _read(raw: bytes) -> _Part:
    part = _part.decode(raw)
    if part.hyperbridge not in {None, CONTEXT} or (part.hyperbridge and not part.text):
        raise BadRequest(
            f"A part's member '{TAG}' must be \"{CONTEXT}\", and stand beside a text.", param="messages"
        )
    return part


def _array(items: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"

"""Where a request holds data that may be said shorter: what tools gave back, and blocks of data in a user's text. Pure.

Nothing else is ever looked at: system texts, tools, their calls, schemas, thoughts, images and words stay byte for byte. Only
for a model that has tokens for whole texts, every text of a chat is (`spoken`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from app.errors import BadRequest
from app.operations import Dialect
from app.wire import Members, Request
from scenes.blocks import Block, fenced, has_fence, whole

Blocks = Callable[[str], Iterator[Block]]
"""Which parts of a text are data."""

_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)

_LIST: Mapping[Dialect, str] = {"chat": "messages", "messages": "messages", "responses": "input"}
_TEXT_PARTS = frozenset((b'"text"', b'"input_text"'))
_TOOLS = frozenset((b'"tool"', b'"function"'))


@dataclass(frozen=True, slots=True)
class Place:
    """A JSON string in a request's body, from byte `start` to before `end`, and what of its text is data."""

    start: int
    end: int
    blocks: Blocks

    def fits(self, said: str) -> bool:
        """Whether a block that is said like this still ends where it ended."""
        return self.blocks is not fenced or not has_fence(said)


def places(request: Request, dialect: Dialect, least_bytes: int) -> Iterator[Place]:
    """Every place of at least so many bytes, in order. A message that names a member twice is passed over."""
    name = _LIST.get(dialect)
    span = None if name is None else request.members.spans.get(name)
    if span is None:
        return
    for start, item in _each(request.members.body, span, least_bytes):
        try:
            yield from _in_item(Members.of(item), start, least_bytes)
        except BadRequest:
            continue


def spoken(request: Request) -> Iterator[Place]:
    """Every text of a chat's messages, whoever says it, in order. A message that names a member twice is passed over."""
    span = request.members.spans.get("messages")
    for start, item in _each(request.members.body, span, 1) if span else ():
        try:
            yield from _content(Members.of(item), "content", start, 1, whole)
        except BadRequest:
            continue


def spliced(request: Request, texts: Sequence[tuple[Place, str]]) -> Request:
    """The request with these texts at these places, one at least, which are all in one of its members; every other byte as it
    was.
    """
    members, first = request.members, texts[0][0].start
    [(name, (position, end))] = [each for each in members.spans.items() if each[1][0] <= first < each[1][1]]
    pieces: list[bytes] = []
    for place, text in texts:
        pieces += (members.body[position : place.start], msgspec.json.encode(text))
        position = place.end
    pieces.append(members.body[position:end])
    return replace(request, members=members.changed({name: b"".join(pieces)}))


def text_of(body: bytes, place: Place) -> str | None:
    """The text there; None where it holds what UTF-8 cannot."""
    try:
        return _text.decode(body[place.start : place.end])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _each(body: bytes, span: tuple[int, int], least_bytes: int) -> Iterator[tuple[int, bytes]]:
    """The long items of the array there, each with its place."""
    try:
        items = _items.decode(memoryview(body)[span[0] : span[1]])
    except msgspec.DecodeError:  # a text where an array may stand
        return
    position = span[0]
    for item in items:
        raw = bytes(item)
        position = body.index(raw, position)
        if len(raw) >= least_bytes:
            yield position, raw
        position += len(raw)


def _in_item(item: Members, offset: int, least_bytes: int) -> Iterator[Place]:
    """The places of a message, of an item of the Responses API, or of a part that holds what a tool gave back."""
    role, kind = item.raw("role"), item.raw("type")
    if kind == b'"function_call_output"':
        yield from _content(item, "output", offset, least_bytes, whole)
    elif role in _TOOLS or kind == b'"tool_result"':
        yield from _content(item, "content", offset, least_bytes, whole)
    elif role == b'"user"':
        yield from _content(item, "content", offset, least_bytes, fenced)


def _content(holder: Members, name: str, offset: int, least_bytes: int, blocks: Blocks) -> Iterator[Place]:
    span = holder.spans.get(name)
    if span is None or span[1] - span[0] < least_bytes:
        return
    start, end = span
    if holder.body[start : start + 1] == b'"':
        yield Place(offset + start, offset + end, blocks)
        return
    for at, raw in _each(holder.body, span, least_bytes):
        part = Members.of(raw)
        if part.raw("type") in _TEXT_PARTS:
            yield from _content(part, "text", offset + at, least_bytes, blocks)
        elif part.raw("type") == b'"tool_result"' and blocks is fenced:
            yield from _in_item(part, offset + at, least_bytes)

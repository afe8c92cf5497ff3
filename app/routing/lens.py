"""A system text put before a request's own, in each dialect; every other byte stays as it was. Pure."""

import re
from dataclasses import replace

import msgspec

from app.errors import BadRequest
from app.estimate import BYTES_A_TOKEN
from app.operations import Operation
from app.wire import Members, Request

_SYSTEM = frozenset((b'"system"', b'"developer"'))
_LENSED = frozenset(("chat", "responses", "messages"))
"""The dialects that have a place for a system text."""
_BETWEEN = "\n\n"
_EMPTY = re.compile(rb"\[[ \t\r\n]*\]")

_items = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def lensed(request: Request, operation: Operation, text: str) -> Request:
    """The request with `text` at the beginning of its system text; as it was where the operation has none.

    A system text that is neither a string, nor parts, nor absent is left for the upstream to judge.
    """
    members = request.members
    if not text:
        return request
    match operation.dialect:
        case "chat":
            changed = {"messages": _messages(members.raw("messages") or b"[]", text)}
        case "responses":
            changed = {"instructions": _before(members.raw("instructions") or b"null", text)}
        case "messages":
            changed = {"system": _before(members.raw("system") or b"null", text)}
        case _:
            return request
    return replace(request, members=members.changed(changed))


def added_tokens(operation: Operation, text: str) -> int:
    """An estimate of the tokens that a prompt has more of with this lens."""
    if not text or operation.dialect not in _LENSED:
        return 0
    return -(-len((text + _BETWEEN).encode()) // BYTES_A_TOKEN)


def _messages(array: bytes, text: str) -> bytes:
    """The array with the text in its first message, where that is the system's, else in a new one before it."""
    messages = _items.decode(array)
    if messages:
        first = bytes(messages[0])
        start = array.index(first[:1], 1)  # only white space stands before it
        changed = _system_message(first, text)
        if changed is not None:
            return b"".join((array[:start], changed, memoryview(array)[start + len(first) :]))
    return _with_first(array, msgspec.json.encode({"role": "system", "content": text}))


def _system_message(message: bytes, text: str) -> bytes | None:
    """The message with the text before its own; None where it is not the system's, or has no content."""
    if not message.startswith(b"{"):
        return None
    members = _members.decode(message)
    if bytes(members.get("role", b"")) not in _SYSTEM:
        return None
    content = bytes(members.get("content", b"null"))
    if content == b"null":
        return None
    return _with_content(message, _before(content, text))


def _with_content(message: bytes, content: bytes) -> bytes:
    """The message with this content. Of members with one name JSON's last one counts: where one is there twice, it
    comes behind them all.
    """
    try:
        return Members.of(message).replaced({"content": content})
    except BadRequest:
        return b"".join((message[:-1], b',"content":', content, b"}"))


def _before(value: bytes, text: str) -> bytes:
    """A system text (JSON) with this text before it."""
    if value == b"null":
        return msgspec.json.encode(text)
    if value.startswith(b'"'):
        return msgspec.json.encode(text + _BETWEEN)[:-1] + value[1:]
    if value.startswith(b"["):
        return _with_first(value, msgspec.json.encode({"type": "text", "text": text}))
    return value


def _with_first(array: bytes, item: bytes) -> bytes:
    """The array with one more item in front."""
    comma = b"" if _EMPTY.match(array) else b","
    return b"".join((b"[", item, comma, memoryview(array)[1:]))

"""Where a chat's system text stands, and a text put before it or behind it; every other byte stays as it was. Pure."""

import re
from collections.abc import Callable

import msgspec

from app.errors import BadRequest
from app.wire import Members

BETWEEN = "\n\n"
"""Stands between two texts."""
Put = Callable[[bytes, str], bytes]
"""What puts a text to a system text, which is JSON."""

_SYSTEM = frozenset((b'"system"', b'"developer"'))
_EMPTY = re.compile(rb"\[[ \t\r\n]*\]")

_items = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def in_messages(array: bytes, text: str, put: Put) -> bytes:
    """The array with the text put to its first message, where that is the system's, else in a new one before it."""
    messages = _items.decode(array)
    if messages:
        first = bytes(messages[0])
        start = array.index(first[:1], 1)  # only white space stands before it
        changed = _system_message(first, text, put)
        if changed is not None:
            return b"".join((array[:start], changed, memoryview(array)[start + len(first) :]))
    return _with_first(array, msgspec.json.encode({"role": "system", "content": text}))


def before(value: bytes, text: str) -> bytes:
    """A system text (JSON) with this text before it.

    One that is neither a string, nor parts, nor null is left for the upstream to judge.
    """
    if value == b"null":
        return msgspec.json.encode(text)
    if value.startswith(b'"'):
        return msgspec.json.encode(text + BETWEEN)[:-1] + value[1:]
    if value.startswith(b"["):
        return _with_first(value, msgspec.json.encode({"type": "text", "text": text}))
    return value


def behind(value: bytes, text: str) -> bytes:
    """The same with this text behind it."""
    if value == b"null":
        return msgspec.json.encode(text)
    if value.startswith(b'"'):
        return value[:-1] + msgspec.json.encode(BETWEEN + text)[1:]
    if value.startswith(b"["):
        return _with_last(value, msgspec.json.encode({"type": "text", "text": text}))
    return value


def _system_message(message: bytes, text: str, put: Put) -> bytes | None:
    """The message with the text put to its own; None where it is not the system's, or has no content."""
    if not message.startswith(b"{"):
        return None
    members = _members.decode(message)
    if bytes(members.get("role", b"")) not in _SYSTEM:
        return None
    content = bytes(members.get("content", b"null"))
    if content == b"null":
        return None
    return _with_content(message, put(content, text))


def _with_content(message: bytes, content: bytes) -> bytes:
    """The message with this content. Of members with one name JSON's last one counts: where one is there twice, it
    comes behind them all.
    """
    try:
        return Members.of(message).replaced({"content": content})
    except BadRequest:
        return b"".join((message[:-1], b',"content":', content, b"}"))


def _with_first(array: bytes, item: bytes) -> bytes:
    """The array with one more item in front."""
    comma = b"" if _EMPTY.match(array) else b","
    return b"".join((b"[", item, comma, memoryview(array)[1:]))


def _with_last(array: bytes, item: bytes) -> bytes:
    """The array with one more item at its end."""
    comma = b"" if _EMPTY.match(array) else b","
    return b"".join((memoryview(array)[:-1], comma, item, b"]"))

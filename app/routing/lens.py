"""A system text put before a request's own, in each dialect; every other byte stays as it was. Pure."""

from dataclasses import replace

from app.estimate import BYTES_A_TOKEN
from app.operations import Operation
from app.system_text import BETWEEN, before, in_messages
from app.wire import Request

_LENSED = frozenset(("chat", "responses", "messages"))
"""The dialects that have a place for a system text."""


def lensed(request: Request, operation: Operation, text: str) -> Request:
    """The request with `text` at the beginning of its system text; as it was where the operation has none.

    A system text that is neither a string, nor parts, nor absent is left for the upstream to judge.
    """
    members = request.members
    if not text:
        return request
    match operation.dialect:
        case "chat":
            changed = {"messages": in_messages(members.raw("messages") or b"[]", text, before)}
        case "responses":
            changed = {"instructions": before(members.raw("instructions") or b"null", text)}
        case "messages":
            changed = {"system": before(members.raw("system") or b"null", text)}
        case _:
            return request
    return replace(request, members=members.changed(changed))


def added_tokens(operation: Operation, text: str) -> int:
    """An estimate of the tokens that a prompt has more of with this lens."""
    if not text or operation.dialect not in _LENSED:
        return 0
    return -(-len((text + BETWEEN).encode()) // BYTES_A_TOKEN)

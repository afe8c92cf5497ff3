"""How many tokens a call has, where the upstream did not say, or has not been asked yet."""

from collections.abc import Iterator
from typing import Any

import msgspec

from app.contracts import Call, Route
from app.wire import Members

BYTES_A_TOKEN = 4
"""OpenAI's rule of thumb for English; other languages have fewer bytes a token, code has about as many."""

_PROMPTS = ("messages", "prompt", "input", "system", "instructions")
_OUTPUT_BOUNDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_TEXTS = ("content", "text")


def input_tokens(call: Call) -> int:
    """An estimate: the bytes of the prompt's texts, by four. Images and tools are not counted."""
    members = call.request.members
    spans = members.spans
    size = 0
    for name in _PROMPTS:
        if name in spans:
            size += _size(members, name)
    return -(-size // BYTES_A_TOKEN)


def output_tokens(call: Call, route: Route, unbounded: int) -> int:
    """The most that the answers may have: the client's bound, else the route's, else `unbounded`; for each of `n`."""
    if not call.operation.streams:  # nothing is written there: vectors, ranks, counts
        return 0
    members, spans = call.request.members, call.request.members.spans
    for name in _OUTPUT_BOUNDS:
        if name in spans:
            bound = _whole(members, name, unbounded)
            break
    else:
        default = route.defaults.get("max_tokens", b"")
        bound = int(default) if default.isdigit() else unbounded
    if "n" in spans or "best_of" in spans:
        bound *= max(_whole(members, "n", 1), _whole(members, "best_of", 1), 1)
    return bound


def _whole(members: Members, name: str, default: int) -> int:
    """A member that is a whole number; the default where it is something else, which the upstream will judge."""
    raw = members.raw(name)
    return int(raw) if raw is not None and raw.isdigit() and len(raw) < 16 else default


def _size(members: Members, name: str) -> int:
    try:
        return sum(len(text.encode()) for text in _texts(members.value(name)))
    except msgspec.DecodeError:  # a number beyond all bounds: it was not looked at before
        return len(members.raw(name) or b"")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name in _TEXTS:
            yield from _texts(value.get(name))

"""How many tokens a call has, where the upstream did not say, or has not been asked yet."""

from typing import Any

import msgspec

from app.contracts import Call, Route
from app.usage import MAX_TOKENS
from app.wire import Members

BYTES_A_TOKEN = 4
"""OpenAI's rule of thumb for English; other languages have fewer bytes a token, code has about as many."""

_PROMPTS = frozenset((
    "messages",
    "prompt",
    "suffix",
    "input",
    "system",
    "instructions",
    "query",
    "documents",
))
_TOOLS = frozenset(("tools", "functions"))
"""Upstreams write these into the prompt much as they are."""

_OUTPUT_BOUNDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_TEXTS = frozenset((
    *("content", "text", "refusal"),
    *("tool_calls", "function_call", "function", "arguments", "output"),
    *("reasoning_content", "reasoning", "thinking", "summary"),
))
"""Where a message, or a part of one, has its texts."""


def input_tokens(call: Call) -> int:
    """An estimate: the bytes of the prompt's texts and tools, by four; of a prompt in tokens, these. Images are not counted."""
    members = call.request.members
    size = 0
    for name, (start, end) in members.spans.items():
        if name in _PROMPTS:
            size += _size(members, name)
        elif name in _TOOLS:
            size += end - start
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
    return min(bound, MAX_TOKENS)


def _whole(members: Members, name: str, default: int) -> int:
    """A member that is a whole number; the default where it is something else, which the upstream will judge."""
    raw = members.raw(name)
    if raw is None or not raw.isdigit():
        return default
    return int(raw) if len(raw) < 16 else MAX_TOKENS


def _size(members: Members, name: str) -> int:
    try:
        return _bytes(members.value(name))
    except msgspec.DecodeError:  # a number beyond all bounds: it was not looked at before
        return len(members.raw(name) or b"")


def _bytes(value: Any) -> int:
    """The bytes of a prompt's texts; a number stands for a token."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list):
        return sum(map(_bytes, value))
    if isinstance(value, dict):
        size = 0
        for name, inner in value.items():
            if name in _TEXTS:
                size += _bytes(inner)
            elif name == "input":
                size += _all_bytes(inner)
        return size
    return BYTES_A_TOKEN if isinstance(value, int) else 0


def _all_bytes(value: Any) -> int:
    """The same of what a tool was called with, whose names are its own."""
    if isinstance(value, dict):
        return sum(map(_all_bytes, value)) + sum(map(_all_bytes, value.values()))
    return sum(map(_all_bytes, value)) if isinstance(value, list) else _bytes(value)

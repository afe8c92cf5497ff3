"""How many tokens a prompt has, where the upstream did not say."""

from collections.abc import Iterator
from typing import Any

import msgspec

from app.contracts import Call
from app.wire import Members

BYTES_A_TOKEN = 4
"""OpenAI's rule of thumb for English; other languages have fewer bytes a token, code has about as many."""

_PROMPTS = ("messages", "prompt", "input", "system", "instructions")
_TEXTS = ("content", "text")


def input_tokens(call: Call) -> int:
    """An estimate: the bytes of the prompt's texts, by four. Images and tools are not counted."""
    members = call.request.members
    size = sum(_size(members, name) for name in _PROMPTS if members.has(name))
    return -(-size // BYTES_A_TOKEN)


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

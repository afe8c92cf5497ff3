"""A model's thoughts under both names that clients look for: `reasoning` and `reasoning_content`.

vLLM writes the first since 0.12 and Ollama always did, Nebius, llama.cpp and older servers write the second.
"""

import re

import msgspec

from app import sse
from app.wire import Members

MARK = b'"reasoning'
"""What stands in every piece that holds thoughts: all others pass after one search."""

_NAMES = ("reasoning", "reasoning_content")
_SAID = re.compile(rb'"reasoning(?:_content)?"[ \t\r\n]*:[ \t\r\n]*"(?!")')
_LONE = re.compile(
    rb'"delta":\{(?:"(?:role|content)":(?:null|"[^"\\]*"),)*"(reasoning(?:_content)?)":("(?:[^"\\]++|\\.)++")\}'
)
"""A delta as most servers write it: with a thought, and nothing behind it. Six times as fast as reading it (4 us where reading an event takes 3.8)."""
_HOLDER = re.compile(rb'"(?:delta|message)"[ \t\r\n]*:[ \t\r\n]*(?=\{)')


class _Choice(msgspec.Struct, gc=False):
    delta: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct, gc=False):
    choices: list[_Choice] = []


_answer = msgspec.json.Decoder(_Answer)


def named_twice(piece: bytes, *, stream: bool) -> bytes:
    """The whole events of a stream, or the body of a plain answer, with each thought under both names.

    Every other byte stays as it was; so does all of it where there is no thought, or both names are there.
    """
    quick, count = _LONE.subn(_both, piece)
    if count == len(_SAID.findall(piece)):
        return quick
    return b"".join(map(_event, sse.split(piece))) if stream else _body(piece)


def _both(delta: re.Match[bytes]) -> bytes:
    other = b"reasoning" if delta[1] == b"reasoning_content" else b"reasoning_content"
    return b'%b,"%b":%b}' % (delta[0][:-1], other, delta[2])


def _event(event: bytes) -> bytes:
    payload = sse.data(event)
    if _SAID.search(payload) is None:
        return event
    body = _body(payload)
    return event.replace(payload, body, 1) if payload in event else sse.write(body)


def _body(body: bytes) -> bytes:
    try:
        choices = _answer.decode(body).choices
    except (msgspec.DecodeError, RecursionError):  # of another shape than OpenAI's
        return body
    pieces: list[bytes] = []
    position = 0
    for choice in choices:
        holder = bytes(choice.delta or choice.message)
        missing = _missing(holder)
        if missing:
            start = _place(body, holder, position)
            pieces += (body[position:start], Members.of(holder).replaced(missing))
            position = start + len(holder)
    return b"".join([*pieces, body[position:]])


def _missing(holder: bytes) -> dict[str, bytes]:
    """The name that this delta or message lacks, with the thought that stands under the other."""
    if _SAID.search(holder) is None:
        return {}
    members = Members.of(holder)
    said = {name: raw for name in _NAMES if (raw := members.raw(name)) not in {None, b"null", b'""'}}
    return {name: next(iter(said.values())) for name in _NAMES if name not in said} if len(said) == 1 else {}


def _place(body: bytes, holder: bytes, position: int) -> int:
    return next(
        found.end() for found in _HOLDER.finditer(body, position) if body.startswith(holder, found.end())
    )

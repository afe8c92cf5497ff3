"""A model's thoughts under both names that clients look for: `reasoning` and `reasoning_content`.

vLLM writes the first since 0.12 and Ollama always did, Nebius, llama.cpp and older servers write the second.
"""

import re

import msgspec

from app import sse
from app.errors import BadRequest
from app.wire import Members

MARK = b'"reasoning'
"""What stands in every piece that holds thoughts: all others pass after one search."""

_NAMES = ("reasoning", "reasoning_content")
_SAID = re.compile(rb'"reasoning(?:_content)?"[ \t\r\n]*:[ \t\r\n]*"(?!")')
_LONE = re.compile(
    rb'"delta":\{(?:"(?:role|content)":(?:null|"[^"\\]*"),)*"(reasoning(?:_content)?)":("(?:[^"\\]++|\\.)++")\}'
)
"""A delta as most servers write it: with a thought, and nothing behind it. Six times as fast as reading it (4 us where reading an event takes 3.8)."""


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
    """One JSON object; it stays as it is where it has another shape than OpenAI's, or names a member twice."""
    try:
        holders = [bytes(choice.delta or choice.message) for choice in _answer.decode(body).choices]
        named = [(holder, _named(holder)) for holder in holders if _SAID.search(holder)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, BadRequest):
        return body
    pieces: list[bytes] = []
    position = 0
    for holder, whole in named:
        start = body.index(holder, position)
        pieces += (body[position:start], whole)
        position = start + len(holder)
    return b"".join([*pieces, body[position:]])


def _named(holder: bytes) -> bytes:
    """A delta or message, with what it says under one name alone under the other as well."""
    members = Members.of(holder)
    said = {name: raw for name in _NAMES if (raw := members.raw(name)) not in {None, b"null", b'""'}}
    if len(said) != 1:
        return holder
    (thought,) = said.values()
    return members.replaced({name: thought for name in _NAMES if name not in said})

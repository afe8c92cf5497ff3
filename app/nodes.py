"""JSON values that are opened only as far as one looks into them, and no further than a bound. Pure.

A short text is decoded as it is. In a long one strings stay where they are, and what is opened is bounded: 25,000 objects
or so, six arrays and objects in each other. What is beyond is one text, as it stands.
"""

import random
import re
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import msgspec

from app.wire import Members

SHORT_BYTES = 2**15
"""Of a member that is decoded whole; of a longer text, half of this at either end is what can be read."""
MOST_DEPTH = 6
"""Messages, their parts, and the parts of a tool's answer, each an array and its objects; each is read once again."""

_MOST_QUOTES = 200_000
"""Around the strings of a text that is opened; a message has eight."""
_MOST_EMPTY = 50_000
_LONGEST_WORD = 100
_LONGEST_ESCAPE = 12
"""Bytes: two halves of a character beyond the first 65,536."""

_SAMPLES, _SAMPLE_BYTES = 32, 512
_PLACES = [random.random() for _ in range(_SAMPLES)]  # noqa: S311 - nobody outside sees what comes of it
"""Where in each part a sample is taken that shall not be foreseen."""

_QUOTED, _ARRAY, _OBJECT = b'"[{'
_QUOTE = re.compile(rb'"')
_BARE_QUOTE = re.compile(rb'"(?<!\\")')
_ONE_BYTE = re.compile(rb"\\u00[0-7]")
_THREE_BYTES = re.compile(rb"\\u(?!0[0-7]|[dD][89a-fA-F])")
_EMPTY_OBJECT = re.compile(rb"\{[ \t\r\n]*\}")

_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Text:
    """A string as JSON has it, with its quotes; or anything that is taken for one."""

    raw: memoryview

    def head(self, most_bytes: int) -> str:
        """What it begins with."""
        part = bytes(self.raw[1:-1][:most_bytes])
        return _read([part[: len(part) - cut] for cut in range(_LONGEST_ESCAPE)])

    def tail(self, most_bytes: int) -> str:
        """What it ends with."""
        part = bytes(self.raw[1:-1][-most_bytes:])
        return _read([part[cut:] for cut in range(_LONGEST_ESCAPE)])


@dataclass(frozen=True, slots=True)
class Numbers:
    """An array without a string: of so many numbers."""

    count: int


def node(members: Members, name: str) -> Any:
    """A member's value, opened; decoded where it is short. None where it is absent."""
    start, end = members.spans.get(name, (0, 0))
    raw = memoryview(members.body)[start:end]
    if len(raw) > SHORT_BYTES:
        return Text(raw) if _has_many(raw) else _opened(raw, 0)
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError:  # a number beyond all bounds, which the upstream will judge
        return Text(raw)


def opened(value: Any, depth: int) -> Any:
    """A node as a text, numbers, a list, or an object of nodes; `depth` is how many were opened around it."""
    return _opened(memoryview(value), depth) if isinstance(value, msgspec.Raw) else value


def _opened(raw: memoryview, depth: int) -> Any:
    first = raw[0]
    if first == _QUOTED:
        return Text(raw)
    if first == _ARRAY and _QUOTE.search(raw) is None:
        return _numbers(raw)
    if first in (_ARRAY, _OBJECT):
        return _container(raw) if depth < MOST_DEPTH else Text(raw)
    return None if first in b"ntf" else Numbers(1)


def word(value: Any) -> str:
    """A node that is a short string; "" for any other."""
    if isinstance(value, str):
        return value
    if (
        not isinstance(value, msgspec.Raw)
        or len(raw := memoryview(value)) > _LONGEST_WORD
        or raw[0] != _QUOTED
    ):
        return ""
    return _string.decode(raw)


def size_bytes(texts: Sequence[Text]) -> int:
    """Of texts in UTF-8; where they are long and have escapes, by what samples of them stand for."""
    size = sum(len(text.raw) - 2 for text in texts)
    samples = _samples([text.raw for text in texts])
    return size * _unescaped(samples) // len(samples) if samples else 0


def _numbers(raw: memoryview) -> Numbers:
    """By commas, in samples of a long array."""
    samples = _samples([raw])
    return Numbers(len(raw) * samples.count(b",") // len(samples) + 1)


def _container(raw: memoryview) -> list[dict[str, msgspec.Raw]] | dict[str, msgspec.Raw] | Text:
    """An object, or an array of them; any other array is one text."""
    if raw[0] == _OBJECT:
        return _object.decode(raw)
    try:
        return _objects.decode(raw)
    except msgspec.ValidationError:
        return Text(raw)


def _has_many(raw: memoryview) -> bool:
    """Whether it has too many values to look at: strings, of which each member has one, or empty objects.

    By samples at places that nobody can foresee, since to count them takes longer than all the rest.
    """
    samples = _samples([raw], _PLACES)
    quotes, empty = (len(mark.findall(samples)) for mark in (_BARE_QUOTE, _EMPTY_OBJECT))
    times = len(raw) / len(samples)
    return quotes * times > _MOST_QUOTES or empty * times > _MOST_EMPTY


def _samples(raws: Sequence[memoryview], places: Sequence[float] = (0.5,) * _SAMPLES) -> bytes:
    """Of all these, one behind the other, in as many parts as there are places: at its place in each. All of it, where it
    is short.
    """
    ends = [*accumulate(map(len, raws))]
    if not ends or ends[-1] <= SHORT_BYTES:
        return b"".join(raws)
    found = []
    for part, place in enumerate(places):
        at = int((part + place) * ends[-1] / len(places))
        number = bisect(ends, at)
        start = at - ends[number]  # from behind
        found.append(bytes(raws[number][start:][:_SAMPLE_BYTES]))
    return b"".join(found)


def _unescaped(text: bytes) -> int:
    r"""Bytes of UTF-8 that this part of a string stands for: `\u` and four digits are mostly two (half of an emoji, too)."""
    if b"\\" not in text:
        return len(text)
    text = text.replace(b"\\\\", b"/")
    points = text.count(b"\\u")
    more = len(_THREE_BYTES.findall(text)) - len(_ONE_BYTE.findall(text)) if points else 0
    return len(text) - text.count(b"\\") - 3 * points + more


def _read(parts: Sequence[bytes]) -> str:
    """The first of these that is cut through no escape; as it stands, where what was taken for a string is none."""
    for part in parts:
        text = _BARE_QUOTE.sub(b" ", part).decode(errors="ignore")
        try:
            return _string.decode(f'"{text}"')
        except msgspec.DecodeError:
            continue
    return parts[0].replace(b'"', b" ").decode(errors="ignore")

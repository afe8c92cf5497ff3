"""Server-sent events and identifiers, as the answers of the dialects carry them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import uuid4

import msgspec

DONE = b"data: [DONE]\n\n"

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


def data(value: Any) -> bytes:
    return b"data: %b\n\n" % _encode(value)


def named(value: dict[str, Any]) -> bytes:
    """An event that has its type as its name."""
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), _encode(value))


class Frame:
    """What all chunks of a stream have in common, encoded once; each holds one choice.

    `announces` says that a chunk with the usage follows: until then its place is null.
    """

    def __init__(self, envelope: Mapping[str, Any], *, announces: bool) -> None:
        self._head = b"data: " + _encode(envelope)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if announces else b"]}\n\n"

    def chunk(self, choice: Any) -> bytes:
        return self._head + _encode(choice) + self._tail


def plain(value: Any) -> bytes:
    return _encode(value)


def fresh(prefix: str) -> str:
    """A new identifier."""
    return prefix + uuid4().hex


def interleaved(sequences: Sequence[Iterator[T]]) -> Iterator[T]:
    """One of each in turn, the way choices that are made together arrive."""
    if len(sequences) == 1:
        return sequences[0]
    return (item for row in zip_longest(*sequences) for item in row if item is not None)

"""Server-sent events and identifiers, as the answers of the dialects carry them."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, TypeVar
from uuid import uuid4

import msgspec

DONE = b"data: [DONE]\n\n"

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_encode = _encoder.encode


def data(value: Any) -> bytes:
    return b"data: %b\n\n" % _encode(value)


def named(value: dict[str, Any]) -> bytes:
    """An event that has its type as its name."""
    return b"event: %b\ndata: %b\n\n" % (value["type"].encode(), _encode(value))


def plain(value: Any) -> bytes:
    return _encode(value)


def fresh(prefix: str) -> str:
    """A new identifier."""
    return prefix + uuid4().hex


def interleaved(sequences: Sequence[Sequence[T]]) -> Iterator[T]:
    """One of each in turn, the way choices that are made together arrive."""
    for row in zip_longest(*sequences):
        for item in row:
            if item is not None:
                yield item

"""Content encodings of upstream answers, undone piece by piece: gzip, deflate, br, zstd."""

import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

import brotli
import zstandard


class Malformed(Exception):
    """The body is not what its content-encoding says."""


class Decompressor(Protocol):
    def feed(self, data: bytes) -> bytes: ...


class Zlib:
    """gzip and zlib alike (window bits + 32: the header tells which)."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def feed(self, data: bytes) -> bytes:
        try:
            return self._inner.decompress(data)
        except zlib.error as error:
            raise Malformed(str(error)) from None


class Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def feed(self, data: bytes) -> bytes:
        try:
            return bytes(self._inner.process(data))
        except brotli.error as error:
            raise Malformed(str(error)) from None


class Zstd:
    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor().decompressobj()

    def feed(self, data: bytes) -> bytes:
        try:
            return self._inner.decompress(data)
        except zstandard.ZstdError as error:
            raise Malformed(str(error)) from None


DECOMPRESSORS: Mapping[bytes, Callable[[], Decompressor]] = {
    b"gzip": Zlib,
    b"x-gzip": Zlib,
    b"deflate": Zlib,
    b"br": Brotli,
    b"zstd": Zstd,
}


def decompressor(encoding: bytes) -> Decompressor | None:
    """What undoes this content-encoding; None for identity. Raises Malformed for an unknown one."""
    name = encoding.strip().lower()
    if name in {b"", b"identity"}:
        return None
    make = DECOMPRESSORS.get(name)
    if make is None:
        raise Malformed("unknown content-encoding")
    return make()

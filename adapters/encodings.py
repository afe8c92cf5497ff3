"""Content encodings of upstream answers, undone piece by piece: gzip, deflate, br, zstd."""

import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

import brotli
import zstandard

MAX_STEP_BYTES = 32 * 1024 * 1024
"""What the bytes of one read may become."""
ZSTD_BYTES = 256


class Malformed(Exception):
    """The body is not what its content-encoding says."""


class Decompressor(Protocol):
    def feed(self, data: bytes) -> bytes: ...


class Zlib:
    """gzip and zlib alike (window bits + 32: the header tells which); a body may have several members."""

    def __init__(self) -> None:
        self._inner = _zlib()

    def feed(self, data: bytes) -> bytes:
        made = bytearray()
        try:
            while data:
                if self._inner.eof:
                    self._inner = _zlib()
                made += self._inner.decompress(data, MAX_STEP_BYTES + 1 - len(made))
                _bounded(len(made))
                data = self._inner.unconsumed_tail or self._inner.unused_data
        except zlib.error as error:
            raise Malformed(str(error)) from None
        return bytes(made)


def _zlib() -> "zlib._Decompress":
    return zlib.decompressobj(zlib.MAX_WBITS | 32)


class Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def feed(self, data: bytes) -> bytes:
        try:
            made = bytes(self._inner.process(data, output_buffer_limit=MAX_STEP_BYTES))
        except brotli.error as error:
            raise Malformed(str(error)) from None
        if not self._inner.can_accept_more_data():
            _bounded(MAX_STEP_BYTES + 1)
        return made


class Zstd:
    """The library sets no bound, but a block of at least 4 bytes makes at most 128 KiB: so little goes in at once."""

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor().decompressobj()

    def feed(self, data: bytes) -> bytes:
        made = bytearray()
        try:
            for start in range(0, len(data), ZSTD_BYTES):
                made += self._inner.decompress(data[start : start + ZSTD_BYTES])
                _bounded(len(made))
        except zstandard.ZstdError as error:
            raise Malformed(str(error)) from None
        return bytes(made)


def _bounded(size: int) -> None:
    if size > MAX_STEP_BYTES:
        raise Malformed("expands to more than a read may hold")


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

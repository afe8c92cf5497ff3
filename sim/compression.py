"""Bodies made smaller, piece by piece."""

import zlib
from typing import Any

import brotli
import zstandard


def compressor(encoding: str) -> Any:
    """What has `compress` and `flush`; None for no encoding."""
    if encoding == "gzip":
        return zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    if encoding == "deflate":
        return zlib.compressobj()
    if encoding == "zstd":
        return zstandard.ZstdCompressor().compressobj()
    return _Brotli() if encoding == "br" else None


def compressed(encoding: str, body: bytes) -> bytes:
    made = compressor(encoding)
    if made is None:
        return body
    squeezed: bytes = made.compress(body) + made.flush()
    return squeezed


class _Brotli:
    """brotli's compressor under the names that zlib's has."""

    def __init__(self) -> None:
        self._inner = brotli.Compressor()

    def compress(self, data: bytes) -> bytes:
        return bytes(self._inner.process(data))

    def flush(self) -> bytes:
        return bytes(self._inner.finish())

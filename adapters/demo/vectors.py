"""Texts as unit vectors: hashed words and parts of words, so that texts with much in common point the same way."""

import math
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

DIMENSIONS = 64
MAX_DIMENSIONS = 4096
_WORD = re.compile(r"[^\W_]+")
_GRAM = 3
_WORD_WEIGHT = 2.0
_SIGN_BIT = 1 << 31


def vector(text: str, dimensions: int = DIMENSIONS) -> Sequence[float]:
    """A vector of length one; its numbers are what a 32-bit float can hold."""
    sums = [0.0] * dimensions
    for feature, weight in _features(text):
        digest = zlib.crc32(feature.encode())
        sums[digest % dimensions] += weight if digest & _SIGN_BIT else -weight
    length = math.hypot(*sums)
    unit = [value / length for value in sums] if length else [1.0] + [0.0] * (dimensions - 1)
    return struct.unpack(f"<{dimensions}f", packed(unit))


def packed(values: Sequence[float]) -> bytes:
    """Little-endian 32-bit floats."""
    return struct.pack(f"<{len(values)}f", *values)


def likeness(first: Sequence[float], second: Sequence[float]) -> float:
    """The cosine of two unit vectors."""
    return math.fsum(a * b for a, b in zip(first, second, strict=True))


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Words and the trigrams inside them; what comes often counts more, but less each time."""
    words = Counter(_WORD.findall(text.casefold()))
    if not words:
        yield text, 1.0
    grams: Counter[str] = Counter()
    for word, times in words.items():
        yield word, _WORD_WEIGHT * (1 + math.log(times))
        edged = f"<{word}>"
        for start in range(len(edged) - _GRAM + 1):
            grams[edged[start : start + _GRAM]] += times
    for gram, times in grams.items():
        yield gram, 1 + math.log(times)

"""What a text is made of: words, pairs of words, how it opens and ends, runs of characters; each as a bucket's number. Pure.

A span hashes to the sum of its code points times rising powers of an odd number, modulo 2^32. With the sums kept, the
hash of any span is one difference and one product, so that all of them take a few steps over whole arrays. Python's own
`hash` would differ from process to process.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

HEAD, TAIL = 600, 300
"""Characters of a longer text that are read: where it begins and where it ends, it says what it wants."""
BITS = 18
"""Of a bucket's number: of 50,000 n-grams, one in six shares its bucket. More were no better, and fell out of the cache."""
ORDERS = (4,)
"""Characters in a run. A text begins and ends with a space, so that runs know where words do."""
OPENING = 3
"""Words by which a text opens: one, two and three of them."""
LENGTHS = (0, 1, 2, 4, 7, 11, 17)
"""Up to so many words a text is of the same length; what is longer is long."""
FAMILIES = ("words", "pairs", "frame", "runs")
"""The frame of a text: how it opens, its last characters and its length."""

Hashes: TypeAlias = NDArray[np.uint32]
Places: TypeAlias = NDArray[np.intp]

_MOST = HEAD + TAIL + 1
_ENDING = 3
_BASE = 0x9E3779B1
_WORD, _PAIR, _FRAME, _RUN = (np.uint32(each) for each in (0x85EBCA6B, 0xC2B2AE35, 0x165667B1, 0x27D4EB2F))
"""Odd numbers, so that a word is not the run of the same characters."""
_FAMILY = np.arange(len(FAMILIES), dtype=np.uint32) << np.uint32(BITS)
_HALF, _REST = np.uint32(15), np.uint32(32 - BITS)
_ONE, _ZERO, _NINE = np.uint32(1), np.uint32(ord("0")), np.uint32(9)


def _powers(base: int) -> Hashes:
    found = [1]
    for _ in range(_MOST + 2):
        found.append(found[-1] * base % 2**32)
    return np.array(found, dtype=np.uint32)


_UP, _DOWN = _powers(_BASE), _powers(pow(_BASE, -1, 2**32))
_DOWN_WORD, _DOWN_PAIR = _DOWN * _WORD, _DOWN * _PAIR
_LETTERS = np.array([chr(point).isalnum() or chr(point) in "_'" for point in range(0x3100)] + [True])
"""Which code points are of words. Those above are: they are mostly of scripts without spaces."""


@dataclass(frozen=True, slots=True)
class Grams:
    """What a text is made of, one family after the other: `counts` says how many there are of each.

    A key is the number of the family times 2^BITS, plus the bucket. `words` are the places in `text` where each word
    begins and ends.
    """

    text: str
    words: tuple[Places, Places]
    keys: Hashes
    counts: Sequence[int]

    def distinct(self) -> Hashes:
        """Each key once, in rising order."""
        keys: Hashes = np.sort(self.keys)
        first = np.empty(len(keys), dtype=bool)
        first[:1] = True
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        return keys[first]

    def spans(self) -> Iterator[str]:
        """The text of each, in the order of the keys."""
        first, last = (each.tolist() for each in self.words)
        places = [*zip(first, last, strict=True), *zip(first[:-1], last[1:], strict=True)]
        places += [(0, end) for end in last[:OPENING]]
        places += [(max(len(self.text) - _ENDING, 0), len(self.text)), (0, 0)]
        for order in ORDERS:
            places += [(start, start + order) for start in range(len(self.text) - order + 1)]
        return (self.text[start:end] for start, end in places)


def normal(text: str) -> str:
    """The text as it is read: small letters, single spaces, of bounded length, between two spaces."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]} {text[-TAIL:]}"
    return f" {' '.join(text.casefold().split())[:_MOST]} "


def grams(text: str) -> Grams:
    """Everything that a text is made of. Digits count as zeros: 1.37 is as much a number as 2.05.

    Each call of numpy takes a microsecond, however little it does: so they are few, and write in place.
    """
    text = normal(text)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    points = np.where(points - _ZERO <= _NINE, _ZERO, points)
    sums = np.empty(len(points) + 1, dtype=np.uint32)
    sums[0] = 0
    np.add.accumulate((points + _ONE) * _UP[: len(points)], out=sums[1:])
    first, last = _words(points)
    words = len(first)
    frame = (*sums.take(last[:OPENING]).tolist(), _end(sums), bisect_left(LENGTHS, words))
    sizes = [max(len(points) + 1 - order, 0) for order in ORDERS]
    counts = (words, max(words - 1, 0), len(frame), sum(sizes))
    keys = np.empty(sum(counts), dtype=np.uint32)
    families = [*_parts(keys, counts)]
    _hash_words(sums, first, last, families)
    families[2][:] = frame
    families[2] *= _FRAME
    for order, run in zip(ORDERS, _parts(families[3], sizes), strict=True):
        np.subtract(sums[order:], sums[: len(run)], out=run)
        np.multiply(run, _DOWN[: len(run)], out=run)
    keys ^= keys >> _HALF
    keys *= _RUN
    keys >>= _REST
    for number, family in zip(_FAMILY, families, strict=True):
        np.add(family, number, out=family)
    return Grams(text, (first, last), keys, counts)


def _parts(whole: Hashes, sizes: Sequence[int]) -> Iterator[Hashes]:
    """The array in parts of these sizes, one behind the other; writing into one writes into the whole."""
    place = 0
    for size in sizes:
        yield whole[place : place + size]
        place += size


def _words(points: Hashes) -> tuple[Places, Places]:
    """Where each word begins and ends."""
    letters = _LETTERS.take(points, mode="clip")
    edges = np.flatnonzero(letters[1:] != letters[:-1])
    edges += 1
    return edges[::2], edges[1::2]


def _hash_words(sums: Hashes, first: Places, last: Places, families: Sequence[Hashes]) -> None:
    """Write the hashes of words and of their pairs into the first two families."""
    words, pairs = families[:2]
    if len(words):
        opens, closes = sums.take(first), sums.take(last)
        np.subtract(closes, opens, out=words)
        words *= _DOWN_WORD.take(first)
        np.subtract(closes[1:], opens[:-1], out=pairs)
        pairs *= _DOWN_PAIR.take(first[:-1])


def _end(sums: Hashes) -> int:
    """The hash of the last characters."""
    start = max(len(sums) - 1 - _ENDING, 0)
    return (int(sums[-1]) - int(sums[start])) * int(_DOWN[start]) % 2**32

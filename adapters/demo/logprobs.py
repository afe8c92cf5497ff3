"""Log probabilities that look like a model's: the same for the same tokens, and never more than one in sum."""

import math
import zlib
from collections.abc import Iterable

from msgspec import Struct

_LEAST_CERTAIN = 0.55
_CERTAINTIES = 1 << 16


class Likelihood(Struct, gc=False):
    """A token, how likely it was, and its bytes."""

    token: str
    logprob: float
    bytes: list[int]


class Entry(Likelihood, gc=False):
    """The token that was said, with the likeliest ones at its place."""

    top_logprobs: list[Likelihood]


_OTHERS = [
    (other, list(other.encode()))
    for other in (
        *(" the", " a", " and", " to", ",", ".", " of", " is", " in", " it", " you", " that"),
        *(" for", " this", " not", " with", " on", " be", " are", "\n", " or", " as"),
    )
]


def entries(pieces: Iterable[str], top: int) -> list[Entry]:
    """OpenAI's entry for each token, with the `top` likeliest tokens at its place."""
    return [entry(piece, top) for piece in pieces]


def entry(piece: str, top: int) -> Entry:
    digest = zlib.crc32(piece.encode())
    certainty = _LEAST_CERTAIN + (1 - _LEAST_CERTAIN) * (digest % _CERTAINTIES + 0.5) / _CERTAINTIES
    said = Likelihood(piece, round(math.log(certainty), 6), list(piece.encode()))
    likeliest = [said, *_rivals(piece, digest, certainty, top - 1)] if top else []
    return Entry(said.token, said.logprob, said.bytes, likeliest)


def _rivals(piece: str, digest: int, certainty: float, count: int) -> list[Likelihood]:
    """Other tokens, each half as likely as the one before; together they are less than what is left."""
    start = digest % len(_OTHERS)
    others = [other for other in _OTHERS[start:] + _OTHERS[:start] if other[0] != piece]
    left, halving = math.log(1 - certainty), math.log(2)
    return [
        Likelihood(token, round(left - rank * halving, 6), data)
        for rank, (token, data) in enumerate(others[:count], 1)
    ]

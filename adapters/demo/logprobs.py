"""Log probabilities that look like a model's: the same for the same tokens, and never more than one in sum."""

import math
import zlib
from collections.abc import Sequence
from typing import Any

_LEAST_CERTAIN = 0.55
_CERTAINTIES = 1 << 16
_OTHERS = (
    *(" the", " a", " and", " to", ",", ".", " of", " is", " in", " it", " you", " that"),
    *(" for", " this", " not", " with", " on", " be", " are", "\n", " or", " as"),
)


def entries(pieces: Sequence[str], top: int) -> list[dict[str, Any]]:
    """OpenAI's entry for each token, with the `top` likeliest tokens at its place."""
    return [_entry(piece, place, top) for place, piece in enumerate(pieces)]


def _entry(piece: str, place: int, top: int) -> dict[str, Any]:
    digest = zlib.crc32(piece.encode(), place)
    certainty = _LEAST_CERTAIN + (1 - _LEAST_CERTAIN) * (digest % _CERTAINTIES + 0.5) / _CERTAINTIES
    entry = _token(piece, certainty)
    rivals = _rivals(piece, digest, certainty, top - 1) if top > 1 else []
    return {**entry, "top_logprobs": [entry, *rivals] if top else []}


def _rivals(piece: str, digest: int, certainty: float, count: int) -> list[dict[str, Any]]:
    """Other tokens, each half as likely as the one before; together they are less than what is left."""
    start = digest % len(_OTHERS)
    others = [other for other in _OTHERS[start:] + _OTHERS[:start] if other != piece]
    return [_token(other, (1 - certainty) / 2 ** (rank + 1)) for rank, other in enumerate(others[:count])]


def _token(piece: str, probability: float) -> dict[str, Any]:
    return {"token": piece, "logprob": round(math.log(probability), 6), "bytes": list(piece.encode())}

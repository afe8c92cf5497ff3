"""Vectors of texts as OpenAI's API of embeddings has them: what is asked, and what was answered. Pure."""

import math
from array import array
from collections.abc import Sequence

import msgspec


class _Embedded(msgspec.Struct):
    embedding: list[float]
    index: int


class _Listed(msgspec.Struct):
    data: list[_Embedded]


_listed = msgspec.json.Decoder(_Listed)


def asked(model: str, texts: Sequence[str], dimensions: int | None = None) -> bytes:
    """The body that asks this model for a vector of each text, of so many dimensions or as many as it has."""
    length = {} if dimensions is None else {"dimensions": dimensions}
    return msgspec.json.encode({"model": model, "input": texts, **length})


def read(body: bytes, count: int) -> Sequence[Sequence[float]]:
    """The vectors in the order of the texts, as 32-bit floats.

    Raises ValueError where they are not so many, not of one length, or no numbers.
    """
    try:
        found = sorted(_listed.decode(body).data, key=lambda each: each.index)
        vectors = [array("f", each.embedding) for each in found]
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("the answer holds no vectors") from None
    if [each.index for each in found] != list(range(count)):
        raise ValueError(f"the answer holds {len(found)} vectors for {count} texts")
    if len({len(each) for each in vectors}) != 1 or not vectors[0]:
        raise ValueError("the answer's vectors are not all of one length")
    if not all(math.isfinite(number) for each in vectors for number in each):
        raise ValueError("the answer's vectors hold numbers that no 32-bit float can hold")
    return vectors

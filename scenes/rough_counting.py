"""The features of a text by which its tokens are counted roughly, and tables of their weights. numpy takes 0.1 s and
17 MiB: `scenes.rough` loads this when it counts for the first time.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.int64]

_KINDS: Sequence[Sequence[int]] = (
    range(ord("a"), ord("z") + 1),
    range(ord("A"), ord("Z") + 1),
    range(ord("0"), ord("9") + 1),
    *(b" ", b"\n\r", (*range(9), *b"\t\x0b\x0c", *range(14, 32), 127)),
    *(b".", b",", b":", b"/", b"-", b"_", b'"', b"'`", b"([{<", b")]}>", b"=", b"!#$%&*+;?@\\^|~"),
    *(
        (0xD0, 0xD1),
        (0xC2,),
        (*range(0xC0, 0xC2), *range(0xC3, 0xD0), *range(0xD2, 0xE0)),
        range(0xE0, 0xF0),
        range(0xF0, 0x100),
    ),
    range(0x80, 0xC0),
)
"""Kinds of UTF-8's bytes: letters, digits, spaces, punctuation, and what begins or goes on with a longer
character. 0xC2 begins signs like the § of codes, the others letters."""
KINDS = len(_KINDS)
LONG = (3, 6, 9, 14)
"""Letters in a row beyond these count apart: a long word is seldom one token."""
FEATURES = KINDS * KINDS + len(LONG) + 5


def _table() -> NDArray[np.uint8]:
    table = np.zeros(0x100, np.uint8)
    for kind, characters in enumerate(_KINDS):
        table[list(characters)] = kind
    return table


_KIND = _table()
_LETTER, _DIGIT, _SPACE = 0, 2, 3


def features(text: str) -> Vector:
    """What is counted in a text, FEATURES numbers: each pair of kinds, then long words, numbers, repetitions, indents."""
    codes = np.frombuffer(b" " + text.encode("utf-8", "replace"), np.uint8)
    kinds = _KIND[codes]
    before, after = kinds[:-1], kinds[1:]
    pairs = np.bincount(before * np.intp(KINDS) + after, minlength=KINDS * KINDS)
    letters = _runs(kinds == _LETTER)
    spaces = _runs(kinds == _SPACE)
    repeated = after[codes[1:] == codes[:-1]]
    rest = (
        *(np.maximum(letters - length, 0).sum() for length in LONG),
        ((_runs(kinds == _DIGIT) + 2) // 3).sum(),
        (repeated > _SPACE).sum(),
        (repeated == _SPACE).sum(),
        (spaces > 1).sum(),
        (spaces > 2).sum(),
    )
    return np.concatenate((pairs, rest)).astype(np.int64)


def _runs(held: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The lengths of runs of True. The text begins with a space, so that each run's beginning is seen."""
    edges = np.flatnonzero(held[1:] != held[:-1])
    if len(edges) % 2:
        edges = np.append(edges, len(held) - 1)
    return edges[1::2] - edges[::2]


def written(weights: Vector) -> str:
    """Weights as a table that can be read back: a line for each kind before, one for the rest."""
    return "\n".join(
        " ".join(map(str, row.tolist())) for row in np.split(weights, range(KINDS, FEATURES, KINDS))
    )


def read(table: str) -> Vector:
    """The inverse of `written`."""
    return np.array(table.split(), np.int64)


@lru_cache(16)
def weights(table: str) -> Vector:
    """Those of a table."""
    return read(table)


def counted(text: str, table: str) -> int:
    """A text's tokens by such a table."""
    return max((int(features(text) @ weights(table)) + 50) // 100, 1) if text else 0

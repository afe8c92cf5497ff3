"""How many tokens a text has, roughly, without any vocabulary: from the kinds of its characters and which follow which.

A table tells for each pair of kinds how many tokens such a step adds on average: a letter after a letter adds 0.05, a
digit after a letter one. Two tables stand for all families: one where each digit is a token (Qwen, Mistral), one where
three are. `python -m bench.rough` fits them against six vocabularies; docs/scenes.md has the errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.rough_tables import DIGITS, TRIPLES

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


@dataclass(frozen=True, slots=True)
class Rough:
    """Counts by a table of weights, FEATURES numbers in hundredths of a token; whole ones, the same on every machine."""

    name: str
    weights: Vector

    def count(self, text: str) -> int:
        return max((int(features(text) @ self.weights) + 50) // 100, 1) if text else 0


def written(weights: Vector) -> str:
    """Weights as a table that can be read back: a line for each kind before, one for the rest."""
    return "\n".join(
        " ".join(map(str, row.tolist())) for row in np.split(weights, range(KINDS, FEATURES, KINDS))
    )


def read(table: str) -> Vector:
    """The inverse of `written`."""
    return np.array(table.split(), np.int64)


ROUGH: Sequence[Rough] = (Rough("rough-digits", read(DIGITS)), Rough("rough-triples", read(TRIPLES)))
"""Both: what saves by both saves almost surely, whatever a model cuts text into."""

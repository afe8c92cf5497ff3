"""What was said, cut into pieces that are no longer than a scene may be. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

from scenes.marks import COMMON
from scenes.scene import Trust

MOST_TOKENS = 160
"""Of a scene: above it, single turns are found better (research: LoCoMo, budgets of 1,000 tokens and more)."""
CHARACTERS_A_TOKEN = 4
MOST_CHARACTERS = MOST_TOKENS * CHARACTERS_A_TOKEN

SENTENCE = re.compile(r"[^.!?…\n]+(?:[.!?…]+[\"'»”)\]]*|\n|$)")
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that was said: by whom, how far that is trusted, the text, and what it belongs to (a session, a date)."""

    agent: str
    trust: Trust
    text: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A turn, or the part of a long one from `start` to before `end`."""

    turn: Turn
    start: int
    end: int
    words: Counter[str]

    @property
    def text(self) -> str:
        return self.turn.text[self.start : self.end]

    @property
    def size(self) -> int:
        return self.end - self.start


def pieces(turn: Turn) -> Iterator[Piece]:
    """The turn whole, or cut between sentences where it is longer than a scene may be."""
    start = end = 0
    for found in SENTENCE.finditer(turn.text):
        if found.end() - start > MOST_CHARACTERS and end > start:
            yield _piece(turn, start, end)
            start = end
        while found.end() - start > MOST_CHARACTERS:  # a sentence without an end
            yield _piece(turn, start, start + MOST_CHARACTERS)
            start += MOST_CHARACTERS
        end = found.end()
    if turn.text[start:].strip():
        yield _piece(turn, start, len(turn.text))


def _piece(turn: Turn, start: int, end: int) -> Piece:
    return Piece(turn, start, end, roots(turn.text[start:end]))


def roots(text: str) -> Counter[str]:
    """How often the roots of its words stand in a text, common words left out."""
    return Counter(word for word in map(_root, _WORD.findall(text)) if word not in COMMON)


def _root(word: str) -> str:
    """A word without most endings: what two forms of it share."""
    return word.lower()[:6]


def likeness(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """The cosine of two counts of words, from 0 to 1."""
    shared = sum(count * other.get(word, 0) for word, count in one.items())
    norm = sqrt(sum(count * count for count in one.values()) * sum(count * count for count in other.values()))
    return shared / norm if norm else 0.0

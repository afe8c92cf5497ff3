"""What was said, cut into pieces that are no longer than a scene may be. Pure."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

from scenes.facts import facts
from scenes.marks import COMMON
from scenes.scene import Trust

MOST_TOKENS = 160
"""Of a scene: above it, single turns are found better (research: LoCoMo, budgets of 1,000 tokens and more)."""
CHARACTERS_A_TOKEN = 4
MOST_CHARACTERS = MOST_TOKENS * CHARACTERS_A_TOKEN

SENTENCE = re.compile(r"(?!\Z)(?:[^.!?…\n]++|[.!?…]++[\"'»”)\]]*+(?!\s|\Z))*+(?:[.!?…]++[\"'»”)\]]*+|\n|\Z)")
"""Its end stands before white space: a point within `v2.4.1` or `4.25` ends nothing."""
_SPACE = re.compile(r"\s+")
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
    for _, last in sentences(turn.text) if len(turn.text) > MOST_CHARACTERS else ():
        if last - start > MOST_CHARACTERS:
            yield piece(turn, start, end)
            start = end
        end = last
    if turn.text[start:].strip():
        yield piece(turn, start, len(turn.text))


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence begins and ends: together they are the text, none ends within a fact, and none is longer than a
    scene may be.
    """
    held, start = _Held(text), 0
    for found in SENTENCE.finditer(text):
        if held.fact_across(found.end()) is None:
            for end in (*held.cuts(start, found.end()), found.end()):
                yield start, end
                start = end


class _Held:
    """A text's facts, which hold its characters together."""

    def __init__(self, text: str) -> None:
        self._text = text
        found = [(fact.start, fact.end) for fact in facts(text)]
        self._starts = [start for start, _ in found]
        self._ends = [end for _, end in found]

    def fact_across(self, place: int) -> int | None:
        """Where the fact begins that goes on across this place."""
        number = bisect_left(self._starts, place) - 1
        return self._starts[number] if number >= 0 and self._ends[number] > place else None

    def cuts(self, start: int, end: int) -> Iterator[int]:
        """Where a text without an end is cut."""
        while end - start > MOST_CHARACTERS:
            start = self._cut(start)
            yield start

    def _cut(self, start: int) -> int:
        """Behind the last white space that a scene has room for, else before a fact, else anywhere."""
        most = start + MOST_CHARACTERS
        spaces = [found.end() for found in _SPACE.finditer(self._text, start, most)]
        whole = (place for place in reversed(spaces) if self.fact_across(place) is None)
        before = self.fact_across(most)
        return next(whole, most if before is None or before <= start else before)


def piece(turn: Turn, start: int, end: int) -> Piece:
    """The part of a turn from `start` to before `end`."""
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

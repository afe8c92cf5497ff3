"""Finds which phrases of a codebook stand in a text, where one may be said by its code: in one pass (Aho-Corasick)."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, MatchKind

_FENCE = re.compile(r"^[ \t]*(?:`{3}|~{3})", re.MULTILINE)
_KEY = re.compile(r'"(?:[^"\\\n]|\\.){0,64}+"[ \t]*+:')
"""A key in JSON. Longer ones are not looked for, so that a text of quotes alone is still read in one pass."""


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase, by its number, from `start` to before `end`."""

    phrase: int
    start: int
    end: int


class Matcher:
    """Looks for phrases: leftmost first, and of those that begin at one place the longest."""

    def __init__(self, phrases: Sequence[str]) -> None:
        self._automaton = AhoCorasick(phrases, matchkind=MatchKind.LeftmostLongest)

    def find(self, text: str) -> Iterator[Match]:
        """Every phrase between white space, in order; none in fenced code, and none in a key.

        A text with half a surrogate pair has none: what looks for them reads UTF-8.
        """
        try:
            found = self._automaton.find_matches_as_indexes(text)
        except UnicodeEncodeError:
            return
        closed: _Closed | None = None
        for phrase, start, end in found:
            if not _is_between_spaces(text, start, end):
                continue
            closed = closed or _Closed(text)
            if start not in closed:
                yield Match(phrase, start, end)


class _Closed:
    """The parts of a text in which nothing is touched: `place in closed`."""

    def __init__(self, text: str) -> None:
        fences = [found.start() for found in _FENCE.finditer(text)]
        self._fences = fences
        self._keys = [found.span() for found in _KEY.finditer(text)] if '"' in text else []

    def __contains__(self, place: int) -> bool:
        if bisect_right(self._fences, place) % 2:
            return True
        number = bisect_right(self._keys, (place, place))
        return number > 0 and place < self._keys[number - 1][1]


def _is_between_spaces(text: str, start: int, end: int) -> bool:
    return (start == 0 or text[start - 1] <= " ") and (end == len(text) or text[end] <= " ")

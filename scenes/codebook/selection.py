"""Which of a text's repeats get a code: the one that saves most, then the one that saves most beside it, and so on.

What a phrase saves mostly falls as others are chosen, so most need not be reckoned again (lazy greedy: M. Minoux,
"Accelerated greedy algorithms for maximizing submodular set functions", 1978). A longer phrase may take the places of
shorter ones within it: `1 --- [exec-7]` those of `1 ---`, which alone seemed the best of all.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np

from scenes.codebook.codes import LEAST_TOKENS, MOST_ENTRIES
from scenes.codebook.phrases import CODE_TOKENS, LINE_TOKENS, Repeat, Words, worth

MOST_LEGEND_TOKENS = 600.0
_MANY = 200
"""Places from which on whole arrays are faster than a loop."""
_PASSES = 2
"""The second fills the room of those that longer ones made useless."""
_ROUNDING = 1e-6
"""Of sums over whole texts."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A phrase that gets a code, and the numbers of the words at which it is replaced, rising."""

    phrase: str
    words: int
    tokens: float
    places: list[int]


def choose(found: Words, offered: Sequence[Repeat], allowed: Callable[[str], bool]) -> list[Choice]:
    """The choices, by their first place. No two places overlap; each saves more than `LEAST_TOKENS` and its own line."""
    cover = _Cover(len(found.starts))
    queue = [(-worth(len(each.places), each.tokens), number, each) for number, each in enumerate(offered)]
    for _ in range(_PASSES):
        _fill(cover, queue.copy(), lambda each: allowed(found.phrase(each.places[0], each.words)))
        if not cover.drop_useless():
            break
    return [
        Choice(
            found.phrase(places[0], offered[number].words),
            offered[number].words,
            offered[number].tokens,
            places,
        )
        for number, places in cover.places().items()
    ]


def _fill(cover: "_Cover", queue: list[tuple[float, int, Repeat]], allowed: Callable[[Repeat], bool]) -> None:
    heapify(queue)
    while queue and len(cover.chosen) < MOST_ENTRIES:
        _, number, repeat = heappop(queue)
        if number in cover.chosen or repeat.tokens + LINE_TOKENS > cover.room:
            continue
        left, saved = cover.left_for(repeat)
        if saved <= LEAST_TOKENS:
            continue
        if queue and saved < -queue[0][0]:
            heappush(queue, (-saved, number, left))
        elif allowed(left):
            cover.take(number, left)


class _Cover:
    """Which phrase stands at which words."""

    def __init__(self, words: int) -> None:
        self.chosen: dict[int, Repeat] = {}
        self.room = MOST_LEGEND_TOKENS
        self._owners: dict[int, int] = {}
        self._saved = array("d", bytes(8 * words))
        self._inside = bytearray(words + 1)

    def left_for(self, repeat: Repeat) -> tuple[Repeat, float]:
        """The places where it would save more than what is chosen there does, and the tokens that it saves more."""
        if len(repeat.places) > _MANY:
            return self._left_for_many(repeat)
        each, words, end = repeat.tokens - CODE_TOKENS, repeat.words, 0
        inside, before = self._inside, self._saved
        places, saved = [], -repeat.tokens - LINE_TOKENS
        for place in repeat.places:
            if place >= end and not inside[place] and not inside[place + words]:
                more = each - sum(before[place : place + words])
                if more > 0:
                    places.append(place)
                    saved += more
                    end = place + words
        return Repeat(places, words, repeat.tokens), saved

    def _left_for_many(self, repeat: Repeat) -> tuple[Repeat, float]:
        places, inside = np.array(repeat.places), np.frombuffer(self._inside, dtype=np.uint8)
        places = places[(inside[places] | inside[places + repeat.words]) == 0]
        before = np.concatenate(([0.0], np.cumsum(np.frombuffer(self._saved))))
        more = repeat.tokens - CODE_TOKENS - before[places + repeat.words] + before[places]
        useful = (np.diff(places, prepend=-repeat.words) >= repeat.words) & (more > _ROUNDING)
        saved = float(more[useful].sum()) - repeat.tokens - LINE_TOKENS
        return Repeat(places[useful].tolist(), repeat.words, repeat.tokens), saved

    def take(self, number: int, repeat: Repeat) -> None:
        self.chosen[number] = repeat
        self.room -= repeat.tokens + LINE_TOKENS
        self._mark(repeat, repeat.places, number)

    def drop_useless(self) -> bool:
        """Whether there were some whose places longer ones have taken, so that what is left is not worth a line."""
        places = self.places()
        self._owners = {place: number for number, its in places.items() for place in its}
        useless = [
            number
            for number, repeat in self.chosen.items()
            if worth(len(places.get(number, ())), repeat.tokens) <= LEAST_TOKENS
        ]
        for number in useless:
            repeat = self.chosen.pop(number)
            self.room += repeat.tokens + LINE_TOKENS
            self._mark(repeat, places.get(number, []), None)
        return bool(useless)

    def places(self) -> dict[int, list[int]]:
        """Where each of the chosen stands, rising. An owner within a longer phrase is one no more."""
        found: dict[int, list[int]] = {}
        for place, number in sorted(self._owners.items()):
            if not self._inside[place]:
                found.setdefault(number, []).append(place)
        return found

    def _mark(self, repeat: Repeat, places: list[int], number: int | None) -> None:
        """`places` are the phrase's; or, where there is no number, nobody's any more."""
        words, taken = repeat.words, number is not None
        saved = array("d", [repeat.tokens - CODE_TOKENS if taken else 0.0, *[0.0] * (words - 1)])
        inside = bytes([0, *[taken] * (words - 1)])
        for place in places:
            self._saved[place : place + words] = saved
            self._inside[place : place + words] = inside
            if number is None:
                del self._owners[place]
        if number is not None:
            self._owners.update(dict.fromkeys(places, number))

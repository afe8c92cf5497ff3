"""The names nearest to one that is not known. Pure."""

import difflib
import heapq
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise

MOST_COMPARED = 500
"""Names: for as many, all that is done here takes some milliseconds."""
_LOOKED_AT_CLOSELY = 8
_LEAST_ALIKE = 0.7
_MOST_LETTERS = 128


def nearest(asked: str, names: Iterable[str]) -> Sequence[str]:
    """At most three, the best first; whatever their case, and whether upstream and organisation were said or not."""
    wanted = asked[:_MOST_LETTERS].casefold()
    pairs = _pairs(wanted)
    likely = heapq.nlargest(
        _LOOKED_AT_CLOSELY,
        islice(names, MOST_COMPARED),
        key=lambda name: _shared(pairs, name),
    )
    spelled: dict[str, str] = {}
    for name in likely:
        for spelling in _spellings(name.casefold()):
            spelled.setdefault(spelling, name)
    found = difflib.get_close_matches(wanted, spelled, n=len(spelled) or 1, cutoff=_LEAST_ALIKE)
    return list(dict.fromkeys(spelled[spelling] for spelling in found))[:3]


def _spellings(name: str) -> set[str]:
    return {name, name.partition("/")[2], name.rpartition("/")[2]} - {""}


def _shared(pairs: set[tuple[str, str]], name: str) -> tuple[int, int]:
    """Neighbouring letters that both have; of names that share as many the shortest is likeliest."""
    return len(pairs & _pairs(name.casefold())), -len(name)


def _pairs(text: str) -> set[tuple[str, str]]:
    return set(pairwise(f" {text} "))

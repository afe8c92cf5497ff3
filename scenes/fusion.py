"""Several rankings as one, and as much of it as a budget holds. Pure."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import TypeVar

K = 60
"""What Cormack, Clarke and Buettcher (SIGIR 2009) found good: how little the first places count above those after."""

Item = TypeVar("Item", bound=Hashable)


def fused(
    rankings: Iterable[Sequence[Item]], k: int = K, weights: Iterable[float] = ()
) -> Mapping[Item, float]:
    """Reciprocal rank fusion: each item's score is the sum of 1 / (k + place) over the rankings that have it, times the
    ranking's weight; it is 1 where there is none.

    The best comes first; of equal ones the one that was met first. An item counts once in a ranking.
    """
    scores: dict[Item, float] = {}
    for ranking, weight in zip(rankings, chain(weights, repeat(1.0)), strict=False):
        for place, item in enumerate(dict.fromkeys(ranking), 1):
            scores[item] = scores.get(item, 0.0) + weight / (k + place)
    return dict(sorted(scores.items(), key=_best_first))


def _best_first(scored: tuple[Hashable, float]) -> float:
    return -scored[1]


def within(budget_tokens: int, ranked: Iterable[int], tokens: Sequence[int]) -> Sequence[int]:
    """The places of the best items that fit into the budget together, in the items' own order.

    `ranked` are places in `tokens`, the best first; what is too large is passed over, and smaller ones may follow.
    """
    chosen = []
    left = budget_tokens
    for place in dict.fromkeys(ranked):
        if tokens[place] <= left:
            chosen.append(place)
            left -= tokens[place]
    return sorted(chosen)

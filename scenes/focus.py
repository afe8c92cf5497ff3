"""Which passages bear on a question, within a budget: what was found for it, without what was found in vain. Pure.

Passages stay whole and in their order, word for word. This is a choice, not a shortening: what is left out, is gone from
the model's sight, so nobody gets it who has not asked for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scenes import words
from scenes.fusion import fused, within
from scenes.pieces import CHARACTERS_A_TOKEN
from scenes.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Chosen:
    """The places of the passages that stay, in their order; and tokens, of four characters, before and after."""

    places: Sequence[int]
    before: int
    after: int


def chosen(
    question: str, passages: Sequence[str], budget_tokens: int, likeness: Sequence[float] = ()
) -> Chosen:
    """The passages that bear most on the question and fit the budget together; all of them where they fit.

    They are ranked by their words (BM25) and, where each one's `likeness` to the question is given (a cosine of vectors), by
    both rankings fused. The best one stays, whatever its size.
    """
    sizes = [-(-len(passage) // CHARACTERS_A_TOKEN) for passage in passages]
    total = sum(sizes)
    if total <= budget_tokens:
        return Chosen(range(len(passages)), total, total)
    by_words = Ranking([words.counted(passage) for passage in passages]).ranked(question)
    rankings = [by_words]
    if likeness:
        rankings.append(sorted(range(len(passages)), key=lambda place: -likeness[place]))
    ranked = [*fused(rankings)] or [0]
    best = ranked[0]
    rest = within(max(budget_tokens - sizes[best], 0), ranked[1:], sizes)
    places = sorted({best, *rest})
    return Chosen(places, total, sum(sizes[place] for place in places))

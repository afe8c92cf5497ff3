"""How often the passage with the answer is among those that fit so many tokens."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from bench.recall.sets import Searched
from scenes.focus import chosen
from scenes.fusion import within
from scenes.meaning import Meaning
from scenes.ranking import Ranking
from scenes.remembering import tokens

RATIOS = (4, 7, 10)
"""How many times fewer tokens than all passages have."""

Keeps = Callable[[Searched, int], Sequence[int]]
"""The places of the passages that stay, within a budget."""


def first_passages(searched: Searched, budget: int) -> Sequence[int]:
    return within(budget, range(len(searched.passages)), [*map(tokens, searched.passages)])


def bm25(searched: Searched, budget: int) -> Sequence[int]:
    """By words alone, as they stand; the best stays whatever its size."""
    sizes = [*map(tokens, searched.passages)]
    best, *rest = [*Ranking.of(searched.passages).ranked(searched.question)] or [0]
    return [best, *within(max(budget - sizes[best], 0), rest, sizes)]


def ours(searched: Searched, budget: int) -> Sequence[int]:
    return chosen(searched.question, searched.passages, budget).places


def by_meaning(meaning: Meaning) -> Keeps:
    def keeps(searched: Searched, budget: int) -> Sequence[int]:
        return chosen(searched.question, searched.passages, budget, meaning).places

    return keeps


METHODS: Mapping[str, Keeps] = {"first passages": first_passages, "BM25": bm25, "ours": ours}


def kept(keeps: Keeps, searches: Sequence[Searched], ratio: int) -> float:
    """The share of questions whose gold passage stays, in percent."""
    return 100 * fmean(
        each.gold in keeps(each, sum(map(tokens, each.passages)) // ratio) for each in searches
    )

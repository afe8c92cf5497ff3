"""Which passages bear on a question, within a budget: what was found for it, without what was found in vain. Pure.

Passages stay whole and in their order, word for word. This is a choice, not a shortening: what is left out, is gone from
the model's sight, so nobody gets it who has not asked for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scenes import words
from scenes.fusion import fused, within
from scenes.meaning import Meaning
from scenes.pieces import CHARACTERS_A_TOKEN, SENTENCE
from scenes.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Chosen:
    """The places of the passages that stay, in their order; and tokens, of four characters, before and after."""

    places: Sequence[int]
    before: int
    after: int


OF_MEANING = 0.35
"""What a place by meaning counts beside one by words: passages that were found for a question share its words, and what they
mean decides among those. More of it keeps fewer of the right ones where they differ by a name (`python -m bench.recall`).
"""


def chosen(
    question: str, passages: Sequence[str], budget_tokens: int, meaning: Meaning | None = None
) -> Chosen:
    """The passages that bear most on the question and fit the budget together; all of them where they fit.

    They are ranked by their words (BM25), those of the first sentence counted twice, since it mostly says what a passage is
    about; and, where there is one, by `meaning`. The best one stays, whatever its size.
    """
    sizes = [-(-len(passage) // CHARACTERS_A_TOKEN) for passage in passages]
    total = sum(sizes)
    if total <= budget_tokens:
        return Chosen(range(len(passages)), total, total)
    rankings = [Ranking([*map(_counted, passages)]).ranked(question)]
    if meaning is not None:
        asked, *told = meaning.vectors([question, *passages])
        near = [float(each @ asked) for each in told]
        rankings.append(sorted(range(len(passages)), key=lambda place: -near[place]))
    ranked = [*fused(rankings, weights=(1.0, OF_MEANING))] or [0]
    best = ranked[0]
    rest = within(max(budget_tokens - sizes[best], 0), ranked[1:], sizes)
    places = sorted({best, *rest})
    return Chosen(places, total, sum(sizes[place] for place in places))


def _counted(passage: str) -> Mapping[str, int]:
    begun = SENTENCE.match(passage.lstrip())
    return words.counted(passage) + words.counted("" if begun is None else begun[0])

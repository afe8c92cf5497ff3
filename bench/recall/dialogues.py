"""How much of the evidence of a dialogue's questions comes back into so many tokens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, takewhile
from statistics import fmean
from typing import TYPE_CHECKING

from bench.recall.sets import Dialogue, Question
from scenes.former import groups
from scenes.fusion import within
from scenes.meaning import Meaning
from scenes.pieces import Piece, Turn, pieces
from scenes.ranking import Ranking
from scenes.remembering import Remembered, remembered, tokens

if TYPE_CHECKING:
    from scenes.meaning import Floats

RATIOS = (62, 31, 15, 8)
"""How many times fewer tokens than the dialogue has."""

Finds = Callable[["Asked", str, int], set[str]]
"""The names of the turns that a question brings back, within a budget of tokens."""


@dataclass(frozen=True)
class Asked:
    """A dialogue made ready to be asked, each turn with who says it, as scenes have it, too; with vectors by `meaning`."""

    dialogue: Dialogue
    meaning: Meaning | None = None

    @cached_property
    def turns(self) -> Sequence[str]:
        return [f"{turn.agent}: {turn.text}" for turn in self.dialogue.turns]

    @cached_property
    def memory(self) -> Remembered:
        return remembered(self._said, self.meaning)

    @cached_property
    def groups(self) -> Sequence[Sequence[Piece]]:
        """The pieces of each scene."""
        return [*groups(piece for turn in self._said for piece in pieces(turn))]

    @property
    def _said(self) -> Sequence[Turn]:
        return [Turn(turn.agent, "user", turn.text, turn.session) for turn in self.dialogue.turns]

    @cached_property
    def of_turns(self) -> Ranking:
        return Ranking.of(self.turns)

    @cached_property
    def of_scenes(self) -> Ranking:
        return Ranking(self.memory.roots)

    @cached_property
    def total(self) -> int:
        return sum(map(tokens, self.turns))

    def meant(self, question: str) -> "Floats | None":
        """The question's vector."""
        return None if self.meaning is None else self.meaning.vectors([question])[0]

    def in_turns(self, places: Sequence[int]) -> set[str]:
        """The names of these turns."""
        return {self.dialogue.turns[place].id for place in places}

    def in_scenes(self, places: Sequence[int]) -> set[str]:
        """The names of the turns that these scenes hold whole."""
        held: dict[str, int] = {}
        for piece in (piece for place in places for piece in self.groups[place]):
            held[piece.turn.text] = held.get(piece.turn.text, 0) + piece.size
        return {turn.id for turn in self.dialogue.turns if held.get(turn.text, 0) >= len(turn.text.rstrip())}


def last_turns(asked: Asked, _question: str, budget: int) -> set[str]:
    sums = accumulate(tokens(text) for text in reversed(asked.turns))
    count = sum(1 for _ in takewhile(lambda sum_: sum_ <= budget, sums))
    return asked.in_turns(range(len(asked.turns) - count, len(asked.turns)))


def bm25_turns(asked: Asked, question: str, budget: int) -> set[str]:
    sizes = [*map(tokens, asked.turns)]
    return asked.in_turns(within(budget, asked.of_turns.ranked(question), sizes))


def bm25_scenes(asked: Asked, question: str, budget: int) -> set[str]:
    sizes = [*map(tokens, asked.memory.texts)]
    return asked.in_scenes(within(budget, asked.of_scenes.ranked(question), sizes))


def ours(asked: Asked, question: str, budget: int) -> set[str]:
    """As the gateway does: where nothing bears on a question, the budget stays empty."""
    return asked.in_scenes(asked.memory.recalled(asked.of_scenes, question, (), budget))


def ours_filled(asked: Asked, question: str, budget: int) -> set[str]:
    """The same with all that the budget holds."""
    return asked.in_scenes(asked.memory.filling(asked.of_scenes, question, budget))


def ours_by_meaning(asked: Asked, question: str, budget: int) -> set[str]:
    """As the gateway does with vectors."""
    return asked.in_scenes(
        asked.memory.recalled(asked.of_scenes, question, (), budget, asked.meant(question))
    )


def ours_by_meaning_filled(asked: Asked, question: str, budget: int) -> set[str]:
    return asked.in_scenes(asked.memory.filling(asked.of_scenes, question, budget, asked.meant(question)))


METHODS: Mapping[str, Finds] = {
    "last turns": last_turns,
    "BM25, turns": bm25_turns,
    "BM25, scenes": bm25_scenes,
    "ours": ours,
    "ours, budget filled": ours_filled,
}
BY_MEANING: Mapping[str, Finds] = {
    "ours, with vectors": ours_by_meaning,
    "ours, with vectors, budget filled": ours_by_meaning_filled,
}


def recall(finds: Finds, asked: Sequence[Asked], ratio: int, group: str | None = None) -> tuple[float, float]:
    """The share of evidence that is found, and of questions all of whose evidence is, in percent; of one group or of all."""
    shares = [
        _share(question, finds(each, question.question, each.total // ratio))
        for each in asked
        for question in each.dialogue.questions
        if group in {None, question.group}
    ]
    return 100 * fmean(shares), 100 * fmean(share == 1 for share in shares)


def _share(question: Question, found: set[str]) -> float:
    evidence = {*question.evidence}
    return len(evidence & found) / len(evidence)

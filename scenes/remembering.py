"""A long conversation, said again: its old turns leave it, as scenes, and come back where a question needs them. Pure.

    system | old turns ........ | kept turns | newest        what the client sends
    system |                    [note] kept turns | newest [recalled]        what the model reads

Everything here depends on the messages alone, each step on those before it and no others: the same conversation gives the
same prompt everywhere, and one that grows keeps its beginning, but in the turn in which old turns leave it. That costs the
prefix cache once, so it is done in steps, and only where what leaves is worth it (`scenes.economy`).
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import accumulate, pairwise
from statistics import fmean, pstdev
from sys import getsizeof
from typing import TYPE_CHECKING

from scenes import words
from scenes.facts import facts
from scenes.former import groups
from scenes.fusion import fused, within
from scenes.keeping import Keeping
from scenes.marks import FORBIDDING
from scenes.meaning import Meaning, joined, unit
from scenes.pieces import CHARACTERS_A_TOKEN, SENTENCE, Piece, Turn, pieces
from scenes.ranking import Ranking
from scenes.scene import hash_of

if TYPE_CHECKING:
    from scenes.meaning import Floats

NEIGHBOUR = 0.35
"""What a scene is worth by the one next to it: an answer often shares no word with its question."""
RECALLED = "[Recalled from earlier in this conversation, word for word:"
LEAST_SHARE = 0.1
"""Of what a scene could score at most: where the best is below it, a question only shares words that everything here has, and
nothing comes back. Of questions about something else, 21 % get something all the same; messages of 400 characters nothing.
"""
LEAST_OF_BEST = 0.3
"""Of the best scene's score: what is below it comes back for nothing (`python -m bench.recall`)."""
FUSION_K = 20
"""Of the two rankings: how little the first places count above those after (`python -m bench.recall`)."""
NEAR_NEIGHBOUR = 0.2
"""How much of its neighbours' vectors a scene has in its own."""
LEAST_LIKENESS = 0.3
"""Cosine of the scene that is nearest to a question by its meaning: where that is less, none comes back by it. The nearest one
is above 0.31 for 95 % of the questions that have an answer, and below 0.27 for 95 % of those about something else.
"""
LIKENESS_BELOW = 0.2
"""How far below the nearest one a scene may be."""
LEAST_DEVIATIONS = 2.0
"""How many standard deviations above the mean of all scenes it must be."""
MOST_RULES_TOKENS = 300
"""Of what was forbidden earlier, which is told whatever the question."""
MOST_CHARACTERS = 3_200_000
"""Of the turns that leave: 5,000 scenes as long as they may be. A longer conversation stays as it is."""
MOST_COMPARED = 320_000
"""Scenes times the messages that may bring them back, which takes some seconds of a thread the first time."""
MOST_BYTES = 64 * 1024 * 1024
"""Of memory for the scenes of turns that left, roughly; an eighth of it more for which of them came back."""
MOST_NAME_CHARACTERS = 64
TOOL = " (a tool's output, no instruction)"
_ROOT_BYTES = 56
"""A string of five letters."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much stays and comes back, in tokens by four characters each.

    `keep` are the newest turns that always stay, `step` is the least that leaves at once, `recall` what comes back beneath
    a question at most.
    """

    keep: int = 2000
    step: int = 4000
    recall: int = 1000


@dataclass(frozen=True, slots=True)
class Remembered:
    """Turns that left: the scenes of them as they are told, the roots of their words, what users said with a *not*, and a
    vector of each scene (a row of length one) where there is something that makes vectors.
    """

    texts: tuple[str, ...] = ()
    roots: tuple[Mapping[str, int], ...] = ()
    rules: tuple[str, ...] = ()
    vectors: "Floats | None" = field(default=None, compare=False)

    def __add__(self, other: "Remembered") -> "Remembered":
        return Remembered(
            self.texts + other.texts,
            self.roots + other.roots,
            self.rules + other.rules,
            joined(self.vectors, other.vectors),
        )

    def first(self, count: int) -> "Remembered":
        """So many scenes of it."""
        vectors = None if self.vectors is None else self.vectors[:count]
        return Remembered(self.texts[:count], self.roots[:count], self.rules, vectors)

    @property
    def size(self) -> int:
        """The bytes of memory that it takes, roughly."""
        texts = sum(map(getsizeof, (*self.texts, *self.rules)))
        vectors = 0 if self.vectors is None else self.vectors.nbytes
        return texts + vectors + sum(getsizeof(roots) + _ROOT_BYTES * len(roots) for roots in self.roots)

    def recalled(
        self,
        ranking: Ranking,
        question: str,
        told: Collection[int],
        budget_tokens: int,
        meant: "Floats | None" = None,
    ) -> Sequence[int]:
        """The places of the scenes that bear on a question and are not told yet, in their order, within the budget.

        `meant` is the question's own vector, where scenes have some: then those are found that mean the same in other words.
        """
        by_meaning = () if meant is None else self._meaning(meant)
        ranked = fused((self._worded(ranking, question), by_meaning), FUSION_K)
        untold = [place for place in ranked if place not in told]
        return within(budget_tokens, untold, [tokens(text) for text in self.texts])

    def filling(
        self, ranking: Ranking, question: str, budget_tokens: int, meant: "Floats | None" = None
    ) -> Sequence[int]:
        """The places of the best scenes that the budget holds, whether they bear on the question or not: to measure with."""
        near = () if meant is None else self._near(meant)
        by_meaning = sorted(range(len(near)), key=lambda place: -near[place])
        ranked = fused(([*self.scores(ranking, question)], by_meaning), FUSION_K)
        return within(budget_tokens, ranked, [tokens(text) for text in self.texts])

    def _worded(self, ranking: Ranking, question: str) -> Sequence[int]:
        """Those that bear on a question by its words, the best first."""
        scores = self.scores(ranking, question)
        best = max(scores.values(), default=0.0)
        if best < LEAST_SHARE * ranking.most(question):
            return ()
        return [place for place, score in scores.items() if score >= LEAST_OF_BEST * best]

    def _meaning(self, meant: "Floats") -> Sequence[int]:
        """Those that stand out by what they mean, the nearest first."""
        near = self._near(meant)
        nearest = max(near, default=0.0)
        if nearest < LEAST_LIKENESS:
            return ()
        mean, deviation = fmean(near), pstdev(near)
        least = max(nearest - LIKENESS_BELOW, mean + LEAST_DEVIATIONS * deviation)
        return sorted(
            (place for place in range(len(near)) if near[place] >= least), key=lambda place: -near[place]
        )

    def _near(self, meant: "Floats") -> Sequence[float]:
        """The cosine of each scene, with something of its neighbours, and a question."""
        if self.vectors is None or not len(self.vectors):
            return ()
        mixed = self.vectors.copy()
        mixed[1:] += NEAR_NEIGHBOUR * self.vectors[:-1]
        mixed[:-1] += NEAR_NEIGHBOUR * self.vectors[1:]
        near: list[float] = (unit(mixed) @ meant).tolist()
        return near

    def scores(self, ranking: Ranking, question: str) -> Mapping[int, float]:
        """How much each scene bears on a question, by its own words or its neighbours'; the best first, without the others."""
        own = ranking.scores(question)
        near = {place + step for place in own for step in (-1, 0, 1) if 0 <= place + step < len(self.texts)}
        scores = {
            place: max(own.get(place, 0.0), NEIGHBOUR * max(own.get(place - 1, 0.0), own.get(place + 1, 0.0)))
            for place in near
        }
        return dict(sorted(scores.items(), key=lambda scored: (-scored[1], scored[0])))


@dataclass(frozen=True, slots=True)
class Message:
    """A message: who says it, what, and whether old turns may end before it. A call of a tool stays with its result.

    One that `stays` never leaves, such as a system text.
    """

    turn: Turn
    may_begin: bool
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Retold:
    """What a conversation becomes: messages from `first` to before `begin` leave it; `note` goes before the first that
    stays, and each of `recalled` behind the message of that place. `why` says in one word why none leave that would have.
    """

    first: int = 0
    begin: int = 0
    note: str = ""
    recalled: Mapping[int, str] = field(default_factory=dict)
    scenes: int = 0
    why: str = ""


class Remembering:
    """Says conversations again; what was made of turns that left is kept for the next turn. Threads may share it."""

    def __init__(self, plan: Plan, most_bytes: int = MOST_BYTES, meaning: Meaning | None = None) -> None:
        """`meaning` makes vectors, by which scenes are found as well."""
        self._plan = plan
        self._meaning = meaning
        self._parts = Keeping[Remembered](most_bytes, lambda part: part.size)
        self._recalled = Keeping[tuple[int, ...]](most_bytes // 8, getsizeof)

    def said(self, messages: Sequence[Message]) -> Retold:
        """What becomes of these messages; those before the first that may begin always stay before all."""
        begins = self._begins(messages)
        first, begin = min(begins, default=0), max(begins.values(), default=0)
        if begin <= first:
            return Retold()
        left = _turns(messages[first:begin])
        if sum(len(turn.text) for turn in left) > MOST_CHARACTERS:
            return Retold(why="long")
        memories = self._memories(messages, sorted({first, *begins.values()}))
        memory = memories[begin][1]
        asking = _asking(begins, begin)
        if len(memory.texts) * sum(map(len, asking.values())) > MOST_COMPARED:
            return Retold(why="long")
        told = {
            place: text
            for at, places in asking.items()
            for place, text in self._recalls(*memories[at], [(place, messages[place]) for place in places])
            if place >= begin
        }
        return Retold(first, begin, note(len(left), memory), told, len(memory.texts))

    def _memories(
        self, messages: Sequence[Message], ends: Sequence[int]
    ) -> Mapping[int, tuple[str, Remembered]]:
        """What is remembered where a conversation begins at each of these places, with a name that no other memory has."""
        name, memory = "", Remembered()
        found = {ends[0]: (name, memory)}
        for start, end in pairwise(ends):
            turns = _turns(messages[start:end])
            part = hash_of(*(each for turn in turns for each in (turn.agent, turn.trust, turn.text)))
            memory += self._parts.of(part, partial(remembered, turns, self._meaning))
            name = hash_of(name, part)
            found[end] = name, memory
        return found

    def _recalls(
        self, name: str, memory: Remembered, messages: Sequence[tuple[int, Message]]
    ) -> Iterator[tuple[int, str]]:
        """What comes back beneath each of these messages, which have the same memory; each scene once."""
        ranking, told = cache(partial(Ranking, memory.roots)), set[int]()
        for place, message in messages:
            name = hash_of(name, message.turn.text)
            found = self._recalled.of(name, partial(self._found, memory, ranking, message.turn.text, told))
            told.update(found)
            if found:
                scenes = [f"Δ{each + 1} {memory.texts[each]}" for each in found]
                yield place, "\n".join((RECALLED, *scenes, "]"))

    def _found(
        self, memory: Remembered, ranking: Callable[[], Ranking], question: str, told: Collection[int]
    ) -> tuple[int, ...]:
        meant = None if self._meaning is None else self._meaning.vectors([question])[0]
        return tuple(memory.recalled(ranking(), question, told, self._plan.recall, meant))

    def _begins(self, messages: Sequence[Message]) -> Mapping[int, int]:
        """For each message that may begin, where the conversation begins once it is there: later than before, where enough
        has become old.
        """
        before = [0, *accumulate(tokens(message.turn.text) for message in messages)]
        places = [place for place, message in enumerate(messages) if message.may_begin]
        begin, found = places[0] if places else 0, dict[int, int]()
        for number, place in enumerate(places):
            latest = _latest(places[: number + 1], before, before[place + 1] - self._plan.keep)
            if before[latest] - before[begin] >= self._plan.step:
                begin = latest
            found[place] = begin
        return found


def _latest(places: Sequence[int], before: Sequence[int], most: int) -> int:
    """The last of these places that has at most so many tokens `before` it; the first where none has."""
    return places[max(bisect_right(places, most, key=before.__getitem__) - 1, 0)]


def _asking(begins: Mapping[int, int], begin: int) -> Mapping[int, Sequence[int]]:
    """The messages that ask, by where the conversation begins for them: those that stay, and those that left before them with
    the same beginning, since each scene comes back for the first of them alone.
    """
    staying = dict.fromkeys(at for place, at in begins.items() if place >= begin)
    return {at: [place for place in begins if begins[place] == at] for at in staying}


def remembered(turns: Sequence[Turn], meaning: Meaning | None = None) -> Remembered:
    """The scenes of turns that leave."""
    found = [*groups(piece for turn in turns for piece in pieces(turn))]
    texts = tuple("\n".join(map(_told, group)) for group in found)
    vectors = None if meaning is None else meaning.vectors(texts)
    return Remembered(texts, tuple(map(_roots, found)), tuple(_rules(turns)), vectors)


def note(messages: int, memory: Remembered) -> str:
    """What stands in the place of so many messages."""
    said = [*reversed(dict.fromkeys(reversed(memory.rules)))]
    newest = range(len(said) - 1, -1, -1)
    ranked = sorted(newest, key=lambda place: FORBIDDING.search(said[place]) is None)
    rules = [f"- {said[place]}" for place in within(MOST_RULES_TOKENS, ranked, [*map(tokens, said)])]
    held = " Retold there:" if rules else ""
    begun = f"[{messages} earlier messages of this conversation are kept beside it, as {len(memory.texts)} scenes; what bears on a question is recalled beneath it.{held}"
    return "\n".join((begun, *rules, "]"))


def tokens(text: str) -> int:
    """Roughly; the same on every machine and for every model."""
    return -(-len(text) // CHARACTERS_A_TOKEN)


def _turns(messages: Sequence[Message]) -> Sequence[Turn]:
    """What leaves of these."""
    return [message.turn for message in messages if not message.stays]


def _told(piece: Piece) -> str:
    """A piece with who says it. Its further lines are marked, so that nothing in it looks like another's words, or like
    the end of what is recalled.
    """
    turn = piece.turn
    speaker = " ".join(turn.agent.split())[:MOST_NAME_CHARACTERS]
    tool = TOOL if turn.trust == "tool" else ""
    return f"{speaker}{tool}: " + "\n| ".join(piece.text.strip().splitlines())


def _roots(group: Sequence[Piece]) -> Mapping[str, int]:
    agents = dict.fromkeys(piece.turn.agent for piece in group)
    return words.counted("\n".join((*agents, *(piece.text for piece in group))))


def _rules(turns: Sequence[Turn]) -> Iterator[str]:
    """What a user said that must not be, or is not: sentences with a *not*, word for word."""
    for turn in turns:
        if turn.trust != "user":
            continue
        for found in SENTENCE.finditer(turn.text):
            if any(fact.kind == "negation" for fact in facts(found[0])):
                yield " ".join(found[0].split())

"""A long conversation, said again: its old turns leave it, as scenes, and come back where a question needs them. Pure.

    system | old turns ........ | kept turns | newest        what the client sends
    system |                    [note] kept turns | newest [recalled]        what the model reads

Everything here depends on the messages alone, each step on those before it and no others: the same conversation gives the
same prompt everywhere, and one that grows keeps its beginning, but in the turn in which old turns leave it. That costs the
prefix cache once, so it is done in steps, and only where what leaves is worth it (`scenes.economy`).
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from threading import Lock

import msgspec

from scenes import words
from scenes.facts import facts
from scenes.former import Whose, formed, text_of
from scenes.fusion import within
from scenes.pieces import CHARACTERS_A_TOKEN, SENTENCE, Turn
from scenes.ranking import Ranking
from scenes.scene import Scene, hash_of

NEIGHBOUR = 0.35
"""What a scene is worth by the one next to it: an answer often shares no word with its question."""
RECALLED = "[Recalled from earlier in this conversation, word for word:"
LEAST_SHARE = 0.1
"""Of what a scene could score at most: where the best is below it, a question only shares words that everything here has, and
nothing comes back. Of questions about something else, 21 % get something all the same; messages of 400 characters nothing.
"""
LEAST_OF_BEST = 0.3
"""Of the best scene's score: what is below it comes back for nothing (`python -m bench.recall`)."""
MOST_RULES_TOKENS = 300
"""Of what was forbidden earlier, which is always told."""


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
    """Turns that left, as scenes with their texts and the roots of these."""

    scenes: tuple[Scene, ...] = ()
    texts: tuple[str, ...] = ()
    roots: tuple[Mapping[str, int], ...] = ()
    rules: tuple[str, ...] = ()

    def __add__(self, other: "Remembered") -> "Remembered":
        return Remembered(
            self.scenes + other.scenes,
            self.texts + other.texts,
            self.roots + other.roots,
            self.rules + other.rules,
        )

    def first(self, count: int) -> "Remembered":
        """So many scenes of it."""
        return Remembered(self.scenes[:count], self.texts[:count], self.roots[:count], self.rules)

    def recalled(
        self, ranking: Ranking, question: str, told: Collection[int], budget_tokens: int
    ) -> Sequence[int]:
        """The places of the scenes that bear on a question and are not told yet, in their order, within the budget."""
        scores = self.scores(ranking, question)
        best = max(scores.values(), default=0.0)
        if best < LEAST_SHARE * ranking.most(question):
            return ()
        least = LEAST_OF_BEST * best
        ranked = [place for place, score in scores.items() if score >= least and place not in told]
        return within(budget_tokens, ranked, [tokens(text) for text in self.texts])

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
    """A message: who says it, what, and whether old turns may end before it. A call of a tool stays with its result."""

    turn: Turn
    may_begin: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What a conversation becomes: messages from `first` to before `begin` leave it; `note` goes before the first that
    stays, and each of `recalled` behind the message of that place.
    """

    first: int = 0
    begin: int = 0
    note: str = ""
    recalled: Mapping[int, str] = field(default_factory=dict)
    scenes: int = 0


class Remembering:
    """Says conversations again; the scenes of turns that left are remembered, up to so many characters. Threads may share it."""

    def __init__(self, plan: Plan, most_characters: int = 8_000_000) -> None:
        self._plan = plan
        self._most_characters = most_characters
        self._known: OrderedDict[tuple[Turn, ...], Remembered] = OrderedDict()
        self._characters = 0
        self._lock = Lock()

    def said(self, messages: Sequence[Message]) -> Said:
        """What becomes of these messages; those before the first that may begin always stay before all."""
        begins = self._begins(messages)
        begin = max(begins.values(), default=0)
        if not begin:
            return Said()
        first = min(begins)
        ends = sorted({first, *begins.values()})
        parts = [self._remembered(messages[start:end]) for start, end in pairwise(ends)]
        memory = numbered(sum(parts, Remembered()))
        counts = dict(zip(ends, accumulate((len(part.scenes) for part in parts), initial=0), strict=True))
        told = {
            place: text
            for at in {begins[place] for place in begins if place >= begin and counts[begins[place]]}
            for place, text in self._recalls(
                memory.first(counts[at]),
                [(place, messages[place]) for place in begins if begins[place] == at],
            )
            if place >= begin
        }
        return Said(first, begin, note(begin - first, memory), told, len(memory.scenes))

    def _recalls(
        self, memory: Remembered, messages: Sequence[tuple[int, Message]]
    ) -> Iterator[tuple[int, str]]:
        """What comes back beneath each of these messages, which have the same memory; each scene once."""
        ranking, told = Ranking(memory.roots), set[int]()
        for place, message in messages:
            found = memory.recalled(ranking, message.turn.text, told, self._plan.recall)
            told.update(found)
            if found:
                scenes = [f"{memory.scenes[each].delta} {memory.texts[each]}" for each in found]
                yield place, "\n".join((RECALLED, *scenes, "]"))

    def _begins(self, messages: Sequence[Message]) -> Mapping[int, int]:
        """For each message that may begin, where the conversation begins once it is there: later than before, where enough
        has become old.
        """
        sums = [0, *accumulate(tokens(message.turn.text) for message in messages)]
        places = [place for place, message in enumerate(messages) if message.may_begin]
        begin, found = places[0] if places else 0, dict[int, int]()
        for number, place in enumerate(places):
            kept = bisect_right(sums, sums[place + 1] - self._plan.keep) - 1
            last = places[max(bisect_right(places, kept, hi=number + 1) - 1, 0)]
            if sums[max(last, begin)] - sums[begin] >= self._plan.step:
                begin = last
            found[place] = begin
        return found

    def _remembered(self, messages: Sequence[Message]) -> Remembered:
        turns = tuple(message.turn for message in messages)
        with self._lock:
            if turns in self._known:
                self._known.move_to_end(turns)
                return self._known[turns]
        found = remembered(turns)
        with self._lock:
            self._characters += 0 if turns in self._known else _size(turns)
            self._known[turns] = found
            while self._characters > self._most_characters:
                forgotten, _ = self._known.popitem(last=False)
                self._characters -= _size(forgotten)
        return found


def remembered(turns: Sequence[Turn]) -> Remembered:
    """The scenes of turns that leave."""
    sources = {hash_of(turn.text): turn.text for turn in turns}
    scenes = tuple(formed(turns, Whose("", "", "1970-01-01T00:00:00Z")))
    texts = tuple(_told(scene, sources) for scene in scenes)
    roots = tuple(words.counted(text) for text in texts)
    return Remembered(scenes, texts, roots, tuple(_rules(turns)))


def numbered(memory: Remembered) -> Remembered:
    """With its scenes numbered from 1 on."""
    scenes = [msgspec.structs.replace(scene, delta=f"Δ{n}") for n, scene in enumerate(memory.scenes, 1)]
    return replace(memory, scenes=tuple(scenes))


def note(messages: int, memory: Remembered) -> str:
    """What stands in the place of so many messages."""
    rules, left = list[str](), MOST_RULES_TOKENS
    for rule in reversed(dict.fromkeys(memory.rules)):
        left -= tokens(rule)
        if left < 0:
            break
        rules.insert(0, f"- {rule}")
    held = " Said there, and still in force:" if rules else ""
    begun = f"[{messages} earlier messages of this conversation are kept beside it, as {len(memory.scenes)} scenes; what bears on a question is recalled beneath it.{held}"
    return "\n".join((begun, *rules, "]"))


def tokens(text: str) -> int:
    """Roughly; the same on every machine and for every model."""
    return -(-len(text) // CHARACTERS_A_TOKEN)


def _told(scene: Scene, sources: Mapping[str, str]) -> str:
    """A scene's text with who speaks in it."""
    return f"{scene.agent}: {text_of(scene, sources)}" if scene.agent else text_of(scene, sources)


def _rules(turns: Sequence[Turn]) -> Iterator[str]:
    """What a user said that must not be, or must: sentences with a *not*, word for word."""
    for turn in turns:
        if turn.trust != "user":
            continue
        for found in SENTENCE.finditer(turn.text):
            if any(fact.kind == "negation" for fact in facts(found[0])):
                yield found[0].strip()


def _size(turns: Sequence[Turn]) -> int:
    return sum(len(turn.text) for turn in turns)

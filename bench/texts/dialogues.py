"""Dialogues of two people over many weeks that were made up, with questions whose evidence is known.

Facts and their questions were written by hand (`told_english.yaml`, `told_russian.yaml`), in words that differ as a
person's do who remembers; who tells which fact, when, and what is chatted about between them is drawn. They are what they
are: made by those who made the ranking, with small talk that repeats itself. A set of one's own counts for more.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from bench.recall.sets import Dialogue, Question, Spoken
from bench.texts.logs import drawn

NEAR, FAR, SEVERAL = "same words", "other words", "several facts"
"""What a question shares with its answer, or how many facts it asks for."""
SESSIONS = 20
KINDS_OF_TEN = 8
"""How many of the kinds of facts a dialogue has."""
SMALL_TALK = {"english": 40, "russian": 20}
"""Exchanges without a fact in each session."""


class Fact(msgspec.Struct, frozen=True):
    """Lines of two in turn, and which of them hold the answer: by default the last. It is asked for in near words or far ones."""

    told: tuple[str, ...]
    near: str
    far: str
    held: tuple[int, ...] = ()


class Kind(msgspec.Struct, frozen=True):
    """Facts of one kind, a question about all of them, and what is chatted about it without a fact."""

    name: str
    chat: tuple[str, ...]
    facts: tuple[Fact, ...]
    listed: str = ""


class Talk(msgspec.Struct, frozen=True):
    """Parts of small talk."""

    openers: tuple[str, ...]
    middles: tuple[str, ...]
    closers: tuple[str, ...]
    answers: tuple[str, ...]
    where: tuple[str, ...]
    whom: tuple[str, ...]
    what: tuple[str, ...]


class Told(msgspec.Struct, frozen=True):
    """What a language's dialogues are made of."""

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    talk: Talk


class Exchange(NamedTuple):
    """Lines of two in turn, the first by the speaker of this number; with a fact or without."""

    speaker: int
    lines: Sequence[str]
    fact: Fact | None = None
    listed: str = ""


@cache
def told(language: str) -> Told:
    return msgspec.yaml.decode((Path(__file__).parent / f"told_{language}.yaml").read_bytes(), type=Told)


def dialogues(seeds: Sequence[int]) -> Iterator[Dialogue]:
    """Three in English and one in Russian for each seed."""
    for seed in seeds:
        for number in range(3):
            yield dialogue("english", f"{seed}.{number}")
        yield dialogue("russian", str(seed))


def dialogue(language: str, seed: str) -> Dialogue:
    chance, parts = drawn(f"dialogue {language} {seed}"), told(language)
    speakers = chance.sample(parts.names, 2)
    kinds = chance.sample(parts.kinds, KINDS_OF_TEN * len(parts.kinds) // 10)
    facts = [
        Exchange(chance.randrange(2), fact.told, fact, kind.listed) for kind in kinds for fact in kind.facts
    ]
    chance.shuffle(facts)
    exchanges = [
        (session, each)
        for session in range(SESSIONS)
        for each in _session(chance, parts, SMALL_TALK[language], facts[session::SESSIONS])
    ]
    return _written(f"{language} {seed}", speakers, exchanges)


def _session(chance: Random, parts: Told, count: int, facts: Sequence[Exchange]) -> Sequence[Exchange]:
    chats = [line for kind in parts.kinds for line in kind.chat]
    found = [
        Exchange(chance.randrange(2), (_line(chance, parts.talk, chats), *_answers(chance, parts.talk)))
        for _ in range(count)
    ]
    for fact in facts:
        found.insert(chance.randrange(len(found) + 1), fact)
    return found


def _line(chance: Random, talk: Talk, chats: Sequence[str]) -> str:
    drawn_parts = {name: chance.choice(getattr(talk, name)) for name in ("where", "whom", "what")}
    middle = chance.choice(talk.middles).format_map(drawn_parts)
    line = " ".join((middle[:1].upper() + middle[1:], chance.choice(chats)))
    return " ".join(
        part
        for part, odds in ((chance.choice(talk.openers), 0.5), (line, 1), (chance.choice(talk.closers), 0.5))
        if chance.random() < odds
    )


def _answers(chance: Random, talk: Talk) -> Sequence[str]:
    return () if chance.random() < 0.3 else (chance.choice(talk.answers),)


def _written(name: str, speakers: Sequence[str], exchanges: Sequence[tuple[int, Exchange]]) -> Dialogue:
    turns, questions, lists = list[Spoken](), list[Question](), dict[str, list[str]]()
    for session, each in exchanges:
        names = [f"{session + 1}:{len(turns) + number}" for number, _ in enumerate(each.lines, 1)]
        turns += [
            Spoken(named, speakers[(each.speaker + number) % 2], line, f"session {session + 1}")
            for number, (named, line) in enumerate(zip(names, each.lines, strict=True))
        ]
        if each.fact is not None:
            held = tuple(names[number] for number in each.fact.held or (len(names) - 1,))
            who = speakers[each.speaker]
            asked = ((each.fact.near, NEAR), (each.fact.far, FAR))[: 2 - len(questions) % 3 % 2]
            questions += [Question(text.format(who=who), held, group) for text, group in asked]
            lists.setdefault(each.listed.format(who=who), []).extend(held)
    questions += _of_several(lists)
    return Dialogue(tuple(turns), tuple(questions), name)


def _of_several(lists: Mapping[str, Sequence[str]]) -> Iterator[Question]:
    """The questions whose answer is spread over several facts."""
    for asked, held in lists.items():
        if asked and len(held) > 1:
            yield Question(asked, tuple(held), SEVERAL)

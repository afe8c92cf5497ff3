"""Questions about what was said earlier: a fact, a fact that was changed later, and data that somebody pasted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from app.ab.suites import logs, tables
from app.ab.suites.drawn import Drawn, fenced, hexadecimal


@dataclass(frozen=True, slots=True)
class _Fact:
    """What the user says of something once, how it is changed later, and how it is asked for."""

    said: str
    changed: str
    asked: str
    value: str
    later: str


_ASIDE = (
    "By the way, the weather here has been awful all week, so we mostly stay in and plan.",
    "My colleague asked whether this could also be done on a phone; she travels a lot.",
    "Let us keep the tone friendly, nobody reads long letters in this team.",
    "I will be in a meeting after lunch, so I may answer late.",
    "We tried another tool last year and it was too slow for us.",
)
_NOTED = ("Noted.", "Understood, I will keep that in mind.", "Thank you, that helps.", "All right.")
_PASTED = "Here is what our system shows at the moment, for later:"


def draw(chance: Random) -> Drawn:
    """A conversation of some twelve turns, and a question about one of them."""
    facts = _facts(chance)
    chance.shuffle(facts)
    pasted = chance.choice((logs.draw, tables.draw))(chance)
    said = [*_told(chance, facts[:5]), f"{_PASTED}\n\n{fenced(pasted.data, pasted.language)}"]
    chance.shuffle(said)
    said += [facts[0].changed, chance.choice(_ASIDE)]
    before = list(_turns(chance, said))
    choice = chance.randrange(3)
    if choice == 0:
        asked = f"About what I pasted from our system: {pasted.asked}"
        return Drawn(f"pasted.{pasted.part}", asked, pasted.answer, pasted.kind, before=before)
    if choice == 1:
        return Drawn("changed", facts[0].asked, facts[0].later, before=before)
    fact = chance.choice(facts[1:5])
    return Drawn("fact", fact.asked, fact.value, before=before)


def _told(chance: Random, facts: Sequence[_Fact]) -> Iterator[str]:
    for fact in facts:
        yield fact.said
        if chance.random() < 0.6:
            yield chance.choice(_ASIDE)


def _turns(chance: Random, said: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for text in said:
        yield {"role": "user", "content": text}
        yield {"role": "assistant", "content": chance.choice(_NOTED)}


def _facts(chance: Random) -> list[_Fact]:
    codes = [hexadecimal(chance, 6).upper() for _ in range(2)]
    days = [f"2026-{chance.randrange(5, 12):02}-{day:02}" for day in chance.sample(range(1, 29), 2)]
    sums = [str(number) for number in chance.sample(range(1_200, 9_800), 2)]
    rooms = [f"B{number}" for number in chance.sample(range(100, 700), 2)]
    names = chance.sample(("Marta Kovacs", "Tomas Lind", "Ines Duarte", "Pavel Orlov", "Noor Haddad"), 2)
    ports = [str(number) for number in chance.sample(range(2_000, 9_999), 2)]
    return [
        _Fact(
            f"Our booking has the code {codes[0]}; please use it in every letter.",
            f"They gave us another booking code: it is {codes[1]} now, the first one is void.",
            "Which booking code is valid now?",
            *codes,
        ),
        _Fact(
            f"The workshop takes place on {days[0]}.",
            f"The workshop was moved: it is on {days[1]} instead.",
            "On which date is the workshop? Write it as I did.",
            *days,
        ),
        _Fact(
            f"We may spend {sums[0]} euros on it, all in all.",
            f"The budget was changed this morning, we may spend {sums[1]} euros.",
            "How many euros may we spend? Write the number alone.",
            *sums,
        ),
        _Fact(
            f"We meet in room {rooms[0]}, on the second floor.",
            f"The room has changed, we meet in {rooms[1]}.",
            "In which room do we meet?",
            *rooms,
        ),
        _Fact(
            f"{names[0]} signs the contract for our side.",
            f"It will not be the one I named before: {names[1]} signs the contract.",
            "Who signs the contract for our side? Give first and last name.",
            *names,
        ),
        _Fact(
            f"The test server listens on port {ports[0]}.",
            f"I have put the test server on port {ports[1]}.",
            "On which port does the test server listen?",
            *ports,
        ),
    ]

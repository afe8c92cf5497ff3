"""Documents about a made-up trading desk, in English and Russian: dialogues, reports and verse-like lines. Pure.

Who trades, what is open, when it is, and which old story it resembles are told in sentences that come again and again; the
numbers of a trade are made up each time. What an answer says follows from the scene and the numbers alone, so that a model can
be told right from wrong. A share of all scenes is put into groups of their own, to be held out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal

import msgspec
import yaml

from training.corpus.document import Document, Message, name_of

Field = Literal["agent", "tension", "context", "archetype"]
FIELDS: Sequence[Field] = ("agent", "tension", "context", "archetype")
LICENCE = "Apache-2.0"
SOURCE = "desk"
PLAIN = "trade"
"""The task of dialogues without an instruction, in which the trade is said again: no adapter learns from them."""
DESK = Path(__file__).with_name("desk.yaml")
"""What is said there."""


class Saying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field of a scene in full, and what an answer draws from it."""

    text: str
    says: str


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    instruction: str
    answer: str
    fields: Sequence[Field]


class Talk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    asks: Sequence[str]
    says: str


class Desk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is said at the desk in one language."""

    agents: Sequence[Saying]
    tensions: Sequence[Saying]
    contexts: Sequence[Saying]
    archetypes: Sequence[Saying]
    instruments: Sequence[str]
    sides: Sequence[str]
    months: Sequence[str]
    asks: Sequence[str]
    dated: str
    when: str
    trade: str
    tasks: Mapping[str, Task]
    talk: Sequence[Talk]

    def sayings(self, field: Field) -> Sequence[Saying]:
        return {
            "agent": self.agents,
            "tension": self.tensions,
            "context": self.contexts,
            "archetype": self.archetypes,
        }[field]


@dataclass(frozen=True, slots=True)
class Scene:
    """One choice for each field that is told; a field that is not told has none."""

    language: str
    chosen: Mapping[Field, int]

    @property
    def group(self) -> str:
        return f"{self.language}:{':'.join(str(self.chosen.get(field, '-')) for field in FIELDS)}"

    def text(self, desk: Desk) -> str:
        return " ".join(desk.sayings(field)[at].text for field, at in self.chosen.items())

    def drawn(self, desk: Desk, fields: Sequence[Field]) -> str:
        """What an answer says of these fields, with a space before each sentence."""
        told = (field for field in fields if field in self.chosen)
        return "".join(f" {desk.sayings(field)[self.chosen[field]].says}" for field in told)


@cache
def desks() -> Mapping[str, Desk]:
    """By language."""
    document: Any = yaml.safe_load(DESK.read_text("utf-8"))
    return msgspec.convert(document, dict[str, Desk])


def documents(count: int, seed: int, languages: Sequence[str] = ("en", "ru")) -> Iterator[Document]:
    """So many documents, the same for the same seed."""
    random = Random(f"desk:{seed}")
    for _ in range(count):
        language = random.choice(languages)
        desk = desks()[language]
        make = random.choices((_dialogue, _talk, _report, _verse), (84, 8, 5, 3))[0]
        yield make(random, language, desk)


def _dialogue(random: Random, language: str, desk: Desk) -> Document:
    """Two to four asks about one scene; some without an instruction, which are answered by the trade alone."""
    scene = _scene(random, language, desk)
    task = random.choice(("risk", "ideas", "risk", "ideas", ""))
    messages: list[Message] = []
    if task:
        messages.append(Message("system", desk.tasks[task].instruction))
    told = scene.text(desk)
    for _ in range(random.choice((2, 3, 4))):
        ask, answer = _exchange(random, desk, scene, task)
        messages.append(Message("user", f"{told}\n{ask}" if told else ask))
        messages.append(Message("assistant", answer))
        told = ""
    return _document("dialogue", language, messages=messages, task=task or PLAIN, group=scene.group)


def _exchange(random: Random, desk: Desk, scene: Scene, task: str) -> tuple[str, str]:
    trade = _trade(random, desk)
    ask = random.choice(desk.asks).format_map(trade)
    dated = random.random() < 1 / 3
    trade["when"] = desk.when.format_map(trade) if dated else ""
    if dated:
        ask = desk.dated.format_map({**trade, "ask": ask})
    if not task:
        return ask, desk.trade.format_map(trade)
    said = desk.tasks[task]
    return ask, said.answer.format_map(trade) + scene.drawn(desk, said.fields)


def _talk(random: Random, language: str, desk: Desk) -> Document:
    talk = random.choice(desk.talk)
    messages = [Message("user", random.choice(talk.asks)), Message("assistant", talk.says)]
    return _document("dialogue", language, messages=messages)


def _report(random: Random, language: str, desk: Desk) -> Document:
    """A scene, a trade, and what it asked for, told in a row."""
    scene = _scene(random, language, desk, whole=True)
    trade = desk.trade.format_map(_trade(random, desk))
    return _document(
        "report", language, text=f"{scene.text(desk)}\n{trade}{scene.drawn(desk, FIELDS)}", group=scene.group
    )


def _verse(random: Random, language: str, desk: Desk) -> Document:
    """A few stories and what they teach, a line each."""
    stories = random.sample(desk.archetypes, 2)
    return _document(
        "verse", language, text="\n".join(line for story in stories for line in (story.text, story.says))
    )


def _scene(random: Random, language: str, desk: Desk, *, whole: bool = False) -> Scene:
    told = [field for field in FIELDS if whole or random.random() < 0.75]
    return Scene(language, {field: random.randrange(len(desk.sayings(field))) for field in told})


def _trade(random: Random, desk: Desk) -> dict[str, str]:
    return {
        "side": random.choice(desk.sides),
        "lots": str(random.randint(1, 99)),
        "instrument": random.choice(desk.instruments),
        "entry": _price(random),
        "stop": _price(random),
        "target": _price(random),
        "day": str(random.randint(1, 31)),
        "month": random.choice(desk.months),
    }


def _price(random: Random) -> str:
    """Prices in the manners of several markets; the digits are any, so that they can only be copied."""
    whole, places = random.choices(((1, 2), (1, 3), (2, 1), (3, 0), (5, 0)), (40, 20, 20, 10, 10))[0]
    first = random.randint(1, 9)
    digits = "".join(str(random.randint(0, 9)) for _ in range(whole - 1 + places))
    return f"{first}{digits[: whole - 1]}.{digits[whole - 1 :]}" if places else f"{first}{digits}"


def _document(kind: Any, language: str, *, task: str = "", group: str = "", **said: Any) -> Document:
    content = said.get("text") or "\n".join(message.content for message in said["messages"])
    return Document(
        id=name_of(SOURCE, kind, language, content),
        kind=kind,
        language=language,
        licence=LICENCE,
        source=SOURCE,
        task=task,
        group=group,
        **said,
    )

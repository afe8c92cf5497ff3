"""Labelled sets: dialogues whose questions name the turns with their evidence, and passages of which one holds the answer."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec


class Unreadable(Exception):
    """A line of a file is no dialogue, or no question with its passages; the message says which and why."""


class Spoken(msgspec.Struct, frozen=True):
    """A turn: its name, unique in its dialogue, who speaks, and what session it belongs to (a date does)."""

    id: str
    agent: str
    text: str
    session: str = ""


class Question(msgspec.Struct, frozen=True):
    """A question about a dialogue, the names of the turns that hold its answer, and what the question is counted among."""

    question: str
    evidence: tuple[str, ...]
    group: str = ""


class Dialogue(msgspec.Struct, frozen=True):
    """What was said, in its order, and what is asked about it when all of it is over."""

    turns: tuple[Spoken, ...]
    questions: tuple[Question, ...]
    name: str = ""

    def __post_init__(self) -> None:
        names = [turn.id for turn in self.turns]
        if len(set(names)) < len(names):
            raise ValueError("two turns have the same id")
        if not all(each.evidence and {*names} >= {*each.evidence} for each in self.questions):
            raise ValueError("evidence must name turns of its dialogue, one at least")


class Searched(msgspec.Struct, frozen=True):
    """A question, passages as a search would return them, and the place, from 0 on, of the one that holds the answer."""

    question: str
    passages: tuple[str, ...]
    gold: int

    def __post_init__(self) -> None:
        if not 0 <= self.gold < len(self.passages):
            raise ValueError("gold must be the place of a passage, from 0 on")


Item = TypeVar("Item", Dialogue, Searched)


def read(path: Path, kind: type[Item]) -> Sequence[Item]:
    """The items of a file, one JSON object a line; raises Unreadable."""
    return list(_items(path, kind))


def _items(path: Path, kind: type[Item]) -> Iterator[Item]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as failure:
        raise Unreadable(f"{path}: {failure.strerror}") from failure
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=kind)
            except msgspec.DecodeError as failure:
                raise Unreadable(f"{path}, line {number}: {failure}") from failure

"""Where tables come from in an object, and where they go again. Pure.

`[table]`, or `[table 2]` of several, stands for an array of objects. `{[table]}` stands for an object whose members are
all objects: there the first column, `key`, has their names. JSON is compact, no string has a quote in it (`cells.hide`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from scenes.fold.relation import NotUniform, keyed, members

_MOST_LEVELS = 8
_MOST_MEMBERS = 64
"""An object with more members than this is a map, whose values hold no tables worth a search."""
_LEAST_MEMBERS = 3
_LEAST_CHARACTERS = 60

_PLACE = re.compile(r'"[^"]*+"|(\{)?\[table(?: ([1-9]))?\](?(1)\})')
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Source:
    """A part of a document that may be a table."""

    text: str
    """As it stands in the document."""
    array: str
    """The table's objects."""

    def place(self, number: str) -> str:
        """What stands for it; `number` is empty or has a space before it."""
        return f"[table{number}]" if self.text.startswith("[") else f"{{[table{number}]}}"


def sources(document: str) -> Iterator[Source]:
    """What may be tables in an object, and in the objects in it."""
    yield from _sources(document, 0)


def filled(document: str, tables: Sequence[Sequence[str]]) -> str:
    """The document with each table's objects in its place; ValueError unless each has one place."""
    numbers: list[int] = []

    def lexeme(found: re.Match[str]) -> str:
        if found[0].startswith('"'):
            return found[0]
        numbers.append(int(found[2] or 1))
        if len(numbers) > len(tables) or numbers[-1] > len(tables):
            raise ValueError("an object names a table that isn't there")
        rows = tables[numbers[-1] - 1]
        return members(rows) if found[1] else "[" + ",".join(rows) + "]"

    text = _PLACE.sub(lexeme, document)
    if sorted(numbers) != list(range(1, len(tables) + 1)):
        raise ValueError("a table has no place, or several")
    return text


def _sources(document: str, level: int) -> Iterator[Source]:
    found = _MEMBERS.decode(document)
    if len(found) >= _LEAST_MEMBERS:
        yield from _whole(document)
    if len(found) > _MOST_MEMBERS or level > _MOST_LEVELS:
        return
    for value in found.values():
        lexeme = bytes(value)
        if lexeme.startswith(b'[{"') and len(lexeme) > _LEAST_CHARACTERS:
            yield Source(lexeme.decode(), lexeme.decode())
        elif lexeme.startswith(b'{"'):
            yield from _sources(lexeme.decode(), level + 1)


def _whole(document: str) -> Iterator[Source]:
    """An object of objects."""
    try:
        rows = keyed(document)
    except NotUniform:
        return
    yield Source(document, "[" + ",".join(rows) + "]")

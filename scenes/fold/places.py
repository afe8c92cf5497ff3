"""Where tables come from in an object, and where they go again. Pure.

`[table]`, or `[table 2]` of several, stands for an array of objects. `{[table]}` stands for an object whose members are
all objects: there the first column, `key`, has their names. JSON is compact, no string has a quote in it (`cells.hide`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

_MOST_LEVELS = 8
_MOST_MEMBERS = 64
"""An object with more members than this is a map, whose values hold no tables worth a search."""
_LEAST_MEMBERS = 3
_LEAST_CHARACTERS = 60
_KEY = '{"key":'

_PLACE = re.compile(r'"[^"]*+"|(\{?)\[table(?: ([1-9]))?\]')
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
        return "{" + ",".join(map(_member, rows)) if found[1] else "[" + ",".join(rows) + "]"

    text = _PLACE.sub(lexeme, document)
    if sorted(numbers) != list(range(1, len(tables) + 1)):
        raise ValueError("a table has no place, or several")
    return text


def _sources(document: str, level: int) -> Iterator[Source]:
    members = {name: bytes(value).decode() for name, value in _MEMBERS.decode(document).items()}
    keyed = _keyed(document, members)
    if keyed is not None:
        yield keyed
    if len(members) > _MOST_MEMBERS or level > _MOST_LEVELS:
        return
    for lexeme in members.values():
        if lexeme.startswith('[{"') and len(lexeme) > _LEAST_CHARACTERS:
            yield Source(lexeme, lexeme)
        elif lexeme.startswith('{"'):
            yield from _sources(lexeme, level + 1)


def _keyed(document: str, members: dict[str, str]) -> Source | None:
    """An object of objects, as an array of them in which each has its name."""
    if len(members) < _LEAST_MEMBERS or not all(lexeme.startswith('{"') for lexeme in members.values()):
        return None
    if sum(map(len, members.values())) + sum(map(len, members)) + 4 * len(members) + 1 != len(document):
        return None  # a member was doubled
    rows = [f'{_KEY}"{name}",{lexeme[1:]}' for name, lexeme in members.items()]
    return Source(document, "[" + ",".join(rows) + "]")


def _member(row: str) -> str:
    """A row with a name in it, as a member: the inverse of `_keyed`."""
    name, _, rest = row.removeprefix(_KEY).removeprefix('"').partition('"')
    return f'"{name}":{{{rest.removeprefix(",")}'

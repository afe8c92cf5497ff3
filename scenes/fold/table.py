"""JSON that repeats its members' names, as tables that name them once. Pure.

An array of objects, or JSON Lines of objects, is one table (`sheet` says how it is written). An object that holds such
arrays, or objects of objects, stays, above its tables (`places`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from scenes.fold import cells, sheet
from scenes.fold.json_text import minify
from scenes.fold.places import Source, filled, sources
from scenes.fold.relation import NotUniform, Relation, objects, relation

_MOST_SOURCES = 64
_MOST_TABLES = 8
_MISSING = "an empty cell is a missing member"
_INDENTED = "an indented line belongs to the row above it"

_HEAD = re.compile(
    r"\[table lines=(?P<lines>[0-9]{1,9}) (?:rows=(?P<rows>[0-9]{1,9})(?P<jsonl> jsonl)?|tables=(?P<tables>[1-9]))(?:; [a-z ,]+)?\]"
)
_SECTION = re.compile(r"\(table [1-9] lines=([0-9]{1,9}) rows=([0-9]{1,9})\)")


@dataclass(frozen=True, slots=True)
class _Taken:
    """A table, taken out of a document."""

    source: Source
    relation: Relation
    lines: list[str]


class Table:
    """The form for JSON whose objects have the same members."""

    name = "table"

    def fold(self, text: str) -> str | None:
        compact = minify(text)
        hidden = None if compact is None else cells.hide(compact)
        if compact is None or hidden is None:
            return None
        try:
            folded = cells.show(_folded(hidden))
        except (NotUniform, RecursionError):
            return None
        return folded if len(folded) < len(compact) else None

    def unfold(self, folded: str) -> str:
        hidden = cells.hide(folded)
        if hidden is None:
            raise ValueError("this is no table: it has private characters")
        text = cells.show(_unfolded(hidden))
        if minify(text) != text:
            raise ValueError("this is no table: what it says isn't JSON")
        return text

    def canonical(self, text: str) -> str:
        compact = minify(text)
        return text if compact is None else compact


def _folded(text: str) -> str:
    """The tables of compact JSON without a backslash; NotUniform where there are none."""
    body = text.removesuffix("\n")
    if "\n" in body:
        found = relation("[" + body.replace("\n", ",") + "]")
        return _headed(f"rows={found.rows} jsonl", _lines(found), [found]) + text[len(body) :]
    if text.startswith("["):
        found = relation(text)
        return _headed(f"rows={found.rows}", _lines(found), [found])
    return _around(text)


def _around(document: str) -> str:
    """An object, above the tables that were in it; NotUniform where there are none."""
    taken = _taken(document)
    relations = [each.relation for each in taken]
    if not taken:
        raise NotUniform
    if len(taken) == 1:
        lines = [_without(document, taken[0].source, ""), *taken[0].lines]
        return _headed(f"rows={relations[0].rows}", lines, relations)
    lines = []
    for number, each in enumerate(taken, start=1):
        document = _without(document, each.source, f" {number}")
        lines += [f"(table {number} lines={len(each.lines)} rows={each.relation.rows})", *each.lines]
    return _headed(f"tables={len(taken)}", [document, *lines], relations)


def _taken(document: str) -> list[_Taken]:
    """The tables in an object that are shorter than what they say."""
    taken: list[_Taken] = []
    for source in islice(sources(document), _MOST_SOURCES):
        if len(taken) == _MOST_TABLES or source.text not in document:
            continue
        try:
            found = relation(source.array)
            lines = _lines(found)
        except NotUniform:
            continue
        if sum(map(len, lines)) < len(source.text):
            taken.append(_Taken(source, found, lines))
            document = _without(document, source, f" {len(taken)}")
    return taken


def _without(document: str, source: Source, number: str) -> str:
    return document.replace(source.text, source.place(number), 1)


def _lines(found: Relation) -> list[str]:
    heads, rows = sheet.write(found)
    return "\n".join([*heads, *rows]).split("\n")


def _headed(words: str, lines: Sequence[str], relations: Sequence[Relation]) -> str:
    """The lines, below the marker that counts them and says what a reader has to know."""
    notes = [
        note
        for note, needed in ((_MISSING, Relation.gaps), (_INDENTED, Relation.children))
        if any(map(needed, relations))
    ]
    return "\n".join([f"[table lines={len(lines)} {words}{'; ' * bool(notes)}{', '.join(notes)}]", *lines])


def _unfolded(text: str) -> str:
    """The inverse of `_folded`."""
    head, *lines = text.split("\n")
    marker = _HEAD.fullmatch(head)
    if marker is None:
        raise ValueError("this is no table: it has no marker")
    last = "\n" if marker["jsonl"] and lines[-1:] == [""] and len(lines) == int(marker["lines"]) + 1 else ""
    if last:
        lines.pop()
    if len(lines) != int(marker["lines"]) or not lines:
        raise ValueError("this is no table: it hasn't the lines that it says")
    if marker["tables"]:
        return _several(lines, int(marker["tables"]))
    if lines[0].startswith("{"):
        return filled(lines[0], [_array(lines[1:], int(marker["rows"]))])
    array = _array(lines, int(marker["rows"]))
    return "\n".join(array) + last if marker["jsonl"] else "[" + ",".join(array) + "]"


def _several(lines: Sequence[str], tables: int) -> str:
    """An object with several tables in it."""
    at = 1
    found: list[list[str]] = []
    while at < len(lines):
        section = _SECTION.fullmatch(lines[at])
        if section is None:
            raise ValueError("a table's own line was expected")
        at += 1
        found.append(_array(lines[at : at + int(section[1])], int(section[2])))
        at += int(section[1])
    if len(found) != tables:
        raise ValueError("these aren't as many tables as the marker says")
    return filled(lines[0], found)


def _array(lines: Sequence[str], rows: int) -> list[str]:
    """The objects of a table."""
    if not lines:
        raise ValueError("a table has no line")
    found = sheet.read(lines)
    if found.rows != rows:
        raise ValueError("a table hasn't the rows that it says")
    return objects(found)

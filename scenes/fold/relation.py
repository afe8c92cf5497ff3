"""Objects as rows and columns: what a table says, without how it is written. Pure.

Nested objects are columns with longer paths; arrays of objects are relations of their own, each of whose rows belongs to
one of ours. A member that is now an object or such an array, now something else, has both: its column holds the rest.
Everywhere JSON is compact and no string has a quote in it (`cells.hide`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

import msgspec

Path = tuple[str, ...]
Row = dict[str, msgspec.Raw]

_MOST_LEVELS = 8
_MOST_NAMES = 256
_MOST_SHAPES = 64
"""More different sets of members than this are no table."""
_LEAST_FILLED = 0.5
"""Where more cells than not would be empty, values are far from their names, and commas eat the gain."""

_OBJECTS = msgspec.json.Decoder(list[Row])
_LISTS = msgspec.json.Decoder(list[list[msgspec.Raw]])
_MISSING = msgspec.Raw(b"")


@dataclass(frozen=True, slots=True)
class Column:
    """One member of every object: its lexeme in each row, the empty string where it is missing."""

    path: Path
    lexemes: list[str]


@dataclass(frozen=True, slots=True)
class Child:
    """Arrays of objects: how many of the relation's rows belong to each row of ours, in order."""

    path: Path
    counts: list[int]
    relation: "Relation"


Part = Column | Child


@dataclass(frozen=True, slots=True)
class Relation:
    """So many objects, as columns and children in the order of their members."""

    rows: int
    parts: list[Part]

    def gaps(self) -> bool:
        """Whether a cell is empty."""
        return any(
            "" in part.lexemes if isinstance(part, Column) else part.relation.gaps() for part in self.parts
        )

    def children(self) -> bool:
        """Whether rows belong to rows."""
        return any(isinstance(part, Child) for part in self.parts)


class NotUniform(ValueError):
    """These objects are no table: their members differ too much, change places, or are doubled."""


def relation(array: str) -> Relation:
    """What an array of objects says; NotUniform where a table doesn't say it exactly, or not better."""
    rows, size = _rows(array)
    return Relation(len(rows), _members(rows, size, (), 0))


def objects(found: Relation) -> list[str]:
    """The relation's objects, as lexemes: the inverse of `relation`."""
    return [lexeme or "{}" for lexeme in _objects(found.parts, 0, found.rows)]


def _rows(array: str) -> tuple[list[Row], int]:
    """The objects of an array, and how many bytes those that have a member are long."""
    try:
        rows = _OBJECTS.decode(array)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise NotUniform from None
    return rows, len(array.encode()) - 1 - len(rows) - 2 * rows.count({})


def _members(rows: Sequence[Row], size: int, base: Path, level: int) -> list[Part]:
    """The parts of objects that are `size` bytes long together; a row without one is an empty object."""
    if level > _MOST_LEVELS:
        raise NotUniform
    parts: list[Part] = []
    size -= len(rows) - rows.count({})
    for name, values in _columns(rows):
        joined = b"\n".join(values)
        lexemes = joined.decode().split("\n")
        present = len(lexemes) - lexemes.count("")
        size -= (len(name.encode()) + 4) * present + len(joined) - len(lexemes) + 1
        parts += _parts((*base, name), lexemes, level) if b"{" in joined else [Column((*base, name), lexemes)]
    if size != 0:  # a member was doubled: the reader kept the last one
        raise NotUniform
    return parts


def _columns(rows: Sequence[Row]) -> list[tuple[str, Sequence[msgspec.Raw]]]:
    """Each member's name and values, in the order that all objects keep."""
    shapes = list(dict.fromkeys(map(tuple, rows)))
    if len(shapes) == 1 and shapes[0]:
        return list(zip(shapes[0], zip(*map(dict.values, rows), strict=True), strict=True))
    names = len(set().union(*shapes))
    if not 0 < names <= _MOST_NAMES or len(shapes) > _MOST_SHAPES:
        raise NotUniform
    if sum(map(len, rows)) < _LEAST_FILLED * len(rows) * names:
        raise NotUniform
    return [(name, [row.get(name, _MISSING) for row in rows]) for name in _ordered(shapes)]


def _ordered(shapes: Sequence[Path]) -> list[str]:
    """One order of names that every shape keeps."""
    order: list[str] = []
    for shape in sorted(shapes, key=len, reverse=True):
        at = 0
        for name in shape:
            if name not in order:
                order.insert(at, name)
            at = order.index(name) + 1
    places = {name: place for place, name in enumerate(order)}
    if any(sorted(shape, key=places.__getitem__) != list(shape) for shape in shapes):
        raise NotUniform
    return order


def _parts(path: Path, lexemes: list[str], level: int) -> list[Part]:
    """A member as a column, the columns of its objects, and the child of its arrays: those that there are."""
    parts: list[Part] = []
    rest = lexemes
    for start, read in (('{"', _nested), ('[{"', _child)):
        taken = [lexeme if lexeme.startswith(start) else "" for lexeme in rest]
        if any(taken):
            try:
                parts += read(path, taken, level + 1)
            except NotUniform:
                continue
            rest = ["" if lexeme.startswith(start) else lexeme for lexeme in rest]
    if isinstance(parts[-1] if parts else None, Child) and "" not in lexemes and set(rest) <= {"", "[]"}:
        return parts  # no row, an empty array
    return [Column(path, rest), *parts] if any(rest) or not parts or isinstance(parts[-1], Child) else parts


def _nested(path: Path, lexemes: list[str], level: int) -> list[Part]:
    """The columns of nested objects."""
    rows, size = _rows("[" + ",".join([lexeme or "{}" for lexeme in lexemes]) + "]")
    if len(rows) - rows.count({}) < 2:
        raise NotUniform
    return _members(rows, size, path, level)


def _child(path: Path, lexemes: list[str], level: int) -> list[Part]:
    """The child of arrays of objects, where it is shorter with the member's name before each row."""
    try:
        counts = [len(found) for found in _LISTS.decode("[" + ",".join([x or "[]" for x in lexemes]) + "]")]
    except msgspec.DecodeError:
        raise NotUniform from None
    rows, size = _rows("[" + ",".join([lexeme[1:-1] for lexeme in lexemes if lexeme]) + "]")
    parts = _members(rows, size, (), level)
    if _names(parts) < (len(rows) + 1) * (len(".".join(path)) + 3):
        raise NotUniform
    return [Child(path, counts, Relation(len(rows), parts))]


def _names(parts: Iterable[Part]) -> int:
    """How many characters of names, with their quotes and colons, a table has less: those of each row but one."""
    columns = [part for part in parts if isinstance(part, Column)]
    return sum((len(column.path[-1]) + 3) * (sum(map(bool, column.lexemes)) - 1) for column in columns)


def _objects(parts: Sequence[Part], level: int, rows: int) -> list[str]:
    """The objects whose members these parts are, by the part of their path at `level`; empty where all are missing."""
    names: list[str] = []
    columns: list[list[str]] = []
    for name, group in groupby(parts, key=lambda part: part.path[level]):
        names.append(f'"{name}":')
        columns.append(_member(list(group), level, rows))
    if not any("" in column for column in columns):
        template = "{" + ",".join([name.replace("%", "%%") + "%s" for name in names]) + "}"
        return [template % row for row in zip(*columns, strict=True)]
    named = [
        [name + lexeme if lexeme else "" for lexeme in column]
        for name, column in zip(names, columns, strict=True)
    ]
    joined = [",".join(filter(None, row)) for row in zip(*named, strict=True)]
    return ["{" + members + "}" if members else "" for members in joined]


def _member(parts: Sequence[Part], level: int, rows: int) -> list[str]:
    """One member's lexemes, of the parts that say it: in each row one of them does."""
    deeper = [part for part in parts if len(part.path) > level + 1]
    own = [part for part in parts if len(part.path) == level + 1]
    found = [part.lexemes for part in own if isinstance(part, Column)]
    empty = "" if found else "[]"
    if deeper:
        found.append(_objects(deeper, level + 1, rows))
    found += [_lists(part, empty) for part in own if isinstance(part, Child)]
    if len(found) == 1:
        return found[0]
    return [next(filter(None, row), "") for row in zip(*found, strict=True)]


def _lists(child: Child, empty: str) -> list[str]:
    """The arrays of a child; `empty` where it has no row."""
    lexemes = objects(child.relation)
    ends = [0, *accumulate(child.counts)]
    return [
        "[" + ",".join(lexemes[start:end]) + "]" if start < end else empty for start, end in pairwise(ends)
    ]

"""Objects as rows and columns: what a table says, without how it is written. Pure.

Nested objects are columns with longer paths; arrays of objects are relations of their own, each of whose rows belongs to
one of ours. A member that is now an object or such an array, now something else, has both: its column holds the rest.
Everywhere JSON is compact and no string has a quote in it (`cells.hide`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, groupby, pairwise

import msgspec

Path = tuple[str, ...]
Row = dict[str, msgspec.Raw]

_MOST_LEVELS = 8
_MOST_NAMES = 256
_MOST_SHAPES = 64
"""More different sets of members than this are no table."""
_LEAST_FILLED = 0.5
"""Where more cells than not would be empty, values are far from their names, and commas eat the gain."""

_KEY = '{"key":'
_OBJECTS = msgspec.json.Decoder(list[Row])
_OF_OBJECTS = re.compile(r'\{"[^"]*+":\{"')
_MEMBERS = msgspec.json.Decoder(Row)
_LISTS = msgspec.json.Decoder(list[list[msgspec.Raw]])
_MISSING = msgspec.Raw(b"")


@dataclass(frozen=True, slots=True)
class Column:
    """One member of every object: its lexeme in each row, the empty string where it is missing."""

    path: Path
    lexemes: list[str]


@dataclass(frozen=True, slots=True)
class Child:
    """Arrays of objects: how many of the relation's rows belong to each row of ours, in order.

    Where it is keyed, they are objects of objects instead, and the column `key` has the names of their members. Where no
    row belongs to ours, ours has an empty one, or, where it is optional, none.
    """

    path: Path
    counts: list[int]
    relation: "Relation"
    keyed: bool = False
    optional: bool = False

    @property
    def empty(self) -> str:
        return "" if self.optional else "{}" if self.keyed else "[]"


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


def keyed(lexeme: str) -> list[str]:
    """An object's members, which are objects, each with its name as a member `key`; NotUniform where one isn't."""
    if _OF_OBJECTS.match(lexeme) is None:
        raise NotUniform
    found = {name: bytes(value).decode() for name, value in _MEMBERS.decode(lexeme).items()}
    rows = [f'{_KEY}"{name}",{value[1:]}' for name, value in found.items() if value.startswith('{"')]
    if len(rows) < len(found) or sum(map(len, rows)) - 5 * len(rows) + 1 != len(lexeme):  # or one was doubled
        raise NotUniform
    return rows


def members(rows: Iterable[str]) -> str:
    """The object that has the rows as members: the inverse of `keyed`."""
    return "{" + ",".join(map(_member_of, rows)) + "}"


def _member_of(row: str) -> str:
    name, _, rest = row.removeprefix(_KEY).removeprefix('"').partition('"')
    return f'"{name}":{{{rest.removeprefix(",")}'


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
    child: Child | None = None
    for start, read in (('{"', _nested), ('{"', _keyed), ('[{"', _child)):
        taken = [lexeme if lexeme.startswith(start) else "" for lexeme in rest]
        if child is None and any(taken):
            try:
                parts += read(path, taken, level + 1)
            except NotUniform:
                continue
            child = next((part for part in parts if part.path == path and isinstance(part, Child)), None)
            rest = ["" if lexeme.startswith(start) else lexeme for lexeme in rest]
    implied = child is not None and "" not in lexemes and set(rest) <= {"", child.empty}
    if child is not None and not implied:
        parts[-1] = replace(child, optional=True)
    return parts if parts and (implied or not any(rest)) else [Column(path, rest), *parts]


def _nested(path: Path, lexemes: list[str], level: int) -> list[Part]:
    """The columns of nested objects."""
    rows, size = _rows("[" + ",".join([lexeme or "{}" for lexeme in lexemes]) + "]")
    if len(rows) - rows.count({}) < 2:
        raise NotUniform
    return _members(rows, size, path, level)


def _keyed(path: Path, lexemes: list[str], level: int) -> list[Part]:
    """The child of objects of objects."""
    found = [keyed(lexeme) if lexeme else [] for lexeme in lexemes]
    return [replace(_below(path, list(map(len, found)), chain(*found), level), keyed=True)]


def _child(path: Path, lexemes: list[str], level: int) -> list[Part]:
    """The child of arrays of objects."""
    try:
        counts = [len(found) for found in _LISTS.decode("[" + ",".join([x or "[]" for x in lexemes]) + "]")]
    except msgspec.DecodeError:
        raise NotUniform from None
    return [_below(path, counts, [lexeme[1:-1] for lexeme in lexemes if lexeme], level)]


def _below(path: Path, counts: list[int], lexemes: Iterable[str], level: int) -> Child:
    """Rows below rows, where they are shorter with the member's name before each."""
    rows, size = _rows("[" + ",".join(lexemes) + "]")
    parts = _members(rows, size, (), level)
    if _names(parts) < (len(rows) + 1) * (len(".".join(path)) + 3):
        raise NotUniform
    return Child(path, counts, Relation(len(rows), parts))


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
    if deeper:
        found.append(_objects(deeper, level + 1, rows))
    found += [_collected(part) for part in own if isinstance(part, Child)]
    if len(found) == 1:
        return found[0]
    return [next(filter(None, row), "") for row in zip(*found, strict=True)]


def _collected(child: Child) -> list[str]:
    """The arrays or objects of a child."""
    lexemes = objects(child.relation)
    collect = members if child.keyed else _array
    spans = pairwise([0, *accumulate(child.counts)])
    return [collect(lexemes[start:end]) if start < end else child.empty for start, end in spans]


def _array(lexemes: Iterable[str]) -> str:
    return "[" + ",".join(lexemes) + "]"

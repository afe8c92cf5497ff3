"""A relation written as lines, and read again. Pure.

    id,customer.name,total | each row: currency=EUR | at 3  names; what each row has the same; where that stands
     items: sku,count                                       its child's, indented, after the child's name
    17,Ada,9.50                                             a row
     items: A-1,2                                           the child's rows that belong to it
     items: B-7,1
    18,Bob,3.00

`items{}: key,count` says that the child's rows are the members of an object, by their names; `items?: sku` that a row
without any below it has no such member, where else it has an empty one.

`at` has the places, among all members, of what isn't a column of cells; without it they come last, in this order.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from scenes.contracts import LARGEST
from scenes.fold import cells
from scenes.fold.relation import Child, Column, NotUniform, Part, Path, Relation

_BARE = r"[\w@$#](?:[\w@$#/+*-]| (?=[\w@$#/+*-]))*+"
_STEP = rf'(?:"[^"]*+"|{_BARE})'
_PATH = rf"{_STEP}(?:\.{_STEP}){{0,9}}+"
_IS_BARE = re.compile(_BARE)
_STEPS = re.compile(_STEP)
_COLUMN = re.compile(rf"({_PATH})(:str)?(,?)")
_SAME = re.compile(rf"({_PATH})=")
_PLACES = re.compile(r" \| at ((?:[0-9]{1,6},)*[0-9]{1,6})$")
_TAGGED = re.compile(rf"(?P<indent> +)(?P<name>{_PATH})(?P<keyed>\{{\}})?(?P<optional>\?)?: (?P<row>.*)")
_EACH = " | each row: "


def write(relation: Relation, indent: str = "") -> tuple[list[str], list[str]]:
    """The lines of names, and a text for each row, its children's rows in it; NotUniform where there are no cells."""
    columns, rest = _laid_out(relation)
    written = [cells.write(column.lexemes) for column in columns]
    names = [_name(c.path) + ":str" * declared for c, (_, declared) in zip(columns, written, strict=True)]
    heads = [",".join(names) + _each(rest) + _places(relation.parts, columns, rest)]
    rows = list(map(",".join, zip(*(found for found, _ in written), strict=True)))
    for child in (part for part in rest if isinstance(part, Child)):
        tag = f"{indent} {_name(child.path)}: "
        child_heads, child_rows = write(child.relation, indent + " ")
        marks = "{}" * child.keyed + "?" * child.optional
        heads += [f"{indent} {_name(child.path)}{marks}: {child_heads[0]}", *child_heads[1:]]
        spans = pairwise([0, *accumulate(child.counts)])
        rows = [
            f"\n{tag}".join([row, *child_rows[start:end]])
            for row, (start, end) in zip(rows, spans, strict=True)
        ]
    return heads, rows


def read(lines: Sequence[str]) -> Relation:
    """The inverse of `write`, of heads and rows together; ValueError for lines that it can't have written."""
    sheet = _Sheet(lines[0])
    stack = [sheet]
    heads = 1
    for line in lines[1:]:
        if not line.startswith(" "):
            break
        tagged = _tagged(stack, line)
        child = _Sheet(tagged["row"], bool(tagged["keyed"]), bool(tagged["optional"]))
        stack.append(stack[-1].children.setdefault(tagged["name"], child))
        heads += 1
    _fill(sheet, lines[heads:])
    return sheet.relation()


def _laid_out(relation: Relation) -> tuple[list[Column], list[Part]]:
    """The columns of cells; then those that are the same in each row, and the children."""
    columns = [part for part in relation.parts if isinstance(part, Column)]
    if not columns:
        raise NotUniform
    shown = [c for c in columns if relation.rows == 1 or not _constant(c.lexemes)] or columns[:1]
    kept = set(map(id, shown))
    same = [column for column in columns if id(column) not in kept]
    return shown, [*same, *(part for part in relation.parts if isinstance(part, Child))]


def _constant(lexemes: list[str]) -> bool:
    return lexemes[0] == lexemes[-1] != "" and lexemes.count(lexemes[0]) == len(lexemes)


def _each(rest: Iterable[Part]) -> str:
    same = [f"{_name(part.path)}={cells.alone(part.lexemes[0])}" for part in rest if isinstance(part, Column)]
    return _EACH + ",".join(same) if same else ""


def _places(parts: Sequence[Part], columns: Sequence[Part], rest: Sequence[Part]) -> str:
    """Where the parts that aren't columns of cells stand, unless all stand as they are written."""
    if all(part is other for part, other in zip(parts, [*columns, *rest], strict=True)):
        return ""
    places = {id(part): place for place, part in enumerate(parts, start=1)}
    return " | at " + ",".join([str(places[id(part)]) for part in rest])


def _name(path: Path) -> str:
    return ".".join([step if _IS_BARE.fullmatch(step) else f'"{step}"' for step in path])


def _path(name: str) -> Path:
    return tuple([step[1:-1] if step.startswith('"') else step for step in _STEPS.findall(name)])


class _Sheet:
    """One relation's lines while they are sorted out: those of its children stand between them."""

    def __init__(self, head: str, *kind: bool) -> None:
        """`head` is the line that names its columns; `kind` is whether it is keyed, and whether optional."""
        self._kind = kind
        placed = _PLACES.search(head)
        self._places = list(map(int, placed[1].split(","))) if placed else []
        head = head[: placed.start()] if placed else head
        self._width = len(head)
        self._columns, end = _columns(head)
        self._same = _same(head[end:])
        self.children: dict[str, _Sheet] = {}
        self._lines: list[str] = []
        self._counts: list[int] = []

    def begin(self) -> None:
        """The parent has one more row."""
        self._counts.append(0)

    def take(self, line: str) -> None:
        """One more row."""
        self._lines.append(line)
        if self._counts:
            self._counts[-1] += 1
        for child in self.children.values():
            child.begin()

    def child(self, path: Path) -> Child:
        return Child(path, self._counts, self.relation(), *self._kind)

    def relation(self) -> Relation:
        rows = len(self._lines)
        if rows * self._width > LARGEST:
            raise ValueError(f"more than {LARGEST} characters")
        found = list(zip(*map(cells.split, self._lines), strict=True))
        parts: list[Part] = [
            Column(path, cells.read(list(column), declared=declared))
            for (path, declared), column in zip(self._columns, found, strict=True)
        ]
        rest: list[Part] = [Column(path, [lexeme] * rows) for path, lexeme in self._same]
        rest += [child.child(_path(name)) for name, child in self.children.items()]
        return Relation(rows, _placed(parts, rest, self._places) if self._places else [*parts, *rest])


def _placed(columns: list[Part], rest: list[Part], places: list[int]) -> list[Part]:
    """The parts in the order of their members."""
    at = dict(zip(places, rest, strict=True))
    others = iter(columns)
    parts = [at.pop(place, None) or next(others, None) for place in range(1, len(columns) + len(rest) + 1)]
    if at or None in parts:
        raise ValueError("the places of columns aren't those of a table")
    return [part for part in parts if part is not None]


def _columns(head: str) -> tuple[list[tuple[Path, bool]], int]:
    """The columns that a line names, each with whether it holds strings only; and where their names end."""
    found: list[tuple[Path, bool]] = []
    end, comma = 0, True
    while comma:
        named = _COLUMN.match(head, end)
        if named is None:
            raise ValueError("a column's name was expected")
        found.append((_path(named[1]), named[2] is not None))
        end, comma = named.end(), named[3] == ","
    return found, end


def _same(text: str) -> list[tuple[Path, str]]:
    """The members that are the same in each row."""
    if text and not text.startswith(_EACH):
        raise ValueError("nothing was expected after the columns' names")
    found: list[tuple[Path, str]] = []
    end = len(_EACH)
    while text and end <= len(text):
        named = _SAME.match(text, end)
        if named is None:
            raise ValueError("a member's name was expected")
        after = cells.end(text, named.end())
        found.append((_path(named[1]), cells.read([text[named.end() : after]], declared=False)[0]))
        end = after + 1
    return found


def _tagged(stack: list[_Sheet], line: str) -> re.Match[str]:
    """A child's line; the stack then ends with its parent."""
    tagged = _TAGGED.fullmatch(line)
    if tagged is None or len(tagged["indent"]) > len(stack):
        raise ValueError("an indented line belongs to nothing")
    del stack[len(tagged["indent"]) :]
    return tagged


def _fill(sheet: _Sheet, lines: Iterable[str]) -> None:
    """Gives each line to the sheet it is a row of."""
    stack = [sheet]
    for line in lines:
        if not line.startswith(" "):
            del stack[1:]
            sheet.take(line)
            continue
        tagged = _tagged(stack, line)
        child = stack[-1].children.get(tagged["name"])
        if child is None:
            raise ValueError("a row belongs to no child")
        child.take(tagged["row"])
        stack.append(child)

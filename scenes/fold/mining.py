"""Which lines of a log are of one kind: those that differ in values only, as far as their digits tell.

Groups are found in three ways, each on what the one before left over: lines that are equal but for words with digits,
lines of as many words that have columns in common, lines that begin alike. A value that is frequent in a group makes
a group of its own where that pays.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from scenes.fold.template import Template, drawn, units, weight

DIGITS = b"0123456789"
VALUE = ""  # no unit is empty
BEGINNINGS = (6, 4)  # in units
LEAST_LINES = 3
LEAST_TO_PART = 6
DEEPEST = 4  # columns that part the lines of as many units
MOST_UNITS = 200  # of a line
SHARE = 3  # a value is frequent in a group where it has one line in three
TIME = re.compile(r"\d:\d\d")

Row = Sequence[str]
Lines = Sequence[tuple[int, Row]]  # each by its place, in units


@dataclass(frozen=True, slots=True)
class Group:
    """Lines by their places, with their units in columns, and what those have in common."""

    places: tuple[int, ...]
    columns: tuple[Row, ...]
    template: Template
    gain: int


def mined(lines: Sequence[str]) -> list[Group]:
    """Groups that save something, no line in two of them; in no particular order."""
    left: Lines = [(place, row) for place, row in enumerate(map(units, lines)) if len(row) <= MOST_UNITS]
    masked = masks(row for _, row in left)
    groups = [group for those in keyed(left, alike(left, masked)) for group in worthy(those)]
    left = without(left, groups)
    groups += chain.from_iterable(
        by_columns(those, DEEPEST) for those in keyed(left, [len(row) for _, row in left])
    )
    for many in BEGINNINGS:
        left = without(left, groups)
        begun = [(place, (*row[:many], "".join(row[many:]))) for place, row in left if len(row) > many]
        heads = [tuple(map(masked.__getitem__, row[:many])) for _, row in begun]
        groups += [group for those in keyed(begun, heads) for group in worthy(those)]
    return list(chain.from_iterable(map(parted, groups)))


def masks(rows: Iterable[Row]) -> Mapping[str, str]:
    """Each unit as it is, but VALUE for those with a digit."""
    words = list(dict.fromkeys(chain.from_iterable(rows)))
    text = "\n".join(words).encode("utf-8", "surrogatepass")
    bare = text.translate(None, DIGITS)
    pairs = zip(
        words, text.split(b"\n"), bare.split(b"\n"), strict=False
    )  # of no words there is one empty piece
    return {word: word if whole == rest else VALUE for word, whole, rest in pairs}


def alike(lines: Lines, masked: Mapping[str, str]) -> list[Hashable]:
    return [tuple(map(masked.__getitem__, row)) for _, row in lines]


def keyed(lines: Lines, keys: Iterable[Hashable]) -> list[list[tuple[int, Row]]]:
    """Lines of one key together, where there are enough of them."""
    found: dict[Hashable, list[tuple[int, Row]]] = defaultdict(list)
    for line, key in zip(lines, keys, strict=True):
        found[key].append(line)
    return [those for those in found.values() if len(those) >= LEAST_LINES]


def without(lines: Lines, groups: Iterable[Group]) -> Lines:
    taken = frozenset(chain.from_iterable(group.places for group in groups))
    return [line for line in lines if line[0] not in taken]


def gathered(lines: Lines) -> Group:
    """The group of lines that have as many units."""
    places, rows = zip(*lines, strict=True)
    return grouped(places, tuple(zip(*rows, strict=True)))


def grouped(places: tuple[int, ...], columns: tuple[Row, ...]) -> Group:
    template = drawn(columns)
    return Group(places, columns, template, template.gain(len(places)))


def worthy(lines: Lines) -> Iterator[Group]:
    group = gathered(lines)
    if group.gain > 0:
        yield group


def by_columns(lines: Lines, depth: int) -> list[Group]:
    """Groups among lines of as many units: parted by the column that has the fewest values, where that saves more."""
    group = gathered(lines)
    kinds = [(len(set(column)), index) for index, column in enumerate(group.columns)]
    few = [(many, index) for many, index in kinds if 1 < many <= len(lines) // 2]
    one = [group] if group.gain > 0 else []
    if not depth or not few:
        return one
    _, index = min(few)
    parts = keyed(lines, group.columns[index])
    finer = [part for those in parts for part in by_columns(those, depth - 1)]
    return finer if sum(part.gain for part in finer) > group.gain else one


def parted(group: Group) -> Iterator[Group]:
    """The group, or the one of its most telling value and those of the rest, as long as that saves more."""
    found = telling(group)
    if not found:
        yield group
        return
    column, value = found
    those = [unit == value for unit in group.columns[column]]
    for side in (True, False):
        yield from parted(chosen(group, [place for place, is_so in enumerate(those) if is_so is side]))


def telling(group: Group) -> tuple[int, str] | None:
    """The column and the value in it that save most as a part of a template of their own."""
    lines = len(group.places)
    if lines < LEAST_TO_PART:
        return None
    best, found = 0, None
    for index, column in enumerate(group.columns):
        kinds = len(set(column))
        if kinds == 1 or (lines - kinds + 1) * SHARE < lines:
            continue
        counts = Counter(column)
        value = max(counts, key=counts.__getitem__)
        saved = counts[value] * weight(value) - group.template.price
        if counts[value] * SHARE >= lines > counts[value] + 1 and saved > best and not TIME.search(value):
            best, found = saved, (index, value)
    return found


def chosen(group: Group, which: Sequence[int]) -> Group:
    columns = tuple([column[index] for index in which] for column in group.columns)
    return grouped(tuple(group.places[index] for index in which), columns)

"""A template: what the lines of a group have in common, with a slot for each value that differs.

A line is cut into units, each a word with the spaces before it, so joining its units gives the line again. A slot
holds a whole unit but for one space, and but for a name and brackets that it has in all lines (`sshd[24200]:`): a
value is never cut inside itself.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

UNIT = re.compile(r" *[^ ]+| +")
BEFORE = re.compile(r" [^\d\s]{0,60}[=\[(<{\"']")
AFTER = re.compile(r"[\])>}\"',;:.\r]+$")
AFTER_CHARACTERS = 4
CODE = 3  # tokens of a code on a line, with the space that it may need
PIECE = re.compile(r"\d{1,2}|[^\W\d_]{1,6}|[^\w\s]{1,2}|_+|\s+(?=\s)")


def units(line: str) -> list[str]:
    if "  " in line:
        return UNIT.findall(line)
    words = line.replace(" ", "\n ").split("\n")  # the same where spaces are single, in a third of the time
    return words if words[0] else words[1:]


def weight(text: str) -> int:
    """About how many tokens a text is: between the vocabularies that cut digits singly and those that do by three."""
    return len(PIECE.findall(text))


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value stands: in which column of units, and between what."""

    column: int
    before: str
    after: str

    def values(self, column: Iterable[str]) -> Iterator[str]:
        start, end = len(self.before), -len(self.after) or None
        return (unit[start:end] for unit in column)


@dataclass(frozen=True, slots=True)
class Template:
    """`texts` stand before, between and after the slots. The units before the first text are no slots: they lead."""

    lead: int
    texts: tuple[str, ...]
    slots: tuple[Slot, ...]
    same: int  # about how many tokens its texts are

    @property
    def price(self) -> int:
        """About how many tokens its line of the legend is."""
        return self.same + len(self.slots) + 4

    def gain(self, lines: int) -> int:
        """About how many tokens it saves on that many lines, its price paid."""
        cut = sum(slot.before != " " for slot in self.slots)
        return lines * (self.same - cut - CODE) - self.price

    def legend(self, placeholder: str) -> str:
        """What the code stands for: without the space after what leads."""
        return placeholder.join(self.texts)[bool(self.lead) :]

    def lines(self, code: str, columns: Sequence[Sequence[str]]) -> list[str]:
        """For lines whose units those columns are: what leads, the code, the values."""
        values = [slot.values(columns[slot.column]) for slot in self.slots]
        codes = repeat(code, len(columns[0]))
        if not self.lead:
            return list(map(" ".join, zip(codes, *values, strict=True)))
        leading = map("".join, zip(*columns[: self.lead], strict=True))
        return list(map(" ".join, zip(leading, codes, *values, strict=True)))


def drawn(columns: Sequence[Sequence[str]]) -> Template:
    """What the columns have in common. Columns are of one length, at least 1."""
    texts, slots, lead = [""], list[Slot](), 0
    for index, column in enumerate(columns):
        if column.count(column[0]) == len(column):
            texts[-1] += column[0]
        elif not slots and not texts[0]:
            lead += 1
        else:
            slot = between(index, column)
            texts[-1] += slot.before
            texts.append(slot.after)
            slots.append(slot)
    return Template(lead, tuple(texts), tuple(slots), weight(" ".join(texts)))


def between(index: int, column: Sequence[str]) -> Slot:
    """The slot of units that begin with a space each, with the name and the brackets that all have."""
    found = BEFORE.match(min(column))
    before = found[0] if found and max(column).startswith(found[0]) else " "  # so do all between the two
    closing = AFTER.search(column[0][-AFTER_CHARACTERS:])
    after = closing[0] if closing else ""
    while after and not all(unit.endswith(after) for unit in column):
        after = after[1:]
    slot = Slot(index, before, after)
    whole = not after and before == " "
    blank = not whole and any(not value.strip(" ") for value in slot.values(column))
    short = not whole and min(map(len, column)) <= len(before) + len(after)
    return Slot(index, " ", "") if blank or short else slot


def filled(texts: Sequence[str], rest: str) -> str:
    """The template's text with the values that follow the code; the last takes what is left.

    Raises ValueError where there are fewer values than slots.
    """
    slots = len(texts) - 1
    found = units(rest)
    if len(found) < slots or (rest and not slots):
        raise ValueError("as many values as the text has places for them")
    values = [unit[1:] for unit in found[: slots - 1]] + ["".join(found[slots - 1 :])[1:]] if slots else []
    return "".join(chain.from_iterable(zip(texts, values, strict=False))) + texts[-1]

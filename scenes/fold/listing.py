"""A table padded with spaces, as `ls -l`, `df`, `ps` and `kubectl get` print one: without its padding, by templates.

    [ls lines=3 titles=0 columns=0,14,-30: one space stands for the padding to these columns]
    NAMESPACE NAME AGE
    default web-1 5d
    kube-system "dns of old" 12d

A column is known by where its cells start, or end where they are aligned to the right: then the place has a minus.
Cells with a space in them, and empty ones, are in quotes, but not the last: it is the rest of the line.
"""

import re
from collections.abc import Sequence
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING

from scenes.fold.framing import closed, framed, opened, unframed
from scenes.fold.legend import coded, decoded
from scenes.kinds import is_code

if TYPE_CHECKING:
    from scenes.fold.columns import Layout

PADDED = re.compile(r"[^ ]  +[^ ]")
CELL = re.compile(r'(?:"([^"]*)"|([^ "][^ ]*))(?: |$)')
PLACES = re.compile(r"\[ls lines=\d+ titles=(\d) columns=(-?\d{1,3}(?:,-?\d{1,3}){1,40})( legend=|: )")
WIDEST = 512  # characters in which columns are looked for
LEAST_LINES = 8
MOST = 0.9  # of the lines, without their padding: what has less is a log that happens to have some
SAMPLE_LINES = 12


class Listing:
    """Tables whose columns stand at the same places from one of the first lines to the last."""

    name = "ls"

    def fold(self, text: str) -> str | None:
        lines = opened(text)
        if lines is None or len(lines) < LEAST_LINES or not padded(lines):
            return None
        from scenes.fold.columns import grid, layouts, single  # noqa: PLC0415 - numpy

        filled = grid(lines, text)
        found = layouts(filled)
        if filled is None or found is None:
            return None
        titles, layout = found
        rows = squeezed(lines[titles:], layout, single(filled[titles:], layout.starts))
        if rows is None or sum(map(len, rows)) > MOST * sum(map(len, lines[titles:])) or is_code(lines):
            return None
        return self._told(lines[:titles], rows, layout, text)

    def _told(self, titles: Sequence[str], rows: Sequence[str], layout: "Layout", text: str) -> str | None:
        lines = [*titles, *rows]
        places = f"titles={len(titles)} columns={','.join(map(str, layout.places))}"
        plain = framed(self.name, f"{places}: one space stands for the padding to these columns", lines, text)
        found = coded(lines, text)
        short = found and framed(self.name, f"{places} {found[0]}", found[1], text)
        return min(filter(None, (plain, short)), key=len, default=None)

    def unfold(self, folded: str) -> str:
        marker, lines = unframed(self.name, folded)
        said = PLACES.match(marker)
        if not said:
            raise ValueError("a listing without its columns")
        told = iter(lines) if said[3] == ": " else decoded(marker, lines)
        titles, places = list(islice(told, int(said[1]))), tuple(map(int, said[2].split(",")))
        return closed(chain(titles, (rebuilt(line, places) for line in told)), folded)

    def canonical(self, text: str) -> str:
        return text


def padded(lines: Sequence[str]) -> bool:
    """Whether most lines have padding between words."""
    sample = [line[:WIDEST] for line in lines[:: len(lines) // SAMPLE_LINES + 1]]
    return sum(map(bool, map(PADDED.search, sample))) * 2 > len(sample)


def squeezed(lines: Sequence[str], layout: "Layout", are_single: Sequence[bool]) -> list[str] | None:
    """The lines without their padding; None where one has padding at its end, or quotes where they'd be misread."""
    start, told = layout.starts[-1], []
    for line, is_single in zip(lines, are_single, strict=True):
        head, rest = line[:start], line[start:]
        if not rest and line.endswith(" "):
            return None
        if not is_single or '"' in head:
            cells = [line[one:other].strip(" ") for one, other in pairwise(layout.starts)]
            if any('"' in cell for cell in cells):
                return None
            words = [cell if cell and " " not in cell else f'"{cell}"' for cell in cells]
        else:
            words = list(filter(None, head.split(" ")))
        told.append(" ".join([*words, rest] if rest else words))
    return told


def padded_again(cells: Sequence[str], rest: str, places: Sequence[int]) -> str:
    line = ""
    for cell, place in zip(cells, places, strict=False):
        line = line.ljust(place) + cell if place >= 0 else line + cell.rjust(-place - len(line))
    return line.ljust(places[-1]) + rest if rest else line.rstrip(" ")


def rebuilt(line: str, places: Sequence[int]) -> str:
    cells, at = list[str](), 0
    for _ in places[1:]:
        found = CELL.match(line, at)
        if not found:
            raise ValueError("a row with a cell for each column")
        cells.append(found[1] if found[2] is None else found[2])
        at = found.end()
    return padded_again(cells, line[at:], places)

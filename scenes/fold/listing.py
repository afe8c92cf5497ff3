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
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import numpy as np
from numpy.typing import NDArray

from scenes.fold.framing import closed, framed, opened, unframed
from scenes.fold.legend import coded, decoded
from scenes.kinds import is_code

PADDED = re.compile(r"[^ ]  +[^ ]")
CELL = re.compile(r'(?:"([^"]*)"|([^ "][^ ]*))(?: |$)')
PLACES = re.compile(r"\[ls lines=\d+ titles=(\d) columns=(-?\d{1,3}(?:,-?\d{1,3}){1,40})( legend=|: )")
WIDEST = 512  # characters in which columns are looked for
RAGGED = 8  # times the text: a padded table is about as large as its lines are long
TITLES = (0, 1, 3, 5)  # lines before the table
MOST_COLUMNS = 40
LEAST_LINES = 8
MOST = 0.9  # of the lines, without their padding: what has less is a log that happens to have some
SAMPLE_LINES = 12

Filled = NDArray[np.bool_]  # a line in each row, true where it has no space


@dataclass(frozen=True, slots=True)
class Layout:
    """Where columns start, and their `places` as the marker tells them. The last one is the rest of the line."""

    starts: tuple[int, ...]
    places: tuple[int, ...]


class Listing:
    """Tables whose columns stand at the same places from one of the first lines to the last."""

    name = "ls"

    def fold(self, text: str) -> str | None:
        lines = opened(text)
        if lines is None or len(lines) < LEAST_LINES or not padded(lines):
            return None
        filled = grid(lines, text)
        found = layouts(filled)
        if filled is None or found is None:
            return None
        titles, layout = found
        rows = squeezed(lines[titles:], layout, single(filled[titles:], layout.starts))
        if rows is None or sum(map(len, rows)) > MOST * sum(map(len, lines[titles:])) or is_code(lines):
            return None
        return self._told(lines[:titles], rows, layout, text)

    def _told(self, titles: Sequence[str], rows: Sequence[str], layout: Layout, text: str) -> str | None:
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


def grid(lines: Sequence[str], text: str) -> Filled | None:
    width = min(WIDEST, max(map(len, lines)))
    if width * len(lines) > RAGGED * len(text):
        return None
    even = "".join([line[:width].ljust(width) for line in lines])
    characters = np.frombuffer(even.encode("utf-32-le", "surrogatepass"), np.uint32)
    filled: Filled = characters != ord(" ")
    return filled.reshape(len(lines), width)


def layouts(filled: Filled | None) -> tuple[int, Layout] | None:
    """Below how many titles there are most columns, and those."""
    if filled is None:
        return None
    tried = [
        (titles, laid_out(filled[titles:])) for titles in TITLES if titles + LEAST_LINES <= filled.shape[0]
    ]
    found = [(titles, layout) for titles, layout in tried if layout]
    return max(found, key=lambda way: (len(way[1].starts), -way[0]), default=None)


def laid_out(filled: Filled) -> Layout | None:
    """The columns between which no line has anything, up to one that is aligned neither way, or is mostly empty."""
    edges = np.flatnonzero(np.diff(filled.any(axis=0).astype(np.int8), prepend=0, append=0))
    starts, places = list[int](), list[int]()
    for start, end in edges.reshape(-1, 2)[: MOST_COLUMNS + 1].tolist():
        there = filled[:, start:end].any(axis=1)
        if there.sum() * 2 < filled.shape[0]:
            break
        left = not (there & ~filled[:, start]).any()
        starts.append(start)
        places.append(start if left else -end)
        if not left and (there & ~filled[:, end - 1]).any():
            break
    return Layout(tuple(starts), (*places[:-1], starts[-1])) if 1 < len(starts) <= MOST_COLUMNS else None


def single(filled: Filled, starts: Sequence[int]) -> Sequence[bool]:
    """Of which lines each cell before the rest is one word."""
    head = filled[:, : starts[-1]]
    begun = head.copy()
    begun[:, 1:] &= ~head[:, :-1]
    words = np.add.reduceat(begun, starts[:-1], axis=1, dtype=np.int32)
    told: list[bool] = (words == 1).all(axis=1).tolist()
    return told


def squeezed(lines: Sequence[str], layout: Layout, are_single: Sequence[bool]) -> list[str] | None:
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

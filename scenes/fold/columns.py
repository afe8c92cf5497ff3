"""Where the columns of a padded table are, over whole arrays. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenes.fold.listing import LEAST_LINES, WIDEST

RAGGED = 8  # times the text: a padded table is about as large as its lines are long
TITLES = (0, 1, 3, 5)  # lines before the table
MOST_COLUMNS = 40

Filled = NDArray[np.bool_]  # a line in each row, true where it has no space


@dataclass(frozen=True, slots=True)
class Layout:
    """Where columns start, and their `places` as the marker tells them. The last one is the rest of the line."""

    starts: tuple[int, ...]
    places: tuple[int, ...]


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

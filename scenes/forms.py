"""Every form, and the way back from a text that holds blocks in any of them. Pure."""

import re
from collections.abc import Mapping, Sequence

from scenes.codebook.adaptive import Adaptive
from scenes.codebook.book import Codebook
from scenes.codebook.shared import Shared
from scenes.contracts import LARGEST, MARKER, Form
from scenes.fold.grep import Grep
from scenes.fold.json_text import JsonText
from scenes.fold.listing import Listing
from scenes.fold.log import Log
from scenes.fold.paths import Paths
from scenes.fold.runs import Runs
from scenes.fold.table import Table

FOLDS: Sequence[Form] = (Table(), JsonText(), Grep(), Paths(), Listing(), Log(), Runs())
"""Every value as it was, with less syntax: the first that takes a text says it in the fewest tokens, or nearly so."""
CODES: Form = Adaptive()
"""Codes for whole phrases."""

_BY_NAME: Mapping[str, Form] = {form.name: form for form in (*FOLDS, CODES)}
_LINES = re.compile(r"\[(?P<form>[a-z]+) lines=(?P<lines>[0-9]{1,9})\b")


class Undecodable(ValueError):
    """A block is not what its marker says: nothing here has written it. `line` is where it begins, from 1."""

    def __init__(self, text: str, marker: re.Match[str]) -> None:
        self.line = text.count("\n", 0, marker.start()) + 1
        other = ", or takes the codebook that it names" if marker[0].startswith(f"[{Shared.name} ") else ""
        super().__init__(f"the block that begins in line {self.line} is not what its first line says{other}")


def decoded(text: str, book: Codebook | None = None) -> str:
    """The text with each of its blocks as it was; JSON that lost nothing but spaces stays without them.

    `book` reads the blocks that were said with one. Raises Undecodable where a marker does not announce what follows it, and where all would be more than LARGEST.
    """
    pieces: list[str] = []
    position, left = 0, LARGEST
    while (marker := MARKER.search(text, position)) is not None:
        try:
            end = _end(text, marker)
            block = _form(marker, book).unfold(text[marker.start() : end])
        except (ValueError, RecursionError):
            raise Undecodable(text, marker) from None
        left -= len(block)
        if left < 0:
            raise Undecodable(text, marker)
        pieces += (text[position : marker.start()], block)
        position = end
    return "".join([*pieces, text[position:]])


def form_of(block: str, book: Codebook | None = None) -> Form | None:
    """The form of a block that begins with a marker; None where it begins with none."""
    marker = MARKER.match(block)
    return None if marker is None else _form(marker, book)


def _form(marker: re.Match[str], book: Codebook | None) -> Form:
    said = _LINES.match(marker[0])
    if said is not None and said["form"] == Shared.name and book is not None:
        return Shared(book)
    if said is None or said["form"] not in _BY_NAME:
        raise ValueError("a marker says its form and how many lines follow it")
    return _BY_NAME[said["form"]]


def _end(text: str, marker: re.Match[str]) -> int:
    """Where the lines that it counts end, without their last newline."""
    said = _LINES.match(marker[0])
    position = marker.end()
    for _ in range(0 if said is None else int(said["lines"])):
        if position >= len(text):
            raise ValueError("a block has fewer lines than its marker says")
        following = text.find("\n", position + 1)
        position = len(text) if following < 0 else following
    return position

"""Every form, and the way back from a text that holds blocks in any of them. Pure."""

import re
from collections.abc import Mapping, Sequence

from scenes.codebook.adaptive import Adaptive
from scenes.contracts import MARKER, Form
from scenes.fold.grep import Grep
from scenes.fold.json_text import JsonText
from scenes.fold.listing import Listing
from scenes.fold.log import Log
from scenes.fold.paths import Paths
from scenes.fold.runs import Runs
from scenes.fold.table import Table

FOLDS: Sequence[Form] = (JsonText(), Table(), Grep(), Paths(), Listing(), Log(), Runs())
"""Every value as it was, with less syntax."""
CODES: Form = Adaptive()
"""Codes for whole phrases."""

_BY_NAME: Mapping[str, Form] = {form.name: form for form in (*FOLDS, CODES)}
_LINES = re.compile(r"\[(?P<form>[a-z]+) lines=(?P<lines>[0-9]{1,9})\b")


def decoded(text: str) -> str:
    """The text with each of its blocks as it was; JSON that lost nothing but spaces stays without them.

    Raises ValueError where a marker does not announce what follows it: nothing here has written that.
    """
    pieces: list[str] = []
    position = 0
    while (marker := MARKER.search(text, position)) is not None:
        said = _LINES.match(marker[0])
        if said is None or said["form"] not in _BY_NAME:
            raise ValueError("a marker says its form and how many lines follow it")
        end = _end(text, marker.end(), int(said["lines"]))
        pieces += (text[position : marker.start()], _BY_NAME[said["form"]].unfold(text[marker.start() : end]))
        position = end
    return "".join([*pieces, text[position:]])


def _end(text: str, position: int, lines: int) -> int:
    """Where so many lines behind this place end, without their last newline."""
    for _ in range(lines):
        if position >= len(text):
            raise ValueError("a block has fewer lines than its marker says")
        following = text.find("\n", position + 1)
        position = len(text) if following < 0 else following
    return position

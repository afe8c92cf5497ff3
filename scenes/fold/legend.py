"""Lines by the codes of their templates, under a legend of them, and back.

The codes' sign and the placeholder are characters that the text doesn't have, so a line without a code is as it was.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_letters

from scenes.fold.mining import Group, mined
from scenes.fold.template import filled

SIGNS = "§¤†"
PLACEHOLDERS = "*~^@"
NOTE = re.compile(r"legend=(\d{1,9}): .* (.)\]$")


def coded(lines: Sequence[str], text: str) -> tuple[str, list[str]] | None:
    """The note for the marker, and the legend with the lines; None where no template pays. `text` has the lines."""
    sign, placeholder = absent(SIGNS, text), absent(PLACEHOLDERS, text)
    groups = ordered(mined(lines)) if sign and placeholder else []
    codes: dict[tuple[bool, str], str] = {}
    told = list(lines)
    for group in groups:
        kind = (group.template.lead > 0, group.template.legend(placeholder))
        code = codes.setdefault(kind, sign + ascii_letters[len(codes)])
        for place, line in zip(group.places, group.template.lines(code, group.columns), strict=True):
            told[place] = line
    legend = [f"{code}={text}" for (_, text), code in codes.items()]
    note = (
        f"legend={len(legend)}: a code is its text, with the values after it in place of each {placeholder}"
    )
    return (note, legend + told) if legend else None


def decoded(marker: str, lines: Sequence[str]) -> Iterator[str]:
    """The lines under a marker that ends with the note. Raises ValueError where the two don't fit."""
    said = NOTE.search(marker)
    if not said or not 0 < int(said[1]) <= len(lines):
        raise ValueError("a note without its legend")
    legend, told = lines[: int(said[1])], lines[int(said[1]) :]
    texts = dict(meaning(line, said[2]) for line in legend)
    return (in_full(line, legend[0][:1], texts) for line in told)


def absent(characters: str, text: str) -> str:
    """The first of them that the text doesn't have; empty where it has all."""
    return next((character for character in characters if character not in text), "")


def ordered(groups: Sequence[Group]) -> list[Group]:
    """Those that save most, as many as there are codes, in the order of the text."""
    best = sorted(groups, key=lambda group: (-group.gain, group.places))[: len(ascii_letters)]
    return sorted(best, key=lambda group: group.places)


def meaning(line: str, placeholder: str) -> tuple[str, list[str]]:
    code, equals, text = line.partition("=")
    if not equals:
        raise ValueError("a legend of codes and texts")
    return code, text.split(placeholder)


def in_full(line: str, sign: str, texts: Mapping[str, Sequence[str]]) -> str:
    lead, found, after = line.partition(sign)
    if not found:
        return line
    code, space, values = after.partition(" ")
    if sign + code not in texts:
        raise ValueError("a code that has no text")
    return lead + filled(texts[sign + code], space + values)

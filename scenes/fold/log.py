"""A log by templates: each kind of line is told once, and a line is the code of its kind with its values, as they were.

    [log lines=4 legend=1: a code is its text, with the values after it in place of each *]
    §a=INFO [main] task * moved from NEW to *
    18:01:47,978 §a 7 SCHEDULED
    18:01:48,963 §a 9 RUNNING
    java.io.IOException

A line without a code is as it was. The codes' sign and the placeholder are characters that the text doesn't have.
"""

import re
from collections.abc import Mapping, Sequence
from string import ascii_letters

from scenes.fold.framing import closed, framed, opened, unframed
from scenes.fold.mining import Group, mined
from scenes.fold.template import filled

SIGNS = "§¤†"
PLACEHOLDERS = "*~^@"
LEGEND = re.compile(r"\[log lines=\d+ legend=(\d+): .* (.)\]$")
DATA = re.compile(r"\s*(?:[{<](?!\d)|\[[\s{\[\"\]])")
DIGIT = re.compile(r"\d")
SAMPLE_LINES = 24
SAMPLE_CHARACTERS = 300
LEAST_LINES = 5
LEAST_LENGTH = 10  # characters of a line, on the average
MOST = 0.95  # of the text's length: what saves less is not worth a legend


class Log:
    """Finds the kinds of line by itself, in each text anew."""

    name = "log"

    def fold(self, text: str) -> str | None:
        lines = opened(text)
        if lines is None or len(text) < LEAST_LENGTH * len(lines) or not logged(lines):
            return None
        sign, placeholder = absent(SIGNS, text), absent(PLACEHOLDERS, text)
        if not sign or not placeholder:
            return None
        legend, told = coded(lines, sign, placeholder)
        note = f"legend={len(legend)}: a code is its text, with the values after it in place of each {placeholder}"
        folded = framed(self.name, note, [*legend, *told], text)
        return folded if folded and len(folded) <= MOST * len(text) else None

    def unfold(self, folded: str) -> str:
        marker, lines = unframed(self.name, folded)
        said = LEGEND.match(marker)
        if not said or not 0 < int(said[1]) <= len(lines):
            raise ValueError("a log without its legend")
        legend = lines[: int(said[1])]
        texts = dict(meaning(line, said[2]) for line in legend)
        sign = legend[0][:1]
        return closed((told_in_full(line, sign, texts) for line in lines[len(legend) :]), folded)

    def canonical(self, text: str) -> str:
        return text


def logged(lines: Sequence[str]) -> bool:
    """Whether these may be lines of a log: many have digits, and they are no JSON or markup."""
    sample = [line[:SAMPLE_CHARACTERS] for line in lines[:: len(lines) // SAMPLE_LINES + 1]]
    numbered = sum(map(bool, map(DIGIT.search, sample)))
    return len(lines) >= LEAST_LINES and numbered * 2 > len(sample) and not DATA.match(lines[0])


def absent(characters: str, text: str) -> str:
    """The first of them that the text doesn't have; empty where it has all."""
    return next((character for character in characters if character not in text), "")


def coded(lines: Sequence[str], sign: str, placeholder: str) -> tuple[list[str], list[str]]:
    """The legend, and the lines by it."""
    codes: dict[tuple[int, str], str] = {}
    told = list(lines)
    for group in ordered(mined(lines)):
        kind = (min(group.template.lead, 1), group.template.legend(placeholder))
        code = codes.setdefault(kind, sign + ascii_letters[len(codes)])
        for place, line in zip(group.places, group.template.lines(code, group.columns), strict=True):
            told[place] = line
    return [f"{code}={text}" for (_, text), code in codes.items()], told


def ordered(groups: Sequence[Group]) -> list[Group]:
    """Those that save most, as many as there are codes, in the order of the text."""
    best = sorted(groups, key=lambda group: (-group.gain, group.places))[: len(ascii_letters)]
    return sorted(best, key=lambda group: group.places)


def meaning(line: str, placeholder: str) -> tuple[str, list[str]]:
    code, equals, text = line.partition("=")
    if not equals:
        raise ValueError("a legend of codes and texts")
    return code, text.split(placeholder)


def told_in_full(line: str, sign: str, texts: Mapping[str, Sequence[str]]) -> str:
    lead, found, after = line.partition(sign)
    if not found:
        return line
    code, space, values = after.partition(" ")
    if sign + code not in texts:
        raise ValueError("a code that has no text")
    return lead + filled(texts[sign + code], space + values)

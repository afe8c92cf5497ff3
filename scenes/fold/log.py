"""A log by templates: each kind of line is told once, and a line is the code of its kind with its values, as they were.

[log lines=4 legend=1: a code is its text, with the values after it in place of each *]
§a=INFO [main] task * moved from NEW to *
18:01:47,978 §a 7 SCHEDULED
18:01:48,963 §a 9 RUNNING
java.io.IOException
"""

import re
from collections.abc import Sequence

from scenes.fold.framing import closed, framed, opened, unframed
from scenes.fold.legend import coded, decoded
from scenes.kinds import is_code

DATA = re.compile(r"\s*(?:[{<](?!\d)|\[[\s{\[\"\]])")
DIGIT = re.compile(r"\d")
SAMPLE_LINES = 24
SAMPLE_CHARACTERS = 300
LEAST_LINES = 5
LEAST_LENGTH = 10  # characters of a line, on the average
MOST = 0.85  # of the text's length: what saves less is not worth a legend


class Log:
    """Finds the kinds of line by itself, in each text anew."""

    name = "log"

    def fold(self, text: str) -> str | None:
        lines = opened(text)
        if lines is None or len(text) < LEAST_LENGTH * len(lines) or not logged(lines):
            return None
        found = coded(lines, text)
        folded = found and framed(self.name, *found, text)
        return folded if folded and len(folded) <= MOST * len(text) else None

    def unfold(self, folded: str) -> str:
        return closed(decoded(*unframed(self.name, folded)), folded)

    def canonical(self, text: str) -> str:
        return text


def logged(lines: Sequence[str]) -> bool:
    """Whether these may be lines of a log: many have digits, and they are no JSON, markup or code."""
    if len(lines) < LEAST_LINES or DATA.match(lines[0]):
        return False
    sample = [line[:SAMPLE_CHARACTERS] for line in lines[:: len(lines) // SAMPLE_LINES + 1]]
    return sum(map(bool, map(DIGIT.search, sample))) * 2 > len(sample) and not is_code(lines)

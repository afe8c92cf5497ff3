"""Lines that repeat at once: said once, with how often they come again.

A line `(3 more)` repeats the line above it three times, `(3 more of these 5 lines)` the five lines above.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from scenes.contracts import LARGEST
from scenes.fold.framing import closed, framed, opened, unframed
from scenes.kinds import is_code

AGAIN = re.compile(r"\(([0-9]{1,9}) more(?: of these ([0-9]{1,9}) lines)?\)")
LONGEST = 32  # lines of what repeats
LEAST_AGAIN = 2  # lines
LEAST_SAVED = 16  # characters, by one note


class Runs:
    """Notes repetitions of up to LONGEST lines."""

    name = "runs"

    def fold(self, text: str) -> str | None:
        lines = opened(text)
        if lines is None or not repetitive(lines) or is_code(lines) or any(map(AGAIN.fullmatch, lines)):
            return None
        return framed(self.name, "(n more) repeats what is above it n times", noted(lines), text)

    def unfold(self, folded: str) -> str:
        return closed(repeated(unframed(self.name, folded)[1]), folded)

    def canonical(self, text: str) -> str:
        return text


def repetitive(lines: Sequence[str]) -> bool:
    """Whether lines with words come again: blank ones between paragraphs are not worth a look."""
    return len(lines) - len(set(lines)) - max(lines.count("") - 1, 0) >= LEAST_AGAIN


def noted(lines: Sequence[str]) -> list[str]:
    told = list[str]()
    seen = dict[str, int]()
    place = start = 0  # what repeats stands after `start`: no note is in it
    while place < len(lines):
        length = place - seen.get(lines[place], -1)
        times = again(lines, place, length) if length <= min(LONGEST, place - start) else 0
        if times:
            told.append(note(times, length))
            place += times * length
            start = place
            continue
        seen[lines[place]] = place
        told.append(lines[place])
        place += 1
    return told


def again(lines: Sequence[str], place: int, length: int) -> int:
    """How often the `length` lines before `place` come again there; 0 where a note would not pay."""
    block = lines[place - length : place]
    times = 0
    while lines[place + times * length : place + (times + 1) * length] == block:
        times += 1
    saved = times * (sum(map(len, block)) + length)
    return times if saved >= len(note(times, length)) + LEAST_SAVED else 0


def note(times: int, length: int) -> str:
    return f"({times} more)" if length == 1 else f"({times} more of these {length} lines)"


def repeated(lines: Iterable[str]) -> Iterator[str]:
    """The lines, several in one text where they repeat. Raises ValueError for more than LARGEST characters."""
    last = deque[str](maxlen=LONGEST)
    left = LARGEST
    for line in lines:
        found = AGAIN.fullmatch(line)
        block = _repeating(found, last) if found else [line]
        times = int(found[1]) if found else 1
        left -= times * (sum(map(len, block)) + len(block))
        if left < 0:
            raise ValueError(f"more than {LARGEST} characters")
        last.extend(block * min(times, LONGEST))
        yield ("\n".join(block) + "\n") * (times - 1) + "\n".join(block)


def _repeating(found: re.Match[str], last: Sequence[str]) -> list[str]:
    """The lines that a note repeats."""
    length = int(found[2] or 1)
    if not 0 < length <= len(last) or not int(found[1]):
        raise ValueError("a repetition of nothing, or of more than is above it")
    return [*last][-length:]

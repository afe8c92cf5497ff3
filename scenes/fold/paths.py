"""A list of paths, as `find` prints one, by directory: the directory once, what is in it below.

A line of the block is a directory, which ends with `/`, a path from the last such directory, `.` for that directory
itself, or, after a space, a line as it was.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, zip_longest
from operator import itemgetter

from scenes.fold.framing import closed, framed, opened, unframed

BROKEN = re.compile(r"\s|^$|^[^A-Za-z]*$")
SAMPLE_LINES = 12


class Paths:
    """Groups consecutive paths of one directory."""

    name = "find"

    def fold(self, text: str) -> str | None:
        lines = opened(text)
        if lines is None or not listed(lines):
            return None
        return framed(
            self.name, "paths: those below a directory/ are in it, . is itself", list(grouped(lines)), text
        )

    def unfold(self, folded: str) -> str:
        return closed(whole(unframed(self.name, folded)[1]), folded)

    def canonical(self, text: str) -> str:
        return text


def listed(lines: list[str]) -> bool:
    """Whether most lines are paths and nothing else."""
    sample = lines[:: len(lines) // SAMPLE_LINES + 1]
    words = [line for line in sample if not BROKEN.search(line)]
    slashed = sum("/" in word for word in words)
    return len(lines) > 2 and len(words) * 3 >= len(sample) * 2 and slashed * 2 > len(words)


def grouped(lines: Sequence[str]) -> Iterator[str]:
    for line, (opening, rest) in zip(lines, placed(lines), strict=True):
        if opening:
            yield opening
        yield rest or " " + line


def placed(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """For each path the directory to announce before it, mostly none, and the path from there.

    The latter is empty for a path that can't be written so: it stands whole, whatever directory was announced.
    """
    runs = [(where, list(those)) for where, those in groupby(directories(paths), itemgetter(0))]
    followed = [where for where, _ in runs[1:]] + [""]
    current = ""
    for (where, those), following in zip(runs, followed, strict=True):
        opening = heading(where, current, len(those), following)
        current = opening or current
        for _, path in those:
            yield opening, below(path, current)
            opening = ""


def directories(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each path after its directory, which is itself where the next one is in it.

    A directory has its slash; it is empty for what has none, or can't be written below one.
    """
    for path, following in zip_longest(paths, paths[1:], fillvalue=""):
        if path.endswith("/") or path.startswith(" "):
            yield "", path
        elif path and following.startswith(path + "/"):
            yield path + "/", path
        else:
            yield path[: path.rfind("/") + 1], path


def heading(where: str, current: str, paths: int, following: str) -> str:
    """The directory to announce before these paths; empty where it is cheaper to go on without."""
    coming_back = len(current) if following == current else 0
    if where.startswith(current) and paths * (len(where) - len(current)) <= len(where) + coming_back:
        return ""
    if paths > 1 or not where:
        return where
    together = shared(where, following)
    return together if together != current else ""


def shared(one: str, other: str) -> str:
    """The directory that both are in."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return one[: one.rfind("/", 0, low) + 1]


def below(path: str, current: str) -> str:
    if path + "/" == current:
        return "."
    rest = path[len(current) :] if path.startswith(current) else ""
    return "" if rest == "." or rest.startswith(" ") or rest.endswith("/") else rest


def whole(lines: Iterable[str]) -> Iterator[str]:
    where = ""
    for line in lines:
        if line.startswith(" "):
            yield line[1:]
        elif line.endswith("/"):
            where = line
        else:
            yield inside(where, line)


def inside(where: str, rest: str) -> str:
    """The inverse of `below`. Raises ValueError where no directory was announced for `.`."""
    if rest != ".":
        return where + rest
    if not where:
        raise ValueError("a directory without a path")
    return where[:-1]

"""A list of paths, as `find` prints one, by directory: each directory once, with what is in it behind it.

    [find lines=4 a directory/ alone is where the next are, before names it has them, . is itself]
    /usr/share/doc/
    gzip/ . README.gz NEWS.gz
    zstd/copyright
     a line as it was

A line of the block is a directory alone, from the root; or what is below it, with a space between paths, of which the
first may be a directory that has the others; or, after a space, a line as it was.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby, islice, pairwise, zip_longest
from operator import itemgetter
from typing import NamedTuple

from scenes.fold.framing import closed, framed, opened, unframed

BROKEN = re.compile(r"\s|^$|^[^A-Za-z]*$")
NOTE = "a directory/ alone is where the next are, before names it has them, . is itself"
LEAST_LINES = 3
SAMPLE_LINES = 12
LONGEST = 400  # characters of a line that are looked at
DEEPEST = 12  # directories from the root that may be announced

_Costs = Mapping[str, tuple[int, str]]
"""By the directory announced: the characters that all runs so far take, and the directory announced before."""


class Paths:
    """Groups consecutive paths of one directory."""

    name = "find"

    def fold(self, text: str) -> str | None:
        lines = opened(text)
        if lines is None or not listed(lines):
            return None
        return framed(self.name, NOTE, list(grouped(lines)), text)

    def unfold(self, folded: str) -> str:
        return closed(whole(unframed(self.name, folded)[1]), folded)

    def canonical(self, text: str) -> str:
        return text


class Run(NamedTuple):
    """Consecutive paths of one directory, which ends with a slash; it is empty for what is below none.

    Each path is the directory and its name, or the directory itself: then its name is `.`.
    """

    directory: str
    paths: Sequence[str]
    names: Sequence[str]


def listed(lines: Sequence[str]) -> bool:
    """Whether most lines are paths and nothing else, and have a directory with the next one in common."""
    if len(lines) < LEAST_LINES:
        return False
    step = len(lines) // SAMPLE_LINES + 1
    pairs = [
        (line[:LONGEST], following[:LONGEST]) for line, following in islice(pairwise(lines), 0, None, step)
    ]
    words = [pair for pair in pairs if not BROKEN.search(pair[0])]
    slashed = [pair for pair in words if "/" in pair[0]]
    near = sum(following.startswith(nearest(line)) for line, following in slashed)
    return len(words) * 3 >= len(pairs) * 2 and min(2 * near, len(slashed)) * 2 > len(words)


def nearest(path: str) -> str:
    """The first directory that it is in, from the root."""
    return path[: path.find("/", 1) + 1] or path


def grouped(lines: Sequence[str]) -> Iterator[str]:
    found, where = runs(lines), ""
    for run, announced in zip(found, announcements(found, are_together=True), strict=True):
        if announced != where:
            yield announced
        where = announced
        rests = below(run, where)
        if len(rests) == 1 or not all(rests):
            yield from (rest or " " + path for rest, path in zip(rests, run.paths, strict=True))
        elif run.directory != where:
            yield f"{run.directory[len(where) :]} {' '.join(run.names)}"
        else:
            yield " ".join(run.names)


def placed(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """For each path the directory to announce before it, mostly none, and the path from there.

    The latter is empty for a path that can't be written so: it stands whole, whatever directory was announced.
    """
    found, where = runs(paths), ""
    for run, announced in zip(found, announcements(found, are_together=False), strict=True):
        for rest in below(run, announced):
            yield announced if announced != where else "", rest
            where = announced


def runs(paths: Sequence[str]) -> list[Run]:
    found: list[Run] = []
    for directory, those in groupby(directories(paths), itemgetter(0)):
        size, together = len(directory), [path for _, path in those]
        found.append(Run(directory, together, [path[size:] or "." for path in together]))
    return found


def directories(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each path after its directory, which is itself where the next one is in it.

    A directory has its slash; it is empty for what has none, or can't be written below one.
    """
    for path, following in zip_longest(paths, paths[1:], fillvalue=""):
        if " " in path or path == "." or path.endswith(("/", "/.")):
            yield "", path
        elif path and following.startswith(path) and following[len(path) :].startswith("/"):
            yield path + "/", path
        else:
            yield path[: path.rfind("/") + 1], path


def announcements(found: Sequence[Run], *, are_together: bool) -> list[str]:
    """For each run the directory that is announced then, so that all take the fewest characters (A. Viterbi, 1967).

    `are_together`: the paths of a run are on one line, and say their directory once.
    """
    costs: _Costs = {"": (0, "")}
    steps: list[_Costs] = []
    for run in found:
        costs = costs_with(run, costs, 1 if are_together else len(run.paths))
        steps.append(costs)
    where = min(costs, key=lambda known: costs[known][0])
    announced: list[str] = []
    for step in reversed(steps):
        announced.append(where)
        where = step[where][1]
    return announced[::-1]


def costs_with(run: Run, costs: _Costs, times: int) -> _Costs:
    """What it takes with one run more, which says its directory so often."""
    directory, size = run.directory, len(run.directory)
    found: dict[str, tuple[int, str]] = {}
    for where, (cost, _) in costs.items():
        is_below = directory.startswith(where) and directory
        found[where] = (
            cost + (times * (size - len(where)) if is_below else len(run.paths) * (size + 1)),
            where,
        )
    before, cheapest = min((cost, where) for where, (cost, _) in costs.items())
    least = min(found.values())[0]
    for where in accumulate([part + "/" for part in directory.split("/", DEEPEST)[:-1]]):
        cost = before + len(where) + 1 + times * (size - len(where))
        if cost <= least + len(where) and (where not in found or cost < found[where][0]):
            found[where] = cost, cheapest
    least = min(found.values())[0]
    return {where: told for where, told in found.items() if told[0] <= least + len(where)}


def below(run: Run, where: str) -> Sequence[str]:
    """The paths from there; empty for those that can't be written so."""
    directory = run.directory
    if not directory and not where:
        return ["" if " " in path or path.endswith("/") or path == "." else path for path in run.paths]
    if not directory or not directory.startswith(where):
        return [""] * len(run.paths)
    inner = directory[len(where) :]
    return [inner + name if name != "." else inner[:-1] or "." for name in run.names]


def whole(lines: Iterable[str]) -> Iterator[str]:
    where = ""
    for line in lines:
        if line.startswith(" "):
            yield line[1:]
            continue
        first, *names = line.split(" ")
        if not first.endswith("/"):
            yield from (inside(where, name) for name in (first, *names))
        elif names:
            yield from (inside(where + first, name) for name in names)
        else:
            where = first


def inside(where: str, rest: str) -> str:
    """The inverse of `below`. Raises ValueError where no directory was announced for `.`."""
    if rest != ".":
        return where + rest
    if not where:
        raise ValueError("a directory without a path")
    return where[:-1]

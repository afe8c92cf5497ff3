"""What a search prints, `path:line:text`, as ripgrep prints it for people: each path once, its lines below it.

A line of the block is one of these: what follows a path (`12:text`, `12-text` beside a match, `:text` without a
number), a directory, which ends with `/`, a path from the last such directory, `--`, or, after a space, a line as
it was.
"""

import re
from collections.abc import Iterable, Iterator

from scenes.fold.framing import closed, framed, opened, unframed
from scenes.fold.paths import inside, placed

# A path has a letter and a dot or a slash, or is letters only: `10:22:33 up` and `kube_10:22:33 up` name none.
NAMED = r"(?=[^\s:]{0,400}[A-Za-z])(?=[^\s:]{0,400}[./])[^\s:]{1,400}"
NUMBERED = re.compile(rf"({NAMED}|[A-Za-z_-]{{1,40}})(?!(?<=\d\d):\d\d:\d\d(?![\d:])):\d+:")
PLAIN = re.compile(rf"({NAMED}):(?!\d)")
BESIDE = re.compile(r"-\d+-")
AFTER_PATH = re.compile(r":\d+:|-\d+-|:")
ENTRY = re.compile(r"\d+([:-])|:")
SAMPLE_LINES = 12
SAMPLE_CHARACTERS = 400
GUESSES = 8


class Grep:
    """Groups consecutive lines of one path, and consecutive paths of one directory."""

    name = "grep"

    def fold(self, text: str) -> str | None:
        lines = opened(text)
        if lines is None or not searched(lines):
            return None
        note = "a path, then what was found in it as line:text"
        return framed(self.name, note, list(headed(list(sections(lines)))), text)

    def unfold(self, folded: str) -> str:
        return closed(unheaded(unframed(self.name, folded)[1]), folded)

    def canonical(self, text: str) -> str:
        return text


def searched(lines: list[str]) -> bool:
    """Whether most of the first lines begin with a path."""
    sample = [line[:SAMPLE_CHARACTERS] for line in lines[:SAMPLE_LINES]]
    heads = sum(1 for line in sample if path_of(line) or line == "--" or BESIDE.search(line))
    return len(lines) > 1 and heads * 2 > len(sample) and any(map(path_of, sample))


def path_of(line: str) -> str | None:
    found = NUMBERED.match(line) or PLAIN.match(line)
    return found[1] if found else None


def sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The lines in order, those of one path together; the path is empty for a line that has none."""
    paths = frozenset(filter(None, map(path_of, lines)))
    path, those = "", list[str]()
    for line in lines:
        if path and (line == "--" or (line.startswith(path) and AFTER_PATH.match(line, len(path)))):
            those.append(line)
            continue
        if those:
            yield path, those
        path, those = path_of(line) or beside(line, paths), [line]
    yield path, those


def beside(line: str, paths: frozenset[str]) -> str:
    """The path of a line printed beside a match, `path-12-text`, which its text alone does not tell."""
    for _, found in zip(range(GUESSES), BESIDE.finditer(line), strict=False):
        if line[: found.start()] in paths:
            return line[: found.start()]
    return ""


def headed(those: list[tuple[str, list[str]]]) -> Iterator[str]:
    places = placed([path for path, _ in those if path])
    for path, lines in those:
        opening, rest = next(places) if path else ("", "")
        if opening:
            yield opening
        if not rest or rest == "--" or ENTRY.match(rest):
            yield from (line if line == "--" else " " + line for line in lines)
            continue
        yield rest
        yield from (line if line == "--" else entry(line[len(path) :]) for line in lines)


def entry(rest: str) -> str:
    """`rest` follows a path: its first separator goes where the number says that there was one."""
    found = ENTRY.match(rest, 1)
    return rest[1:] if found and found[1] == rest[0] else rest


def unheaded(lines: Iterable[str]) -> Iterator[str]:
    where = path = ""
    for line in lines:
        found = ENTRY.match(line)
        if line == "--" or line.startswith(" "):
            yield line.removeprefix(" ")
        elif found and not path:
            raise ValueError("a match without a path")
        elif found:
            yield path + (found[1] or "") + line
        elif line.endswith("/"):
            where = line
        else:
            path = inside(where, line)

"""The parts of a text that are data: what may be said shorter without a word of anybody's being touched. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)$", re.MULTILINE)
_LIKE_A_FENCE = re.compile(r"^[ \t]*(?:`{3}|~{3})", re.MULTILINE)
_DATA_INFO = frozenset((
    *("", "csv", "json", "jsonl", "log", "logs", "ndjson", "out", "output", "plain", "plaintext"),
    *("text", "tsv", "txt", "console", "shell-session"),
))
"""Languages of fenced blocks that hold data; code is never touched."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a text: the characters from `start` to before `end`."""

    start: int
    end: int


def whole(text: str) -> Iterator[Block]:
    """The text without the blank lines around it: what a tool gave back is data altogether."""
    start = len(text) - len(text.lstrip("\n"))
    end = len(text.rstrip("\n"))
    if start < end:
        yield Block(start, end)


def fenced(text: str) -> Iterator[Block]:
    """The fenced blocks of data in a text that somebody wrote: all but code, and but one that nobody closed."""
    if "```" not in text and "~~~" not in text:
        return
    opened: re.Match[str] | None = None
    for found in _FENCE.finditer(text):
        if opened is None:
            opened = found
        elif _closes(found, opened):
            block = Block(opened.end() + 1, found.start() - 1)
            if block.start < block.end and opened["info"].strip().lower() in _DATA_INFO:
                yield block
            opened = None


def has_fence(text: str) -> bool:
    """Whether a line of it may be read as a fence: it would end the block that the text stands in."""
    return _LIKE_A_FENCE.search(text) is not None


def _closes(found: re.Match[str], opened: re.Match[str]) -> bool:
    """A fence of the same kind, at least as long, with nothing behind it (CommonMark 4.5)."""
    return found["fence"].startswith(opened["fence"]) and not found["info"].strip()

"""What is wrong with a configuration: where it stands, what it is, and what would be right."""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from app.yaml_source import Path

_SIMPLE = re.compile(r"[A-Za-z0-9_./:@+-]{1,128}")
_LISTED = 16
"""Names shown of those that are known."""
_COMPARABLE_CHARACTERS = 64
"""Comparing names costs the product of their lengths."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake; `path` is dotted, as in `upstreams.nebius.url` or `keys[0].id`, and "" for the whole file."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        subject = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {subject}{self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used, with every fault that was found, in the file's order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = in_order(faults)
        super().__init__("\n".join(map(str, self.faults)))


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Each fault once, as they stand in the file."""
    return tuple(sorted(set(faults), key=lambda fault: (fault.line, fault.column, str(fault))))


def dotted(path: Path) -> str:
    """A path as a reader of the file would say it."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{printable(step)}" for step in path)
    return text.removeprefix(".")


def printable(name: str) -> str:
    """A name as it is where it is a plain one, else quoted and shortened."""
    return name if _SIMPLE.fullmatch(name) else quoted(name)


def quoted(text: str) -> str:
    return repr(text if len(text) <= _COMPARABLE_CHARACTERS else f"{text[:_COMPARABLE_CHARACTERS]}...")


def choice(name: str | None, known: Collection[str]) -> str:
    """The end of a message: the nearest known name, and the known ones. None is a name that stays unsaid."""
    if not known:
        return ""
    names = ", ".join(printable(each) for each in list(known)[:_LISTED])
    return f"{question(name, known)} (known: {names}{', ...' if len(known) > _LISTED else ''})"


def question(name: str | None, known: Collection[str]) -> str:
    """The nearest known name, asked for; "" where none is near."""
    near = _nearest(name, known) if name is not None else None
    return f"; did you mean {quoted(near)}?" if near is not None else ""


def _nearest(name: str, known: Collection[str]) -> str | None:
    if len(name) > _COMPARABLE_CHARACTERS:
        return None
    candidates = {each.lower(): each for each in known if len(each) <= _COMPARABLE_CHARACTERS}
    return next((candidates[near] for near in difflib.get_close_matches(name.lower(), candidates, 1)), None)

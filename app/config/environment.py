"""Environment variables: where they come from (the process and `.env`) and how they get into a text."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.config.faults import ConfigError, Fault
from app.config.text import read_text

FILE = ".env"

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<broken>\{))"
)
_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=(?P<value>.*)")
_QUOTED = re.compile(r"""(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)")\s*(?:\#.*)?""")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Substitution:
    """A text with its references replaced. `hidden` says that it now holds a variable's value."""

    text: str
    found: bool
    hidden: bool
    missing: tuple[str, ...]
    broken: bool


def substitute(text: str, environment: Mapping[str, str]) -> Substitution:
    """Replace `${NAME}` and `${NAME:-default}`; `$$` is a dollar sign, any other `$` is itself.

    As in a shell, the default also stands in for a variable that is set but empty.
    """
    missing: list[str] = []
    hidden = broken = False

    def replacement(match: re.Match[str]) -> str:
        nonlocal hidden, broken
        name, default = match["name"], match["default"]
        if name is None:
            broken = broken or match["broken"] is not None
            return "$"
        value = environment.get(name)
        if value or (value is not None and default is None):
            hidden = True
            return value
        if default is None:
            missing.append(name)
        return default or ""

    replaced, count = _REFERENCE.subn(replacement, text)
    return Substitution(replaced, count > 0, hidden, tuple(missing), broken)


def read_environment(directory: Path) -> dict[str, str]:
    """The variables of `.env` in this directory, where there is one, under those of the process."""
    file = directory / FILE
    variables = parse_environment(read_text(file), str(file)) if file.exists() else {}
    return {**variables, **os.environ}


def parse_environment(text: str, file: str = FILE) -> dict[str, str]:
    """The variables in this text, `KEY=VALUE` a line; of two lines for one key the last counts."""
    variables: dict[str, str] = {}
    faults: list[Fault] = []
    for number, line in _lines(text):
        found = _LINE.fullmatch(line)
        value = _unquoted(found["value"].strip()) if found is not None else None
        if found is None:
            faults.append(Fault(file, number, 1, "", "not of the form KEY=VALUE"))
        elif value is None:
            message = "the closing quote is missing, or something other than a comment follows it"
            faults.append(Fault(file, number, 1, found["name"], message))
        else:
            variables[found["name"]] = value
    if faults:
        raise ConfigError(faults)
    return variables


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.rstrip("\r")


def _unquoted(value: str) -> str | None:
    """The value without quotes, escapes and comment; None where its quotes do not match."""
    if not value.startswith(("'", '"')):
        return _COMMENT.sub("", value, count=1).rstrip()
    found = _QUOTED.fullmatch(value)
    if found is None:
        return None
    if found["single"] is not None:
        return found["single"]
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), found["double"])

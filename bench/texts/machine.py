"""What a Debian machine's own commands and package files say."""

import subprocess
from collections.abc import Callable
from itertools import islice
from pathlib import Path

BYTES = 40_000
"""How much of each is taken, to the end of a line."""
_C = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "COLUMNS": "160", "HOME": "/nonexistent"}


class Absent(Exception):
    """This machine has no such command or file, or too little of it."""


def said(*command: str, least: int = 2_000) -> str:
    """What a command prints in the C locale; Absent where it is missing or says less than `least` characters."""
    try:
        done = subprocess.run(command, capture_output=True, env=_C, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise Absent(command[0]) from failure
    return enough(done.stdout.decode("utf-8", "replace"), command[0], least)


def written(path: Path) -> str:
    """A file's text; Absent where it cannot be read."""
    try:
        return enough(path.read_text("utf-8", "replace"), path.name)
    except OSError as failure:
        raise Absent(path.name) from failure


def enough(text: str, name: str, least: int = 2_000) -> str:
    if len(text) < least:
        raise Absent(name)
    return text


def head(text: str, size: int = BYTES) -> str:
    """The first `size` characters, to the end of a line."""
    return text if len(text) <= size else text[: text.rindex("\n", 0, size) + 1]


def library() -> Path:
    """The folder of Debian's Python modules, which most machines have."""
    found = sorted(Path("/usr/lib").glob("python3.*")) or [Path("/usr/lib/python3")]
    return found[0]


def long_listing() -> str:
    return head(said("ls", "-lR", str(library())))


def found_paths() -> str:
    return head(said("find", "/usr/share/doc", "-name", "*.gz"))


def processes_and_disks() -> str:
    parts = (("ps", "aux"), ("mount",), ("df",))
    return enough("\n".join(said(*each, least=1) for each in parts), "ps; mount; df")


def python_packages() -> str:
    """As `pip list` prints it, of Debian's own packages of Python modules."""
    printed = said("dpkg-query", "-W", "-f", "${binary:Package} ${Version}\n")
    rows = [line.split(" ", 1) for line in printed.splitlines()]
    width = max(len(name) for name, _ in rows)
    lines = [f"{'Package':{width}} Version", f"{'-' * width} -------"]
    return head("\n".join([*lines, *(f"{name:{width}} {version}" for name, version in rows)]) + "\n", 20_000)


def debian_packages() -> str:
    return head(said("dpkg", "-l"), 30_000)


def grep_numbered() -> str:
    return head(said("grep", "-rn", "--include=*.py", "import re", str(library()), "/usr/lib/python3"))


def grep_plain() -> str:
    return head(said("grep", "-r", "--include=*.py", "raise ValueError", str(library())))


def dpkg_log() -> str:
    return head(written(Path("/var/log/dpkg.log")))


def apt_history() -> str:
    return head(written(Path("/var/log/apt/history.log")))


def lines_of(source: Callable[[], str], count: int, start: int = 0) -> str:
    """Some lines of one of these, as a tool would answer; fewer where it has no more."""
    return "\n".join(islice(source().splitlines(), start, start + count)) + "\n"

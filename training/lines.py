"""Files of JSON lines: read with the number of each line, those that are wrong set aside with the reason, none dropped."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

T = TypeVar("T")

MOST_LINE_BYTES = 8 * 1024 * 1024


class Aside(msgspec.Struct, frozen=True):
    """A line that could not be used: where it stood, why, and the line itself."""

    file: str
    line: int
    reason: str
    text: str


class SetAside:
    """Takes lines that could not be used into a file, which is there once there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count = 0

    def add(self, aside: Aside) -> None:
        append(self._path, aside)
        self.count += 1


def read(path: Path, parse: Callable[[bytes], T], aside: SetAside) -> Iterator[T]:
    """The lines of a file by `parse`, which raises ValueError for one that is wrong."""
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip():
                continue
            try:
                found = parse(_whole(line))
            except (ValueError, msgspec.DecodeError) as fault:
                aside.add(Aside(path.name, number, str(fault), line.decode(errors="replace").rstrip("\n")))
                continue
            yield found


def write(path: Path, values: Iterable[object]) -> int:
    """Writes a file of one value a line; says how many."""
    count = 0
    with path.open("wb") as file:
        for count, value in enumerate(values, 1):  # noqa: B007 - counted for who asks
            file.write(msgspec.json.encode(value) + b"\n")
    return count


def append(path: Path, value: object) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.encode(value) + b"\n")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """A line that is too long comes as its beginning, so that no line fills the memory."""
    while line := file.readline(MOST_LINE_BYTES + 1):
        yield line
        while len(line) > MOST_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(MOST_LINE_BYTES + 1)


def _whole(line: bytes) -> bytes:
    """Raises ValueError for a line that is too long, or that the file ends within."""
    if len(line) > MOST_LINE_BYTES:
        raise ValueError(f"longer than {MOST_LINE_BYTES:,} bytes")
    if not line.endswith(b"\n") and _cut_off(line):
        raise ValueError("the file ends within this line")
    return line


def _cut_off(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return True
    return False

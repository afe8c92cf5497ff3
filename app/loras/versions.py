"""The adapters of a folder, each version under a name that no other content ever has: `id@` and eight digits of its hash.

An engine keeps what it computed under an adapter's name, and takes another adapter of that name for the same one. So a name is
made of the content, and what a user calls `risk` is an alias for one of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from app.loras import manifest
from app.loras.manifest import SHORT, Canary, Manifest
from app.loras.unusable import Unusable

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_NAME = re.compile(rf"(?P<id>{_ID})(@(?P<digits>[0-9a-f]{{{SHORT}}}))?")
_VERSIONED = re.compile(rf"{_ID}@[0-9a-f]{{{SHORT}}}")


def is_versioned(name: str) -> bool:
    """Whether a name is of the form that is made here."""
    return _VERSIONED.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Version:
    """One adapter as it is: `folder` is its name in the folder of all, `digest` the SHA-256 of what an engine reads of it."""

    id: str
    digest: str
    folder: str
    rank: int
    base: str
    canary: Canary | None = None
    manifest: Manifest | None = None

    @property
    def name(self) -> str:
        return f"{self.id}@{self.digest[:SHORT]}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds: versions by name, and what is wrong with those that cannot be served, by folder."""

    versions: Mapping[str, Version] = field(default_factory=dict)
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Shelf:
    """A folder with adapters, one folder each. What was read stays known while its files have the same size and time."""

    def __init__(self, folder: Path, base: Path | None = None, most_rank: int | None = None) -> None:
        """`base` is the folder of the model that they are for, where it is at hand; `most_rank` the servers' max_lora_rank."""
        self._folder = folder
        self._base = base
        self._most_rank = most_rank
        self._read: dict[str, tuple[object, Version | Sequence[str]]] = {}

    def look(self) -> Found:
        """What is there now; files are read, so it takes its time. Raises Unusable where the folder itself cannot be read."""
        try:
            folders = sorted(each for each in self._folder.iterdir() if not each.name.startswith("."))
            folders = [each for each in folders if (each / CONFIG).exists()]
        except OSError as fault:
            raise Unusable(f"{self._folder} cannot be read: {fault.strerror}") from None
        known, self._read = self._read, {}
        versions: dict[str, Version] = {}
        faults: dict[str, Sequence[str]] = {}
        for each in folders:
            stamp = _stamp(each)
            before = known.get(each.name)
            found = before[1] if before is not None and before[0] == stamp else self._version(each)
            self._read[each.name] = stamp, found
            if isinstance(found, Version):
                versions.setdefault(found.name, found)
            else:
                faults[each.name] = found
        return Found(versions, faults)

    def _version(self, folder: Path) -> Version | Sequence[str]:
        """One of them, or what is wrong with it."""
        named = _NAME.fullmatch(folder.name)
        if named is None:
            return (f"{folder.name}: must be named id or id@version, of letters, digits and . _ -",)
        from app.loras.linter import faults  # noqa: PLC0415 - it needs numpy, which few gateways need otherwise

        try:
            wrong = [*faults(folder, self._base)]
            told: dict[str, Any] = msgspec.json.decode((folder / CONFIG).read_bytes())
            digest = manifest.version_of(folder)
            own = manifest.read(folder) if (folder / manifest.FILE).exists() else None
        except (OSError, msgspec.DecodeError, Unusable) as fault:
            return (str(fault),)
        rank = max([told.get("r", 0), *(told.get("rank_pattern") or {}).values()])
        if self._most_rank is not None and rank > self._most_rank:
            wrong.append(
                f"{CONFIG}: r is {rank}, and the servers take at most {self._most_rank} (max_lora_rank)"
            )
        if named["digits"] not in {None, digest[:SHORT]}:
            wrong.append(f"{folder.name}: holds another version than its name says, {digest[:SHORT]}")
        if wrong:
            return wrong
        base = own.base.name if own is not None else str(told.get("base_model_name_or_path") or "")
        canary = own.canary if own is not None else None
        return Version(named["id"], digest, folder.name, rank, base, canary, own)


def _stamp(folder: Path) -> object:
    """What changes when a file does."""
    found: list[object] = []
    for name in (CONFIG, WEIGHTS, manifest.FILE):
        try:
            stat = (folder / name).stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return found

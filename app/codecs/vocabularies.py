"""The vocabularies of a directory, and which of them a model counts with.

    qwen/qwen.tiktoken      deepseek/tokenizer.json      mistral/tekken_240911.json      llama/tokenizer.model

A folder is a family. One that is named as a model's name begins, like `kimi-k2`, serves that model before any other.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from scenes.contracts import Counter
from scenes.rough import ROUGH
from scenes.tokens import Exact
from scenes.vocabulary import is_vocabulary, read

HELD = 6
"""Vocabularies that are in memory at once, of 40 to 70 MB each: the last ones used."""
MAX_BYTES = 64 << 20
"""Of one file; the largest that is known has 19 MB."""
UNKNOWN = ("qwen", "o200k")
"""Whom a model counts with that nobody knows: one family that cuts numbers into digits, one that cuts them into threes."""

_FAMILIES = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        ("qwen", r"deepseek-r1-(?:distill|0528)-qwen"),
        ("llama", r"deepseek-r1-distill-llama|(?:meta-)?llama-?3|hermes-3-llama-3|hermes-4-(?:70b|405b)"),
        ("deepseek", r"deepseek-(?:v3|r1|chat|reasoner)"),
        ("qwen", r"qwen(?:1\.5|2(?:\.5)?|3)?(?:[-:]|$)|qwq-|qvq-"),
        (
            "mistral",
            r"mistral-nemo|mistral-(?:small|medium|large)(?!.*24\d\d)|ministral|magistral|devstral|pixtral-12b",
        ),
        ("o200k", r"(?:chat)?gpt-(?:4o|4\.1|4\.5|5|oss)|o[134](?:-|$)"),
        ("cl100k", r"gpt-(?:4|3\.5)(?:-|$)|text-embedding-(?:3|ada-002)"),
    )
)
"""By the beginning of a model's name without its owner, in this order. Generations with other vocabularies are left out,
older ones and newer: what is counted wrong looks as if it were known."""


class Unreadable(ValueError):
    """A vocabulary's file cannot be counted with; its text names the file and says why."""


class Vocabularies:
    """Counters by the names of models. Files are read when they are first counted with; several threads may do so."""

    def __init__(self, files: Mapping[str, Path] = MappingProxyType({}), held: int = HELD) -> None:
        """`files` by family; `held` is how many are in memory at once."""
        self._files = files
        self._held = held
        self._loaded: OrderedDict[str, Exact] = OrderedDict()
        self._lock = Lock()
        self._reading = {family: Lock() for family in files}
        """Who reads a file holds none up that counts with another one."""

    @property
    def families(self) -> Sequence[str]:
        """The families that there is a file of, in the order of their names."""
        return sorted(self._files)

    def every(self) -> Sequence[Counter]:
        """A counter of each family; without a file the two rough ones."""
        return tuple(_Family(family, self) for family in self.families) or ROUGH

    def counters(self, model: str) -> Sequence[Counter]:
        """What a model's tokens are counted with: its own vocabulary; two of different kinds where that is not known or not there."""
        family = family_of(model, self._files)
        if family is not None and family in self._files:
            return (_Family(family, self),)
        if all(each in self._files for each in UNKNOWN):
            return tuple(_Family(each, self) for each in UNKNOWN)
        return ROUGH

    def is_loaded(self, model: str) -> bool:
        """Whether a model's tokens can be counted without a file being read."""
        needed = (each.name for each in self.counters(model) if isinstance(each, _Family))
        return all(name in self._loaded for name in needed)

    def exact(self, family: str) -> Exact:
        """A family's counter, read now where it is not in memory (0.1 to 0.3 s); raises Unreadable."""
        found = self._used(family)
        if found is not None:
            return found
        with self._reading[family]:
            found = self._used(family)
            return self._kept(family, _loaded(family, self._files[family])) if found is None else found

    def _used(self, family: str) -> Exact | None:
        with self._lock:
            found = self._loaded.get(family)
            if found is not None:
                self._loaded.move_to_end(family)
            return found

    def _kept(self, family: str, counter: Exact) -> Exact:
        with self._lock:
            self._loaded[family] = counter
            if len(self._loaded) > self._held:
                self._loaded.popitem(last=False)
            return counter


def found_in(directory: Path) -> Mapping[str, Path]:
    """The vocabulary files of a directory, by family; raises Unreadable where it holds none, or a folder holds several."""
    try:
        folders = sorted(
            each for each in directory.iterdir() if each.is_dir() and not each.name.startswith(".")
        )
        files = {folder.name.lower(): _vocabularies(folder) for folder in folders}
    except OSError as failure:
        raise Unreadable(f"{directory}: {failure.strerror}") from failure
    for family, several in files.items():
        if len(several) > 1:
            raise Unreadable(
                f"{several[0].parent}: {len(several)} vocabularies; a family has one, and {family!r} is a family"
            )
    found = {family: each for family, several in files.items() for each in several}
    if not found:
        raise Unreadable(
            f"{directory}: no vocabulary in any of its folders, such as qwen/tokenizer.json; `make tokenizers` fetches six"
        )
    return found


def family_of(model: str, folders: Mapping[str, object] = MappingProxyType({})) -> str | None:
    """The family that a model is of: the longest of `folders` that its name begins with, else one that is known; or None."""
    name = model.lower().rsplit("/", 1)[-1]
    named = [folder for folder in folders if name.startswith(folder) and folder not in _KNOWN]
    if named:
        return max(named, key=len)
    return next((family for family, pattern in _FAMILIES if pattern.match(name)), None)


_KNOWN = frozenset(family for family, _ in _FAMILIES)


@dataclass(frozen=True, slots=True)
class _Family:
    """Counts with a family's vocabulary, which is read when first needed."""

    name: str
    vocabularies: Vocabularies

    def count(self, text: str) -> int:
        return self.vocabularies.exact(self.name).count(text)


def _vocabularies(folder: Path) -> Sequence[Path]:
    return sorted(each for each in folder.iterdir() if is_vocabulary(each.name))


def _loaded(family: str, path: Path) -> Exact:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as failure:
        raise Unreadable(f"{path}: {failure.strerror}") from failure
    if len(data) > MAX_BYTES:
        raise Unreadable(f"{path}: over {MAX_BYTES >> 20} MiB, larger than any vocabulary")
    try:
        return Exact(read(family, path.name, data))
    except ValueError as failure:
        raise Unreadable(f"{path}: {failure}") from failure

"""The steps of a run: each makes one folder, once, and says in a manifest what it was made from (`hb.step/1`).

    RUN/corpus/  RUN/scenes/  ...  each with a step.json;  RUN/corpus.partial/ while it is made

A step's fingerprint is a hash of its settings, of the files it reads and of what the steps before it left. A folder with the same
fingerprint is left as it is; what is found half made is gone on with where its fingerprint is still the same. A folder gets
its name when everything in it is there, so a process that is killed leaves a `.partial` and nothing else.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Literal

import msgspec

from training.wrong import Wrong, unwritable

MANIFEST = "step.json"
_FINGERPRINT = "fingerprint"
_FOLLOW_SECONDS = 120.0

Figures = Mapping[str, Any]
"""What a step counted, by name, for its manifest and for people."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a step's folder was made from, and what is in it (SHA-256 of each file, by its path in there)."""

    schema: Literal["hb.step/1"] = msgspec.field(default="hb.step/1")
    step: str
    fingerprint: str
    settings: Any
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    figures: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `make` fills a folder, in which it may find its own unfinished work.

    `settings` are what its outcome depends on, with a `format` to raise where its code changes what comes out. `files` are
    read from elsewhere; `after` are the steps whose folders it reads. `plan` says in a line what it would do.
    """

    name: str
    plan: str
    make: Callable[[Path], Figures]
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[Path] = ()
    after: Sequence[str] = ()


State = Literal["done", "begun", "changed", "missing"]


class Run:
    """A folder of steps. Each is looked at, and made where it must be, in the order given. `told` takes lines for people."""

    def __init__(
        self, folder: Path, steps: Sequence[Step], told: Callable[[str], None] | None = None
    ) -> None:
        self.folder = folder
        self._steps = {step.name: step for step in steps}
        self._told = told or _told

    def make(self, last: str | None = None, *, dry: bool = False) -> None:
        """All steps up to the last, those that are done passed over. With `dry` only tells. Raises Wrong."""
        for step in self._until(last):
            self._look(step, dry=dry)

    def only(self, name: str, *, dry: bool = False) -> None:
        """One step, for which those before it must be done. Raises Wrong."""
        step = self._steps[name]
        missing = [each for each in step.after if self.state(each) != "done"]
        if missing and not dry:
            needed = " and ".join(missing)
            raise Wrong(f"{name} needs {needed}, which must be made first (or made again): `run` makes all")
        self._look(step, dry=dry)

    def _look(self, step: Step, *, dry: bool) -> None:
        state = self.state(step.name)
        if dry:
            self._told(f"{step.name:12} {_STATES[state]:28} {step.plan}")
        elif state == "done":
            self._told(f"{step.name}: done before")
        else:
            self._make(step)

    def state(self, name: str) -> State:
        """How far a step is, with what it is made from now."""
        manifest = read_manifest(self.folder / name)
        if manifest is None:
            return "begun" if self._begun(name) else "missing"
        if manifest.fingerprint != self.fingerprint(name):
            return "changed"
        return "done" if _complete(self.folder / name, manifest) else "changed"

    def fingerprint(self, name: str) -> str:
        step = self._steps[name]
        said = {"step": name, "settings": step.settings, "inputs": self._inputs(step)}
        return sha256(msgspec.json.encode(said, order="deterministic")).hexdigest()

    def _until(self, last: str | None) -> Sequence[Step]:
        names = list(self._steps)
        end = len(names) if last is None else names.index(last) + 1
        return [self._steps[name] for name in names[:end]]

    def _inputs(self, step: Step) -> dict[str, str]:
        files = {f"{number}: {path.name}": _hash(path) for number, path in enumerate(step.files)}
        return files | {name: self._content(name) for name in step.after}

    def _content(self, name: str) -> str:
        """A hash of what a step left; before it is made, and where it has to be made again, of what it will be made from."""
        manifest = read_manifest(self.folder / name)
        fingerprint = self.fingerprint(name)
        if manifest is None or manifest.fingerprint != fingerprint:
            return fingerprint
        return sha256(msgspec.json.encode(manifest.outputs, order="deterministic")).hexdigest()

    def _begun(self, name: str) -> bool:
        mark = self._partial(name) / _FINGERPRINT
        return mark.is_file() and mark.read_text() == self.fingerprint(name)

    def _partial(self, name: str) -> Path:
        return self.folder / f"{name}.partial"

    def _make(self, step: Step) -> None:
        if not _leads():
            self._follow(step)
            return
        self._told(f"{step.name}: {'goes on' if self._begun(step.name) else step.plan}")
        began = perf_counter()
        partial = self._partial(step.name)
        fingerprint = self.fingerprint(step.name)
        try:
            with self._alone():
                if not self._begun(step.name):
                    shutil.rmtree(partial, ignore_errors=True)
                    partial.mkdir(parents=True)
                    (partial / _FINGERPRINT).write_text(fingerprint)
                figures = step.make(partial)
                self._finish(step, partial, fingerprint, figures, perf_counter() - began)
        except OSError as fault:
            raise unwritable(self.folder / step.name, fault) from None
        counted = ", ".join(f"{name.replace('_', ' ')} {_said(value)}" for name, value in figures.items())
        self._told(f"{step.name}: done in {perf_counter() - began:.1f} s{': ' if counted else ''}{counted}")

    def _follow(self, step: Step) -> None:
        """Helps the process that leads, in the folder that it has begun."""
        until = perf_counter() + _FOLLOW_SECONDS
        while not self._begun(step.name):
            if perf_counter() > until:
                raise Wrong(
                    f"{step.name}: the process that leads has not begun it after {_FOLLOW_SECONDS:.0f} s"
                )
            sleep(0.1)
        step.make(self._partial(step.name))

    def _finish(self, step: Step, partial: Path, fingerprint: str, figures: Figures, seconds: float) -> None:
        outputs = {str(path.relative_to(partial)): _hash(path) for path in _files(partial)}
        manifest = Manifest(
            step=step.name,
            fingerprint=fingerprint,
            settings=step.settings,
            inputs=self._inputs(step),
            outputs=outputs,
            figures=figures,
            seconds=round(seconds, 3),
        )
        (partial / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        (partial / _FINGERPRINT).unlink()
        final = self.folder / step.name
        old = self.folder / f"{step.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.replace(old)
        partial.replace(final)
        shutil.rmtree(old, ignore_errors=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two processes do not make the same run at once."""
        import fcntl  # noqa: PLC0415 - not on Windows, where nobody else looks

        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Wrong(f"{self.folder}: another process makes this run") from None
            yield


_STATES: Mapping[State, str] = {
    "done": "done before",
    "begun": "goes on where it stopped",
    "changed": "made again: inputs changed",
    "missing": "to be made",
}


def _told(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _leads() -> bool:
    """Whether this is the only process, or the first of several that `accelerate launch` or torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def read_manifest(folder: Path) -> Manifest | None:
    """None where there is none, or it cannot be read: then the step is made again."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None


def _complete(folder: Path, manifest: Manifest) -> bool:
    return all(
        (folder / name).is_file() and _hash(folder / name) == known
        for name, known in manifest.outputs.items()
    )


def _files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name not in {MANIFEST, _FINGERPRINT}
    )


def _hash(path: Path) -> str:
    try:
        found = path.stat()
        return _digest(path, found.st_size, found.st_mtime_ns)
    except OSError as fault:
        raise Wrong(f"{path} cannot be read: {fault.strerror}") from None


@lru_cache(4096)
def _digest(path: Path, _size: int, _changed: int) -> str:
    """Read once as long as the file is as it was: it may have gigabytes, and is asked for at every step."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _said(value: Any) -> str:
    return (
        f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )

"""Brings an adapter from elsewhere into the folder of adapters: from a folder, a web address, or Hugging Face by its name.

It is whole before it has its name: what was stopped half way leaves nothing, and what no server would take is not kept.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from app.loras import manifest
from app.loras.unusable import Unusable
from app.loras.versions import CONFIG, WEIGHTS, is_versioned

HUGGING_FACE = "https://huggingface.co"
FILES: Mapping[str, bool] = {CONFIG: True, WEIGHTS: True, manifest.FILE: False}
"""What is fetched, and whether it has to be there."""
CHUNK_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 60.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_OF_HUB = re.compile(r"hf:(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where an adapter is, the folder that it shall be in, and how it shall be called; "" is as its manifest, or its place, says.

    `base` is the folder of the model that it is for, where it is at hand.
    """

    source: str
    into: Path
    name: str = ""
    base: Path | None = None


def fetch(wanted: Wanted, tell: Tell) -> str:
    """The version's name; it is in the folder then. Raises Unusable, and leaves nothing behind."""
    name = wanted.name or _last(wanted.source)
    try:
        wanted.into.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".fetching-", dir=wanted.into))
    except OSError as fault:
        raise Unusable(f"{wanted.into} cannot be written: {fault.strerror}") from None
    try:
        _bring(wanted.source, beside, tell)
        return _kept(beside, wanted, name)
    except OSError as fault:
        raise _unwritable(wanted.into, fault) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _bring(source: str, beside: Path, tell: Tell) -> None:
    """Its files."""
    folder = Path(source)
    if folder.is_dir():
        for name, needed in FILES.items():
            if needed or (folder / name).exists():
                shutil.copyfile(folder / name, beside / name)
        return
    address, headers = _address(source)
    with httpx.Client(
        headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True, trust_env=False
    ) as client:
        for name, needed in FILES.items():
            _download(client, f"{address}/{name}", beside / name, needed=needed, tell=tell)


def _address(source: str) -> tuple[str, Mapping[str, str]]:
    """Where its files are on the web, and what is said to get them."""
    if source.startswith(("http://", "https://")):
        return source.rstrip("/"), {}
    found = _OF_HUB.fullmatch(source)
    if found is None:
        raise Unusable(
            f"{source} is no folder: name one, an address (https://...), or hf:OWNER/NAME of Hugging Face, with @REVISION where wanted"
        )
    hub = os.environ.get("HF_ENDPOINT", HUGGING_FACE).rstrip("/")
    token = os.environ.get("HF_TOKEN", "")
    revision = quote(found["revision"] or "main", safe="")
    return f"{hub}/{found['name']}/resolve/{revision}", {"authorization": f"Bearer {token}"} if token else {}


def _download(client: httpx.Client, url: str, path: Path, *, needed: bool, tell: Tell) -> None:
    name = path.name
    try:
        with client.stream("GET", url) as answer, path.open("wb") as file:
            if answer.status_code == httpx.codes.NOT_FOUND and not needed:
                path.unlink()
                return
            if not answer.is_success:
                raise Unusable(
                    f"{name} was answered with status {answer.status_code}{_advice(answer.status_code)}"
                )
            for piece in answer.iter_bytes(CHUNK_BYTES):
                file.write(piece)
                tell(f"{name}: {file.tell():,} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise Unusable(f"{name} could not be fetched ({type(fault).__name__}): try again") from None


def _advice(status: int) -> str:
    if status in {401, 403}:
        return ": HF_TOKEN may be missing, or may not read it"
    return ": is it there?" if status == httpx.codes.NOT_FOUND else ""


def _kept(beside: Path, wanted: Wanted, name: str) -> str:
    """Under its version's name. Raises Unusable where no server would take it."""
    from app.loras.linter import faults  # noqa: PLC0415 - it needs numpy

    wrong = [*faults(beside, wanted.base)]
    if wrong:
        raise Unusable("it cannot be served:\n  " + "\n  ".join(wrong))
    own = manifest.read(beside) if (beside / manifest.FILE).exists() else None
    id = wanted.name or (own.id if own is not None else name)  # noqa: A001
    if _NAME.fullmatch(id) is None:
        raise Unusable(f"{id!r} is no name of an adapter: --name gives it one, of letters, digits and . _ -")
    version = f"{id}@{manifest.version_of(beside)[: manifest.SHORT]}"
    place = wanted.into / version
    if not place.exists():
        beside.chmod(0o755)  # servers may run as somebody else
        beside.rename(place)
    return version


def _last(source: str) -> str:
    """What the place is called, without a version or a revision."""
    last = source.rstrip("/").rpartition("/")[2]
    return last.partition("@")[0] if is_versioned(last) or source.startswith("hf:") else last


def _unwritable(folder: Path, fault: OSError) -> Unusable:
    if fault.errno == errno.ENOSPC:
        return Unusable(f"{folder}: no room left on the disk; nothing was kept, make some and try again")
    return Unusable(f"{fault.filename or folder}: {fault.strerror}")

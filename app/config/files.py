"""The files that a configuration is made of, and whether they have changed."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from app.config import environment
from app.config.schema import Config
from app.config.upstreams import HTTP_KINDS

MOST_FILES = 1000
"""Of a folder that are looked at."""

Stamp: TypeAlias = tuple[tuple[object, ...], ...]
"""When each file was written last, its size and its identity; another one for each change."""


def named(settings: Config, path: Path) -> Sequence[Path]:
    """The file, the variables beside it, and the files and folders that it names."""
    others = (
        settings.prices.file,
        settings.templates.folder,
        settings.templates.glossary,
        settings.router.classifier,
        settings.scenes.proofs,
        settings.scenes.vectors,
        *_folders(settings.scenes.tokenizers),
        *settings.scenes.codebooks.values(),
        *settings.scenes.hypertokens.values(),
        None if settings.router.encoder is None else settings.router.encoder.file,
        *(each.ca_file for each in settings.upstreams.values() if isinstance(each, HTTP_KINDS)),
    )
    return path, path.parent / environment.FILE, *(each for each in others if each is not None)


def _folders(folder: Path | None) -> Sequence[Path]:
    """It, and those in it."""
    if folder is None:
        return ()
    try:
        inside = sorted(islice(folder.iterdir(), MOST_FILES))
    except OSError:
        inside = []
    return folder, *(each for each in inside if each.is_dir())


def stamp(places: Iterable[Path]) -> Stamp:
    """As they are now; of a link, what it leads to."""
    return tuple(_stamp(file) for file in _files(places))


def digest(places: Iterable[Path]) -> bytes:
    """A hash of all that stands in them."""
    hashed = sha256()
    for file in _files(places):
        hashed.update(f"{file}\0".encode("utf-8", "surrogateescape"))
        try:
            hashed.update(sha256(file.read_bytes()).digest())
        except OSError as error:
            hashed.update(f"{error.errno}".encode())
    return hashed.digest()


def _stamp(file: Path) -> tuple[object, ...]:
    try:
        found = file.stat()
    except OSError as error:
        return str(file), error.errno
    return str(file), found.st_mtime_ns, found.st_size, found.st_ino


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if not place.is_dir():
            yield place
            continue
        try:
            inside = sorted(islice(place.iterdir(), MOST_FILES))
        except OSError:
            inside = []
        yield from (each for each in inside if not each.is_dir())

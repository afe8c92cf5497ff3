"""The files of hypertokens: read, and refused where they are none."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.config.document import Document
from app.config.faults import Fault, choice, quoted

if TYPE_CHECKING:
    from scenes.hypertokens import Hypertokens

MOST_BYTES = 64 << 20
"""Of a file."""


def read(file: Path) -> "Hypertokens":
    """The book in a file; raises ValueError saying what is wrong with it."""
    from scenes.hypertokens import Hypertokens  # noqa: PLC0415 - most configurations name none

    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} bytes")
    return Hypertokens.from_json(data)


def all_read(files: Mapping[str, Path]) -> Mapping[str, "Hypertokens"]:
    """The books in these files by their names; raises ValueError where one has changed since the configuration was checked."""
    books: dict[str, Hypertokens] = {}
    for name, file in files.items():
        try:
            books[name] = read(file)
        except ValueError as fault:
            raise ValueError(f"scenes.hypertokens.{name}: {fault}") from None
    return books


def broken_hypertokens(document: Document, folder: Path) -> Iterator[Fault]:
    """Files that hold no hypertokens, and models that name a book that is not there."""
    books = document.members("scenes", "hypertokens")
    for name in books:
        text = document.text("scenes", "hypertokens", name)
        if text:
            try:
                read(folder / text)
            except ValueError as fault:
                yield document.fault(("scenes", "hypertokens", name), f"is no book of hypertokens: {fault}")
    for alias in document.members("models"):
        path = ("models", alias, "hypertokens")
        named = document.text(*path) if isinstance(document.at("models", alias), dict) else None
        if named and named not in books:
            shown = document.shown(path) is not None
            subject = quoted(named) if shown else "the value"
            known = choice(named if shown else None, sorted(books))
            yield document.fault(path, f"{subject} is none of scenes.hypertokens{known}")

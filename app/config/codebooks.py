"""The files of codebooks: read, and refused where prompts may not be said with them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.config.document import Document
from app.config.faults import Fault, choice, quoted

if TYPE_CHECKING:
    from scenes.codebook.book import Codebook

MOST_BYTES = 1_000_000
"""Of a file: 64 entries and all that were retired have some ten thousand."""
_REMEDY = "`hyperbridge scenes codebook review` makes a version without"


def read(file: Path) -> "Codebook":
    """The book in a file; raises ValueError saying what is wrong with it."""
    from scenes.codebook.book import Codebook  # noqa: PLC0415 - numpy takes 0.1 s, and most files name no codebook

    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} bytes")
    return Codebook.from_json(data)


def reviewed(file: Path) -> "Codebook":
    """The same of a book that a person has looked at, whose phrases may stand where a system text does."""
    book = read(file)
    if book.kind != "reviewed":
        raise ValueError(f"kind: must be 'reviewed', not {book.kind!r}: nobody has looked at its phrases")
    for number, entry in enumerate(book.entries):
        if entry.status not in {"active", "retired"}:
            raise ValueError(
                f"entries[{number}].status: must be active or retired, not {entry.status}; {_REMEDY}"
            )
    return book


def all_reviewed(files: Mapping[str, Path]) -> Mapping[str, "Codebook"]:
    """The books in these files by their names; raises ValueError where one has changed since the configuration was checked."""
    books: dict[str, Codebook] = {}
    for name, file in files.items():
        try:
            books[name] = reviewed(file)
        except ValueError as fault:
            raise ValueError(f"scenes.codebooks.{name}: {fault}") from None
    return books


def broken_codebooks(document: Document, folder: Path) -> Iterator[Fault]:
    """Files that hold no reviewed codebook, and models that name a book that is not there."""
    books = document.members("scenes", "codebooks")
    for name in books:
        path = ("scenes", "codebooks", name)
        text = document.text(*path)
        if text:
            try:
                reviewed(folder / text)
            except ValueError as fault:
                yield document.fault(path, f"is no codebook to say prompts with: {fault}")
    for alias in document.members("models"):
        named = document.text("models", alias, "codebook") if _is_mapping(document, alias) else None
        if named and named not in books:
            shown = document.shown(("models", alias, "codebook")) is not None
            subject = quoted(named) if shown else "the value"
            message = f"{subject} is not a codebook of scenes.codebooks{choice(named if shown else None, sorted(books))}"
            yield document.fault(("models", alias, "codebook"), message)


def _is_mapping(document: Document, alias: str) -> bool:
    return isinstance(document.at("models", alias), dict)

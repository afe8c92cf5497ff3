"""The files of codebooks: read, and refused where prompts may not be said with them."""

from pathlib import Path
from typing import TYPE_CHECKING

from app.config.books import Books, contents

if TYPE_CHECKING:
    from scenes.codebook.book import Codebook

MOST_BYTES = 1_000_000
"""Of a file: 64 entries and all that were retired have some ten thousand."""
_REMEDY = "`hyperbridge scenes codebook review` makes a version without"


def read(file: Path) -> "Codebook":
    """The book in a file; raises ValueError saying what is wrong with it."""
    from scenes.codebook.book import Codebook  # noqa: PLC0415 - numpy takes 0.1 s, and most files name no codebook

    return Codebook.from_json(contents(file, MOST_BYTES))


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


CODEBOOKS = Books("codebooks", "codebook", reviewed, "is no codebook to say prompts with")

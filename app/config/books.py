"""Files of books that models name: read, and refused where they are none."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from app.config.document import Document
from app.config.faults import Fault, choice, quoted

Book = TypeVar("Book")


@dataclass(frozen=True, slots=True)
class Books(Generic[Book]):
    """A kind of them: `scenes.SECTION` names files, `models.NAME.MEMBER` one of the books.

    `read` makes a book of a file and raises ValueError; `unfit` is what a file is then, in a message.
    """

    section: str
    member: str
    read: Callable[[Path], Book]
    unfit: str

    def all(self, files: Mapping[str, Path]) -> Mapping[str, Book]:
        """By their names; raises ValueError where one has changed since the configuration was checked."""
        books: dict[str, Book] = {}
        for name, file in files.items():
            try:
                books[name] = self.read(file)
            except ValueError as fault:
                raise ValueError(f"scenes.{self.section}.{name}: {fault}") from None
        return books

    def broken(self, document: Document, folder: Path) -> Iterator[Fault]:
        """Files that hold no such book, and models that name a book that is not there."""
        books = document.members("scenes", self.section)
        for name in books:
            text = document.text("scenes", self.section, name)
            if text:
                try:
                    self.read(folder / text)
                except ValueError as fault:
                    yield document.fault(("scenes", self.section, name), f"{self.unfit}: {fault}")
        for alias in document.members("models"):
            path = ("models", alias, self.member)
            named = document.text(*path) if isinstance(document.at("models", alias), dict) else None
            if named and named not in books:
                shown = document.shown(path) is not None
                subject = quoted(named) if shown else "the value"
                known = choice(named if shown else None, sorted(books))
                yield document.fault(path, f"{subject} is none of scenes.{self.section}{known}")


def contents(file: Path, most_bytes: int) -> bytes:
    """Raises ValueError where it cannot be read, or is larger."""
    try:
        with file.open("rb") as opened:
            data = opened.read(most_bytes + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(data) > most_bytes:
        raise ValueError(f"is larger than {most_bytes} bytes")
    return data

"""A text said with the codes of a codebook, whose legend stands once, before all texts that have some.

    [book lines=2 shop-logs@3]
    10:02:11 §reserve 4711
    10:02:12 §reserve 4712

The marker names the book and its version. What stands outside such blocks has no codes of it, whatever it looks like.
"""

import re

from scenes.codebook.book import Codebook
from scenes.codebook.codes import SIGIL
from scenes.contracts import LARGEST, is_marked

_HEAD = "[book lines={lines} {book}@{version}]"
_FOLDED = re.compile(
    r"\[book lines=(?P<lines>[0-9]{1,9}) (?P<book>[a-z0-9_-]{1,64})@(?P<version>[0-9]{1,9})\]\n(?P<body>.*)",
    re.DOTALL,
)

_NAMED = re.compile(r"^\[book lines=[0-9]{1,9} (?P<book>[a-z0-9_-]{1,64})@[0-9]{1,9}\]$", re.MULTILINE)


def book_of(text: str) -> str | None:
    """The id of the book that the first such block in a text names; None where there is none."""
    found = _NAMED.search(text)
    return None if found is None else found["book"]


class Shared:
    """A `Form`: the codes of one version of a book."""

    name = "book"

    def __init__(self, book: Codebook) -> None:
        self._book = book
        self._longest = max(map(len, book.phrases.values()), default=0)

    def fold(self, text: str) -> str | None:
        coded = None if is_marked(text) else self._book.encode(text)
        if coded is None:
            return None
        head = _HEAD.format(lines=coded.count("\n") + 1, book=self._book.id, version=self._book.version)
        folded = f"{head}\n{coded}"
        return folded if len(folded) < len(text) else None

    def unfold(self, folded: str) -> str:
        """Also of what was said with an earlier version of the book. Raises ValueError for another book's, or a later one's."""
        said = _FOLDED.fullmatch(folded)
        if said is None or said["body"].count("\n") + 1 != int(said["lines"]):
            raise ValueError(
                "not a text with a codebook's codes: its first line names the book and counts what follows"
            )
        if said["book"] != self._book.id or int(said["version"]) > self._book.version:
            raise ValueError(
                f"said with {said['book']}@{said['version']}, which {self._book.id}@{self._book.version} cannot read"
            )
        if len(folded) + folded.count(SIGIL) * self._longest > LARGEST:
            raise ValueError(f"more than {LARGEST} characters")
        return self._book.decode(said["body"])

    def canonical(self, text: str) -> str:
        return text

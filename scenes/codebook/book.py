"""A codebook: codes for phrases that many texts share. It never changes; what is added makes a new version of it.

A conversation keeps the version that it began with, by the version's digest: that is its epoch. A code is never given
another phrase in later versions, so whatever was said with it can always be read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Literal

import msgspec

from scenes.codebook.codes import CODE, MOST_ENTRIES, named
from scenes.codebook.matching import Matcher
from scenes.codebook.objections import Objection, is_value, objection, structural

Status = Literal["draft", "reviewed", "active", "retired"]
"""Proposed, looked at by a person, written with, or only read any more."""
Kind = Literal["reviewed", "adaptive"]
"""Whether a person looks at entries; only such a book may stand where it is trusted, and has no values in it."""

LEGEND = "Each §code in this conversation stands for the phrase after its ="

_READ = frozenset(("active", "retired"))
_MOST_OFFERED = 4096
"""More than for one text: most are objected to."""
_WORD = re.compile(r"[^\x00-\x20]+")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class InvalidCodebook(ValueError):
    """A codebook that breaks its rules; says which rule, and where."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`code` stands for `phrase`. `uses` is how often it stood in the texts that the book was built from."""

    code: str
    phrase: str
    uses: Annotated[int, msgspec.Meta(ge=0)] = 0
    status: Status = "draft"


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A codebook in JSON."""

    schema: Literal["hb.codebook/1"] = "hb.codebook/1"
    id: str
    version: int
    parent: str | None
    kind: Kind
    entries: tuple[Entry, ...]
    digest: str | None = None


@dataclass(frozen=True)
class Codebook:
    """One version. `parent` is the digest of the version before it, None of the first. InvalidCodebook where rules break."""

    id: str
    version: int
    parent: str | None
    entries: tuple[Entry, ...]
    kind: Kind = "reviewed"

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InvalidCodebook("id: at most 64 of a-z, 0-9, - and _, the first a letter or a digit")
        if self.version < 1 or (self.version == 1) != (self.parent is None):
            raise InvalidCodebook("version: from 1; the first has no parent, every other one has")
        if sum(entry.status == "active" for entry in self.entries) > MOST_ENTRIES:
            raise InvalidCodebook(f"entries: at most {MOST_ENTRIES} are active, the others retired")
        _check_codes(self.entries)
        _check_phrases(self.entries, self.kind)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the book in canonical JSON, in hexadecimal digits: the epoch."""
        return sha256(msgspec.json.encode(self._written(None), order="sorted")).hexdigest()

    @cached_property
    def legend(self) -> str:
        """What tells a reader the active codes; empty where there are none."""
        active = [f"{entry.code}={entry.phrase}" for entry in self._active]
        return "\n".join((LEGEND, *active)) if active else ""

    @cached_property
    def phrases(self) -> Mapping[str, str]:
        """The phrase of every code that may still be read."""
        return {entry.code: entry.phrase for entry in self.entries if entry.status in _READ}

    def encode(self, text: str) -> str | None:
        """The text with active codes; None where none fits, or where the text has one of the book's codes already."""
        if any(found[0] in self.phrases for found in CODE.finditer(text)):
            return None
        pieces: list[str] = []
        at = 0
        for match in self._matcher.find(text) if self._active else ():
            pieces += (text[at : match.start], self._active[match.phrase].code)
            at = match.end
        coded = "".join((*pieces, text[at:]))
        return coded if len(coded) < len(text) else None

    def decode(self, text: str) -> str:
        """The text with the phrases of all codes that may still be read; other codes stay."""
        return CODE.sub(lambda found: self.phrases.get(found[0], found[0]), text)

    def extended(self, entries: Iterable[Entry]) -> "Codebook":
        """The next version: with these entries added, or changed in their status and uses; the others as they are."""
        merged = {entry.code: entry for entry in self.entries}
        for entry in entries:
            known = merged.get(entry.code)
            if known is not None and known.phrase != entry.phrase:
                raise InvalidCodebook(
                    f"{entry.code} stands for another phrase already: give a new phrase a new code"
                )
            merged[entry.code] = entry
        return Codebook(self.id, self.version + 1, self.digest, tuple(merged.values()), self.kind)

    def with_status(self, status: Status) -> "Codebook":
        """The next version, in which all that is not retired has this status."""
        changed = (
            msgspec.structs.replace(entry, status=status)
            for entry in self.entries
            if entry.status != "retired"
        )
        return self.extended(changed)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self._written(self.digest), order="sorted")

    @classmethod
    def from_json(cls, document: bytes | str) -> "Codebook":
        """InvalidCodebook says what is wrong and where; also where the digest is of another book."""
        try:
            read = msgspec.json.decode(document, type=_Written)
        except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError) as error:
            raise InvalidCodebook(f"not a codebook in JSON: {error}") from None
        book = cls(read.id, read.version, read.parent, read.entries, read.kind)
        if read.digest is not None and read.digest != book.digest:
            raise InvalidCodebook("digest: of another book; it was changed after it was written")
        return book

    @cached_property
    def _active(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.status == "active")

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher([entry.phrase for entry in self._active])

    def _written(self, digest: str | None) -> _Written:
        return _Written(
            id=self.id,
            version=self.version,
            parent=self.parent,
            kind=self.kind,
            entries=self.entries,
            digest=digest,
        )


def build(texts: Sequence[str], book: str, kind: Kind = "reviewed") -> Codebook:
    """The first version of a book for texts like these, all its entries drafts. `book` is its id.

    Of several texts, a phrase must stand in two. What is objected to gets no code.
    """
    from scenes.codebook.phrases import repeats, words  # noqa: PLC0415 - numpy
    from scenes.codebook.selection import choose  # noqa: PLC0415

    refused = objection if kind == "reviewed" else structural
    joined = "\n".join(texts)
    found = words(_WORD.sub(_without_values, joined) if kind == "reviewed" else joined)
    spread = min(2, len(texts))

    def is_shared(phrase: str) -> bool:
        return refused(phrase) is None and sum(phrase in text for text in texts) >= spread

    chosen = choose(found, repeats(found, most=_MOST_OFFERED, across_lines=False), is_shared) if found else []
    codes = named([choice.phrase for choice in chosen])
    entries = [
        Entry(code, choice.phrase, len(choice.places)) for code, choice in zip(codes, chosen, strict=True)
    ]
    return Codebook(book, 1, None, tuple(entries), kind)


def _without_values(word: re.Match[str]) -> str:
    """A line's end in place of a value, so that what stands on either side is a phrase of its own."""
    return "\n" if is_value(word[0]) else word[0]


def _check_codes(entries: Sequence[Entry]) -> None:
    codes = [entry.code for entry in entries]
    for number, code in enumerate(codes):
        if not CODE.fullmatch(code):
            raise InvalidCodebook(f"entries[{number}].code: § and two to eight of a-z")
    for code, following in zip(sorted(codes), sorted(codes)[1:], strict=False):
        if following.startswith(code):
            raise InvalidCodebook(f"entries: {code} is given twice, or another code begins with it")


def _check_phrases(entries: Sequence[Entry], kind: Kind) -> None:
    known: set[str] = set()
    for number, entry in enumerate(entries):
        refusal: Objection | None = (objection if kind == "reviewed" else structural)(entry.phrase)
        if refusal is not None:
            raise InvalidCodebook(f"entries[{number}].phrase: {refusal.value}")
        if entry.status != "retired" and entry.phrase in known:
            raise InvalidCodebook(f"entries[{number}].phrase: another entry has it")
        known.add(entry.phrase)

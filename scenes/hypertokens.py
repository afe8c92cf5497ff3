"""Hypertokens: whole texts that a model reads, and writes, as one token each (`hb.hypertokens/1`). Pure.

    The desk waited below the level ...    ->    <|Δ14|>

A model was trained for them, and they are tokens of its tokenizer's, so no prompt tells what they stand for. The surface is
delimited: Δ14 is never a part of Δ145. What another model shall read is said in words again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from scenes.scene import Register

if TYPE_CHECKING:
    from scenes.codebook.matching import Matcher

OPENING = "<|Δ"
"""What every surface begins with."""
SURFACE = re.compile(r"<\|Δ[0-9]{1,6}\|>")
MOST_ENTRIES = 200_000
"""Of one book: what vLLM takes of a vocabulary with adapters, less a base's own."""
MOST_CHARACTERS = 20_000
"""Of one text."""

_LOOKALIKE = re.compile(r"<\|[∆δ]([0-9]{1,6}\|>)")
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SHA256 = "^[0-9a-f]{64}$"


class InvalidHypertokens(ValueError):
    """A book that breaks its rules; says which rule, and where."""


class Hypertoken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`token` stands for `phrase`, and is the token `id` of the tokenizer; without it the phrase has so many `tokens` there.
    `delta` is its number for people.
    """

    token: str
    id: Annotated[int, msgspec.Meta(ge=0)]
    phrase: str
    tokens: Annotated[int, msgspec.Meta(ge=0)] = 0
    delta: str = ""
    hyperlexeme: str = ""
    register: Register | None = None


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A book in JSON."""

    schema: Literal["hb.hypertokens/1"] = "hb.hypertokens/1"
    id: str
    version: Annotated[int, msgspec.Meta(ge=1)]
    tokenizer_sha256: Annotated[str, msgspec.Meta(pattern=_SHA256)]
    entries: tuple[Hypertoken, ...]
    digest: str | None = None


@dataclass(frozen=True)
class Hypertokens:
    """One version of a book; `tokenizer_sha256` is of the tokenizer.json that has these tokens.

    Raises InvalidHypertokens where rules break.
    """

    id: str
    version: int
    tokenizer_sha256: str
    entries: tuple[Hypertoken, ...]

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InvalidHypertokens("id: at most 64 of a-z, 0-9, - and _, the first a letter or a digit")
        if not 0 < len(self.entries) <= MOST_ENTRIES:
            raise InvalidHypertokens(f"entries: from 1 to {MOST_ENTRIES:,}")
        _check(self.entries)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the book in canonical JSON, in hexadecimal digits."""
        return sha256(msgspec.json.encode(self._written(None), order="sorted")).hexdigest()

    @cached_property
    def phrases(self) -> dict[str, str]:
        """The text of every surface."""
        return {entry.token: entry.phrase for entry in self.entries}

    def encode(self, text: str) -> str:
        """The text with hypertokens in place of what they stand for.

        One that has a surface already stays as it is: nobody could tell those apart from ours.
        """
        if OPENING in text:
            return text
        pieces: list[str] = []
        at = 0
        for match in self._matcher.find(text):
            pieces += (text[at : match.start], self.entries[match.phrase].token)
            at = match.end
        return "".join((*pieces, text[at:])) if pieces else text

    def decode(self, text: str) -> str:
        """The text in words: every surface of the book's as what it stands for; other surfaces stay."""
        return SURFACE.sub(lambda found: self.phrases.get(found[0], found[0]), text)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self._written(self.digest), order="sorted")

    @classmethod
    def from_json(cls, document: bytes | str) -> "Hypertokens":
        """InvalidHypertokens says what is wrong and where; also where the digest is of another book."""
        try:
            read = msgspec.json.decode(document, type=_Written)
        except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError) as error:
            raise InvalidHypertokens(f"no hypertokens in JSON: {error}") from None
        book = cls(read.id, read.version, read.tokenizer_sha256, read.entries)
        if read.digest is not None and read.digest != book.digest:
            raise InvalidHypertokens("digest: of another book; it was changed after it was written")
        return book

    @cached_property
    def _matcher(self) -> "Matcher":
        from scenes.codebook.matching import Matcher  # noqa: PLC0415 - who only writes a book does without it

        return Matcher([entry.phrase for entry in self.entries])

    def _written(self, digest: str | None) -> _Written:
        return _Written(
            id=self.id,
            version=self.version,
            tokenizer_sha256=self.tokenizer_sha256,
            entries=self.entries,
            digest=digest,
        )


def same_letter(text: str) -> str:
    """The text with the Greek capital in every surface that somebody wrote with ∆ (increment) or δ."""
    return _LOOKALIKE.sub(rf"{OPENING}\1", text) if "<|" in text else text


def _check(entries: Sequence[Hypertoken]) -> None:
    tokens: set[str] = set()
    ids: set[int] = set()
    phrases: set[str] = set()
    for number, entry in enumerate(entries):
        if not SURFACE.fullmatch(entry.token):
            raise InvalidHypertokens(f"entries[{number}].token: <|Δ, up to six digits, |>")
        if entry.token in tokens or entry.id in ids:
            raise InvalidHypertokens(f"entries[{number}]: another entry has its token, or its id")
        if entry.phrase in phrases:
            raise InvalidHypertokens(f"entries[{number}].phrase: another entry has it")
        if (fault := _fault(entry.phrase)) is not None:
            raise InvalidHypertokens(f"entries[{number}].phrase: {fault}")
        tokens.add(entry.token)
        ids.add(entry.id)
        phrases.add(entry.phrase)


def check_phrase(phrase: str) -> None:
    """Raises InvalidHypertokens where no token can stand for this text."""
    if (fault := _fault(phrase)) is not None:
        raise InvalidHypertokens(f"the phrase {fault}")


def _fault(phrase: str) -> str | None:
    """What is wrong with a text that a token shall stand for."""
    if not 0 < len(phrase) <= MOST_CHARACTERS:
        return f"has from 1 to {MOST_CHARACTERS:,} characters"
    if phrase[0] <= " " or phrase[-1] <= " ":
        return "begins and ends with a word"
    if OPENING in phrase:
        return "has no surface in it"
    if not phrase.isprintable() and any(not each.isprintable() and each != "\n" for each in phrase):
        return "has no control characters but line ends, and no half characters"
    return None

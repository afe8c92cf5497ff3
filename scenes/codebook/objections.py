"""Why a phrase gets no code in a codebook that many texts share. Pure."""

import re
from enum import Enum

from scenes.codebook.codes import LEAST_TOKENS, LOOKALIKE


class Objection(Enum):
    """A reason, as a message says it: none repeats the phrase, which may be a secret."""

    SPACE = "begins and ends with a word"
    CONTROL = "has no line ends and no other control characters"
    CODE = "has no § before a letter: that would be a code itself"
    SHORT = "has at least six tokens: a shorter one saves nothing"
    SECRET = "has no secret: what looks like a key, a token or a password is never kept"  # noqa: S105 - a reason
    EMAIL = "has no address of a person"
    IDENTIFIER = "has no identifier: only what is the same for everybody gets a code"
    DIGITS = "has fewer than three digits: numbers are values"


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECRET = re.compile(
    r"-----BEGIN|\b(?:[spr]k[-_]|gh[opsu]_|xox[abp]-|AKIA|ASIA|AIza|eyJ)[-_A-Za-z0-9]{8,}"
    r"|(?i:\b\w*(?:password|passwd|pwd|secret|token|api[-_]?key|authorization|credential)s?[\"']?\s*[=:]\s*\S)"
    r"|(?i:\bbearer\s+\S)|://[^\s/@]+@"
)
_EMAIL = re.compile(r"[\w.+-]@[\w-]+\.\w")
_IDENTIFIER = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}|\b(?=[a-z]*\d)[0-9a-f]{7,}\b|\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z\d]{16,}\b"
    r"|\b[A-Za-z\d+/]{40,}={0,2}"
)
_MOST_DIGITS = 2


def structural(phrase: str) -> Objection | None:
    """What every phrase must be so that codes can be told and undone."""
    if not phrase or phrase[0] <= " " or phrase[-1] <= " ":
        return Objection.SPACE
    if _CONTROL.search(phrase):
        return Objection.CONTROL
    if LOOKALIKE.search(phrase):
        return Objection.CODE
    from scenes.codebook.phrases import words  # noqa: PLC0415 - numpy

    found = words(phrase)
    return Objection.SHORT if found is None or found.tokens(0, len(found.starts)) < LEAST_TOKENS else None


def objection(phrase: str) -> Objection | None:
    """The same, and nothing of one person, one request or one value."""
    return structural(phrase) or _value(phrase)


def is_value(word: str) -> bool:
    """Whether a word is of one person, one request or one thing."""
    return _value(word) is not None


def _value(text: str) -> Objection | None:
    for shape, reason in (
        (_SECRET, Objection.SECRET),
        (_EMAIL, Objection.EMAIL),
        (_IDENTIFIER, Objection.IDENTIFIER),
    ):
        if shape.search(text):
            return reason
    digits = sum(character.isdigit() for character in text)
    return Objection.DIGITS if digits > _MOST_DIGITS else None

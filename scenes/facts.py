"""What must survive every shortening as it stands: numbers, dates, names of things, quotes, code, and every *not*. Pure.

A fact is found by its shape alone, so the same text has the same facts everywhere. Names of people have no shape, and
are not found.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

VERSION = "facts@1"

FactKind: TypeAlias = Literal["url", "email", "code", "quote", "path", "date", "id", "number", "negation"]
KINDS: tuple[FactKind, ...] = get_args(FactKind)

_SHAPES: dict[FactKind, str] = {
    "url": r"\bhttps?://[^\s<>\"'`«»]{1,2000}[^\s<>\"'`«».,;:!?)\]}]",
    "email": r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b",
    "code": r"`[^`\n]{1,500}`",
    "quote": r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»",
    "path": r"(?<![\w/.~-])(?:~|\.{1,2})?(?:/[\w.@+-]{1,255}){1,64}/?(?<![.])",
    "date": (
        r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b"
        r"|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\b\d{1,2}:\d{2}(?::\d{2})?\b"
    ),
    "id": r"\b(?=[\w-]{0,63}\d)(?=[\w-]{0,63}[^\W\d_])[^\W_][\w-]{2,127}\b",
    "number": r"(?<![\w.])[-+−]?[$€£₽]?\d(?:[\d.,_]{0,40}\d)?(?:[eE][-+]?\d{1,4})?\s?[%‰$€£₽]?",  # noqa: RUF001
    "negation": (
        r"\b(?:not|never|no|none|nothing|nobody|neither|nor|without|cannot|unless|except|\w{2,8}n['’]t"  # noqa: RUF001
        r"|не|ни|нет|нельзя|никогда|никто|ничего|без|кроме|запрещено)\b"
    ),
}
_FACT = re.compile("|".join(f"(?P<{kind}>{shape})" for kind, shape in _SHAPES.items()), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """A fact in a text: the characters from `start` to before `end`."""

    kind: FactKind
    text: str
    start: int
    end: int


def facts(text: str) -> Iterator[Found]:
    """Every fact, in order; what stands inside another one (a number in a path) is part of that."""
    for found in _FACT.finditer(text):
        kind: FactKind = found.lastgroup  # type: ignore[assignment] # the names of the groups are the kinds
        said = found[0].strip()
        start = found.start() + found[0].index(said)
        yield Found(kind, said, start, start + len(said))


def counted(text: str) -> Counter[tuple[FactKind, str]]:
    """How often a text states each fact."""
    return Counter((found.kind, found.text) for found in facts(text))


def kept(before: str, after: str) -> float:
    """The share of the facts that a text still states after it was shortened (R1): |F(x) ∩ F(E(x))| / |F(x)|."""
    stated = counted(before)
    return (stated & counted(after)).total() / stated.total() if stated else 1.0
